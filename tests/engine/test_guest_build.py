"""The binaries that ship are what their sources say."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "build_guests.py"
MODULES = sorted((ROOT / "src" / "bailiwick" / "builtin" / "modules").glob("*/module.json"))


def compiler_version():
    """Give the version of the compiler that is here, or None."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    asked = subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True, text=True, check=True)
    return f"ziglang {asked.stdout.strip()}"


@pytest.mark.parametrize("manifest", MODULES, ids=lambda path: path.parent.name)
def test_building_again_gives_the_same_bytes(manifest):
    """A binary that its source does not give could hold anything."""
    declared = json.loads(manifest.read_text())["build"]["compiler"]
    found = compiler_version()
    if found is None:
        pytest.skip("ziglang is not installed: python -m pip install 'bailiwick[modules]'")
    if found != declared:
        pytest.skip(f"the manifest was built with {declared}, and {found} is here")
    checked = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{manifest.parent.name}: as built" in checked.stdout


def test_there_is_a_module_to_check():
    """An empty list would make the test above pass by not running."""
    assert [path.parent.name for path in MODULES] == ["audit-view", "esta-accrual", "osha-intake"]
