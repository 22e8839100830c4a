"""What cases touch: every rule, every row, and every condition that rules join, once true and once false."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bailiwick.model import Decision, JsonValue, Status, TraceEntry
from bailiwick.packs.format.pack import INDETERMINATE, Call, Pack, Table
from bailiwick.packs.language.expressions import Expression
from bailiwick.packs.trying.known import Known
from bailiwick.packs.trying.sites import leaves_of, sites_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of one rule, and what no case made of it: ``never`` holds true, false or both."""

    rule: str
    text: str
    never: tuple[bool, ...]

    def __str__(self) -> str:
        """Say it as a line of a report."""
        told = " and ".join(str(each).lower() for each in self.never)
        return f"{self.rule}: never {told}: {self.text}"

    def to_json(self) -> dict[str, JsonValue]:
        """Give the condition as JSON."""
        return {"rule": self.rule, "condition": self.text, "never": list(self.never)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a pack its cases touch. A condition counts twice: true, and false.

    ``untouched`` names rules as ``run_cases`` does; ``conditions`` are those that no case made both true and false in a
    decision that came to their rule.
    """

    rules: int
    untouched: tuple[str, ...]
    sides: int
    conditions: tuple[Condition, ...]

    @property
    def sides_missing(self) -> int:
        """How many sides of conditions no case has shown."""
        return sum(len(each.never) for each in self.conditions)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the coverage as JSON."""
        return {
            "rules": {"all": self.rules, "touched": self.rules - len(self.untouched)},
            "conditions": {
                "all": self.sides,
                "touched": self.sides - self.sides_missing,
                "missing": [each.to_json() for each in self.conditions],
            },
        }


def cover(pack: Pack, decided: Iterable[Known]) -> Coverage:
    """Measure what decisions touch.

    Args:
        pack: The pack that they were decided by.
        decided: Normally its cases, decided (``known_cases``).

    Cost: about a microsecond for each condition of each decision.
    """
    names = to_touch(pack)
    touched: set[str] = set()
    seen: dict[tuple[str, str], set[JsonValue]] = {}
    leaves = {key: leaf for key, leaf, _ in _conditions(pack)}
    for each in decided:
        touched.update(touched_by(each.decision))
        reached = _reached(pack, each.decision)
        for (rule, text), leaf, is_raw in _conditions(pack):
            if rule in reached:
                seen.setdefault((rule, text), set()).add(each.value(leaf, is_raw=is_raw))
    missing = []
    for rule, text in leaves:
        never = tuple(side for side in (True, False) if side not in seen.get((rule, text), ()))
        if never:
            missing.append(Condition(rule=rule, text=text, never=never))
    return Coverage(
        rules=len(names),
        untouched=tuple(name for name in names if name not in touched),
        sides=2 * len(leaves),
        conditions=tuple(missing),
    )


def to_touch(pack: Pack) -> list[str]:
    """Name everything that cases should touch; a yes-or-no measure twice."""
    names: list[str] = []
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            names += [f"table row {rule.id}.{row.id}" for row in rule.rows]
        elif isinstance(rule, Call):
            names.append(f"call {rule.id}")
        elif rule.type == "boolean":
            names += [f"measure {rule.id} true", f"measure {rule.id} false"]
        else:
            names.append(f"measure {rule.id}")
    names += [f"assumption {assumption.id}" for assumption in pack.assumptions]
    names += [f"row {row.id}" for row in pack.rows]
    names += [f"effect {effect.id}" for effect in pack.effects]
    return [*names, INDETERMINATE]


def touched_by(decision: Decision) -> list[str]:
    """Name what one decision touches, in the words of ``to_touch``."""
    names = [INDETERMINATE] if decision.impact.outcome == INDETERMINATE else []
    for entry in decision.trace:
        if entry.status is not Status.COMPUTED:
            continue
        if entry.kind == "measure":
            names += _touched_measure(entry.rule, entry.value, entry.because)
        elif entry.kind == "call":
            names.append(str(entry.because))
        elif entry.kind == "impact":
            names.append(f"row {entry.rule}")
        elif entry.value is True:
            names.append(f"{entry.kind} {entry.rule}")
    return names


def _touched_measure(name: str, value: Any, because: str | None) -> list[str]:
    names = [f"measure {name}"]
    if isinstance(value, bool):
        names.append(f"measure {name} {str(value).lower()}")
    return names + [f"table row {name}.{row}" for row in rows_of(because)]


def rows_of(because: str | None) -> list[str]:
    """Give the rows that a trace entry of a table says have decided: one, several, or none.

    >>> rows_of("row large: 'large'"), rows_of("rows log, reports and 2 more"), rows_of(None)
    (['large'], ['log', 'reports'], [])
    """
    if because is not None and because.startswith("row "):
        return [because.removeprefix("row ").partition(":")[0]]
    if because is not None and because.startswith("rows "):
        return because.removeprefix("rows ").partition(" and ")[0].split(", ")
    return []


# --- conditions -----------------------------------------------------------------------------------------------------


def _conditions(pack: Pack) -> Iterator[tuple[tuple[str, str], Expression, bool]]:
    """Give each condition that facts can turn: by its rule and text, and whether it sees raw facts."""
    for site in sites_of(pack):
        if site.expression.type != "boolean" or site.part == "value":
            continue
        for leaf in leaves_of(site.expression):
            if leaf.constant is None:
                yield (site.rule, leaf.text), leaf, site.is_raw


def _reached(pack: Pack, decision: Decision) -> set[str]:
    """Name the rules that a decision came to: rows after the one that decided were not asked."""
    names = {f"assumption {each.id}" for each in pack.assumptions}
    entries = {(entry.kind, entry.rule): entry for entry in decision.trace}
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            names.update(_reached_rows(rule, entries.get(("measure", rule.id))))
        else:
            names.add(f"{'call' if isinstance(rule, Call) else 'measure'} {rule.id}")
    for entry in decision.trace:
        if entry.status is not Status.SKIPPED and entry.kind in ("row", "impact", "effect"):
            names.add(f"{'row' if entry.kind == 'impact' else entry.kind} {entry.rule}")
    return names


def _reached_rows(table: Table, entry: TraceEntry | None) -> Iterator[str]:
    decided = rows_of(entry.because) if entry is not None else []
    for row in table.rows:
        yield f"table row {table.id}.{row.id}"
        if table.hit == "first" and row.id in decided:
            return
