"""Files and functions stay small; what is larger already is listed in ``sizes.toml``, which may only shrink."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
POSITIONAL_MAX = 6
RATCHET = Path(__file__).with_name("sizes.toml")


def functions_of(source) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Give every function of a file with its name within the project."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{source.path}:{node.name}", node


def lines_of(function: ast.FunctionDef) -> int:
    """Count the lines of a function, its docstring left out."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_files_and_functions_stay_small(shipped):
    """If it failed, a file or function would have outgrown what a reader takes in at once."""
    large = {source.path: lines for source in shipped if (lines := source.text.count("\n")) > FILE_LINES_MAX}
    long = {
        name: lines
        for source in shipped
        for name, node in functions_of(source)
        if (lines := lines_of(node)) > FUNCTION_LINES_MAX
    }
    kept = tomllib.loads(RATCHET.read_text())
    for found, listed in [(large, kept["files"]), (long, kept["functions"])]:
        assert {name: lines for name, lines in found.items() if lines > listed.get(name, 0)} == {}, "split what grew"
        assert listed.keys() - found.keys() == set(), f"take out of {RATCHET.name} what is small by now"


def test_functions_take_few_arguments_by_position(shipped):
    """If it failed, a call would be a row of values that nobody can tell apart."""
    counted = {
        name: len([each for each in (*node.args.posonlyargs, *node.args.args) if each.arg not in {"self", "cls"}])
        for source in shipped
        for name, node in functions_of(source)
    }
    assert {name: count for name, count in counted.items() if count > POSITIONAL_MAX} == {}
