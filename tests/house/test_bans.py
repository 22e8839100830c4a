"""What is not done here: asking clock or dice, printing, swallowing errors, vague names, words from elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

OUTSIDE_WORLD = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getenv", "os.environ", "random.random", "random.randint",
    "random.Random", "random.choice", "secrets.token_bytes", "secrets.token_hex",
}  # fmt: skip
MAY_ASK = ("src/bailiwick/adapters/", "src/bailiwick/node/")
MAY_READ_ENVIRONMENT = "src/bailiwick/cli/options.py"
"""The terminal hands its environment to the settings; nothing else reads it."""

VAGUE = {"manager", "helper", "helpers", "util", "utils", "common", "base", "misc", "core", "process", "handle"}
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org", "proxy.golang" + ".org"]
MACHINE_PATH = re.compile(r"(?<![\w./])/(?:home/\w+|root|work|Users|opt/pypi)/\w")
UNDONE = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
TEXTS = ("*.md", "*.py", "*.toml", "*.txt", "*.yaml", "*.json", "*.c", "Makefile")


def dotted(node: ast.AST) -> str:
    """Write an attribute as its last two names, such as ``os.environ``."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def texts_of(root) -> Iterator[tuple[str, str]]:
    """Give every text that is kept in the project, this file left out: it holds the words that it bans."""
    for folder in ("", "src/", "tests/", "docs/", "tools/", "benchmarks/"):
        for pattern in TEXTS:
            for path in sorted(root.glob(f"{folder}**/{pattern}" if folder else pattern)):
                if path.name != "test_bans.py" and "egg-info" not in str(path):
                    yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def test_only_adapters_ask_the_clock_the_dice_and_the_environment(shipped):
    """If it failed, a decision could depend on something that replay cannot repeat."""
    asking = [
        f"{source.path}:{node.lineno}: {dotted(node)}"
        for source in shipped
        if not source.path.startswith(MAY_ASK)
        for node in ast.walk(source.tree)
        if dotted(node) in OUTSIDE_WORLD and not (source.path == MAY_READ_ENVIRONMENT and dotted(node) == "os.environ")
    ]
    assert asking == []


def test_only_the_terminal_prints(shipped):
    """If it failed, a room would talk to somebody's stdout behind the back of the program that uses it."""
    printing = [
        f"{source.path}:{node.lineno}"
        for source in shipped
        if source.room != "cli"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def reason_given(source, handler: ast.ExceptHandler) -> bool:
    """Say whether an empty handler has a comment on its line, or catches a signal that is private to its file."""
    private = isinstance(handler.type, ast.Name) and handler.type.id.startswith("_")
    return private or "# " in source.text.splitlines()[handler.body[0].lineno - 1]


def test_no_error_is_swallowed(shipped):
    """If it failed, something could go wrong and nobody would be told; an empty handler says why on its line."""
    swallowing = [
        f"{source.path}:{handler.lineno}"
        for source in shipped
        for handler in ast.walk(source.tree)
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or (isinstance(handler.body[0], ast.Pass) and not reason_given(source, handler)))
    ]
    assert swallowing == []


def test_errors_are_ours_and_have_a_hint(shipped):
    """If it failed, a person would be told what went wrong and not what to try."""
    from bailiwick import errors

    ours = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.BailiwickError)
    }
    faults = []
    for source in shipped:
        for node in ast.walk(source.tree):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name in {"Exception", "RuntimeError"}:
                faults.append(f"{source.path}:{node.lineno}: {name} says nothing")
            if name in ours:
                hints = [each.value for each in node.keywords if each.arg == "hint"]
                if not hints or (isinstance(hints[0], ast.Constant) and not str(hints[0].value).strip()):
                    faults.append(f"{source.path}:{node.lineno}: {name} without a hint")
    assert faults == []


@pytest.mark.parametrize("name", ["__del__", "mock", "sleep"])
def test_nobody_mocks_sleeps_or_finalises(shipped, tests, name):
    """If it failed, a test would be slow or prove a mock, or memory would be freed by chance."""
    found = []
    for source in [*shipped, *tests] if name != "sleep" else tests:
        for node in ast.walk(source.tree):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            defined = [node.name] if isinstance(node, ast.FunctionDef) else []
            called = [node.func.attr] if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else []
            if name in imported or (name == "__del__" and name in defined) or (name == "sleep" and name in called):
                found.append(f"{source.path}:{node.lineno}")
    assert found == []


def test_file_names_say_what_is_inside(root):
    """If it failed, something would lie in a drawer without a label."""
    files = [path for folder in ("src", "tests", "tools") for path in (root / folder).rglob("*.py")]
    vague = [str(path.relative_to(root)) for path in files if VAGUE & set(path.stem.split("_"))]
    assert vague == []


def test_texts_are_about_the_product(root):
    """If it failed, a reader would meet some machine's folder, an index of packages, or work that is not done."""
    faults = []
    for path, text in texts_of(root):
        for found in [MACHINE_PATH.search(text), UNDONE.search(text)]:
            if found:
                faults.append(f"{path}: {found[0]}")
        faults += [f"{path}: {host}" for host in REGISTRIES if host in text]
    assert faults == []


def test_every_test_is_a_claim_with_a_reason(tests):
    """If it failed, a red test would not say what is wrong."""
    faults = []
    for source in tests:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if len(node.name.split("_")) < 4:
                    faults.append(f"{source.path}:{node.lineno}: {node.name} is no claim")
                if not ast.get_docstring(node):
                    faults.append(f"{source.path}:{node.lineno}: {node.name} says nothing of what would be wrong")
    assert faults == []
