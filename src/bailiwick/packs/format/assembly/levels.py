"""Measures, tables and calls in an order in which each reads only what earlier ones gave."""

from __future__ import annotations

from collections.abc import Iterable

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.pack import Call, Level, Measure, Table

Rule = Measure | Table | Call


def gives_of(rule: Rule) -> tuple[str, ...]:
    """Give the names that other rules read a rule by: one, or those of a call."""
    return rule.paths if isinstance(rule, Call) else (rule.path,)


def in_order(declared: Declarations, rules: Iterable[Rule]) -> tuple[Level, ...]:
    """Sort rules into levels, each reading only earlier ones; note every cycle by its names."""
    built: dict[str, Rule] = {}
    for rule in rules:
        for path in gives_of(rule):
            built.setdefault(path, rule)
    waiting = {path: _paths_read(rule) for path, rule in built.items()}
    levels: list[Level] = []
    while waiting:
        ready = [path for path, reads in waiting.items() if not any(read in waiting for read in reads)]
        if not ready:
            _note_cycles(declared, waiting)
            break
        ordered = tuple({id(built[path]): built[path] for path in ready}.values())
        levels.append(Level(rules=ordered))
        for path in ready:
            del waiting[path]
    return tuple(levels)


def _paths_read(rule: Rule) -> list[str]:
    return [path for expression in rule.expressions for path in expression.reads]


def _note_cycles(declared: Declarations, waiting: dict[str, list[str]]) -> None:
    """Follow each measure that waits to the cycle that it waits for; note each cycle once."""
    seen: set[str] = set()
    for start in waiting:
        trail: dict[str, int] = {}
        path = start
        while path not in trail and path not in seen:
            trail[path] = len(trail)
            path = next(read for read in waiting[path] if read in waiting)
        if path in trail:
            cycle = [*list(trail)[trail[path] :], path]
            file, pointer = declared.measures[path.removeprefix("m.")]
            declared.fault(file, pointer, "cycle", "these measures read one another: " + " -> ".join(cycle))
        seen.update(trail)
