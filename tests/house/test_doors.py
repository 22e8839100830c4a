"""Rooms are entered by their doors, doors are light, and seams have two sides."""

from __future__ import annotations

import ast
import importlib
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("cel_expr_python", "cryptography", "cyclopts", "jsonschema_rs", "rich", "wasmtime", "yaml")
DATA = {"builtin", "contracts"}
ROOT = Path(__file__).resolve().parents[2]
ROOMS = sorted(
    path.name
    for path in (ROOT / "src" / "bailiwick").iterdir()
    if path.is_dir() and path.name not in DATA and not path.name.startswith("_")
)
LAYERS = re.findall(r'"([a-z_ |]+)"', (ROOT / "pyproject.toml").read_text().split("layers = [")[1].split("]")[0])
ENTRIES_SECONDS_MAX = 0.3
TECHNOLOGY = {
    "cel_expr_python": "packs/language/expressions.py",
    "cryptography": ("keys.py", "adapters/keystore_envelope.py"),
    "cyclopts": "cli/",
    "fcntl": "adapters/disk_system.py",
    "jsonschema_rs": "schema/contract.py",
    "keyring": "adapters/keystore_keyring.py",
    "rich": "cli/",
    "socket": "adapters/",
    "sqlite3": "adapters/",
    "wasmtime": ("engine/loading.py", "engine/package.py"),
    "yaml": "packs/format/documents.py",
}
ROOMS_AS_ADAPTERS = {"recorder"}
"""Seams whose real side is a room: the ledger records."""

INSIDE = {"adapters": "each adapter is chosen by its own name", "cli": "the door of the terminal is a program"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_says_what_is_public(room):
    """If it failed, what a room offers would be found only by reading the room."""
    door = importlib.import_module(f"bailiwick.{room}")
    assert door.__doc__
    if room == "adapters":
        return
    names = door.__all__
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(door, name) for name in names)


@pytest.mark.parametrize("room", ROOMS)
def test_opening_a_door_imports_nothing_heavy(room):
    """If it failed, every command would pay for packages that it does not use."""
    code = f"import sys, bailiwick.{room}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_rooms_are_entered_by_their_doors(shipped):
    """If it failed, a room could not be rearranged without breaking its neighbours."""
    reaching = []
    for source in shipped:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                parts = node.module.split(".")
                if parts[0] == "bailiwick" and len(parts) > 2 and parts[1] != source.room and parts[1] not in INSIDE:
                    reaching.append(f"{source.path}: {node.module}")
    assert reaching == []


def test_technology_stays_in_the_file_that_names_it(shipped):
    """If it failed, exchanging an engine or a library would mean looking through the whole house."""
    strayed = []
    for source in shipped:
        for node in ast.walk(source.tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                place = TECHNOLOGY.get(module.split(".")[0])
                places = (place,) if isinstance(place, str) else place
                if places and not source.path.startswith(tuple(f"src/bailiwick/{each}" for each in places)):
                    strayed.append(f"{source.path}: {module}")
    assert strayed == []


def test_every_room_and_file_has_a_layer():
    """If it failed, something would stand outside the direction in which imports point."""
    layered = {name.strip() for layer in LAYERS for name in layer.split("|")}
    floor = {path.stem for path in (ROOT / "src" / "bailiwick").glob("*.py")} - {"__init__", "__main__"}
    assert {*ROOMS, *floor} == layered


def test_an_adapter_is_named_by_its_port_and_technology_and_has_a_twin():
    """If it failed, a seam would have one side only, and nothing would prove that it is a seam."""
    from bailiwick import ports

    known = {name.lower() for name in vars(ports) if isinstance(getattr(ports, name), type)} - {"protocol"}
    files = [path.stem for path in (ROOT / "src" / "bailiwick" / "adapters").glob("*_*.py") if path.stem != "__init__"]
    sides: dict[str, list[str]] = {}
    for stem in files:
        port, _, technology = stem.partition("_")
        assert technology, stem
        sides.setdefault(port, []).append(technology)
    assert set(sides) <= known
    assert {port: found for port, found in sides.items() if len(found) + (port in ROOMS_AS_ADAPTERS) < 2} == {}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["ledger", "--help"]])
def test_asking_for_help_is_quick(words):
    """If it failed, the terminal would feel slow before it did anything. CPU seconds: others may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bailiwick.cli", *words], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < ENTRIES_SECONDS_MAX
