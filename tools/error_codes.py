"""Find every error code in the source: those of the classes, and the finer ones given where an error is made.

Read from the syntax tree, so that nothing has to run. A code made as ``f"json-{reason}"`` in a small function is
resolved through the calls of that function in the same file.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bailiwick import errors
from bailiwick.errors import BailiwickError, LedgerBroken, Verdict

VERDICTS = "ledger-*"
"""How the code that ``LedgerBroken`` makes of a verdict reads in the source; listed by verdict instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """One code: the class that carries it, the exit code, and the files that make it."""

    code: str
    raised: str
    exit_code: str
    files: tuple[str, ...]


def error_codes(source: Path) -> list[ErrorCode]:
    """List every code that can be met, sorted."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in sorted(source.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for code, name in _made_in(tree):
            found[code].add((name, path.relative_to(source).as_posix().removeprefix("bailiwick/")))
    for kind in _classes():
        found[kind.code].add((kind.__name__, "errors.py"))
    verdicts = [_verdict(verdict) for verdict in Verdict if verdict is not Verdict.OK]
    codes = [_code(code, places) for code, places in found.items() if code != VERDICTS]
    return sorted([*verdicts, *codes], key=lambda each: each.code)


def _verdict(verdict: Verdict) -> ErrorCode:
    return ErrorCode(
        code=f"ledger-{verdict.value}",
        raised="LedgerBroken",
        exit_code=str(verdict.exit_code),
        files=("errors.py",),
    )


def _code(code: str, places: set[tuple[str, str]]) -> ErrorCode:
    names = sorted({name for name, _ in places if name})
    exits = sorted({str(_exit_code(name)) for name in names}) or ["1"]
    return ErrorCode(
        code=code,
        raised=", ".join(names) or "several",
        exit_code="10 to 16" if code == LedgerBroken.code else ", ".join(exits),
        files=tuple(sorted({file for _, file in places})),
    )


def _classes() -> list[type[BailiwickError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BailiwickError)]
    return [kind for kind in kinds if not kind.__name__.startswith("_") and kind is not BailiwickError]


def _exit_code(name: str) -> int:
    return int(getattr(errors, name, BailiwickError).exit_code)


def _made_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Give each code made in a file, with the name of its class, or an empty name where it is passed on."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in [tree, *functions]:
        for call in _calls(function):
            for keyword in call.keywords:
                if keyword.arg == "code":
                    for code in _texts(keyword.value, function, tree):
                        yield code, _class_of(call, function)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """Give the calls in a function's own body, not in functions within it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _class_of(call: ast.Call, function: ast.AST) -> str:
    """Name the error class that a call makes: the call's own, or what its function says that it returns."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if hasattr(errors, name):
        return name
    returns = getattr(function, "returns", None)
    return returns.id if isinstance(returns, ast.Name) and hasattr(errors, returns.id) else ""


def _texts(value: ast.expr, function: ast.AST, tree: ast.Module) -> list[str]:
    """Give every text that an expression for a code can be."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value]
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body, function, tree), *_texts(value.orelse, function, tree)]
    if isinstance(value, ast.Name) and isinstance(function, ast.FunctionDef):
        return _passed(function, value.id, tree)
    if isinstance(value, ast.JoinedStr):
        first, *rest = value.values
        prefix = str(first.value) if isinstance(first, ast.Constant) else ""
        hole = rest[0] if rest else first
        names = isinstance(hole, ast.FormattedValue) and isinstance(hole.value, ast.Name)
        passed = _passed(function, hole.value.id, tree) if names and isinstance(function, ast.FunctionDef) else []
        return [prefix + text for text in passed] or [prefix + "*"]
    return []


def _passed(function: ast.FunctionDef, parameter: str, tree: ast.Module) -> list[str]:
    """Give the texts that the calls of a function in its file pass for one of its parameters."""
    names = [argument.arg for argument in function.args.args]
    position = names.index(parameter) - (names[:1] == ["self"]) if parameter in names else None
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", None)
        if called != function.name:
            continue
        given = [keyword.value for keyword in call.keywords if keyword.arg == parameter]
        given += call.args[position : position + 1] if position is not None else []
        found += [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return found
