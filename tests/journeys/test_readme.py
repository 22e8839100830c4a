"""What the README tells a newcomer to type works, word for word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BY_HAND = re.compile(r"<!-- typed: begin -->\s*```text\n(.*?)```\s*<!-- typed: end -->", re.S)


SHOWN = re.compile(r"\$ make demo\n(.*?)```", re.S)


def test_the_readme_shows_what_the_demo_prints(tmp_path):
    """If it failed, a newcomer would compare what they see with the output of another version."""
    environment = {**os.environ, "BAILIWICK_HOME": str(tmp_path / "home")}
    demo = [sys.executable, "-m", "bailiwick.cli", "demo"]
    printed = subprocess.run(demo, env=environment, capture_output=True, text=True, check=True).stdout
    assert _shape(SHOWN.search(README)[1]) == _shape(printed)


def _shape(text: str) -> list[str]:
    """Reduce output to its words on the left and its outcomes: what does not change from run to run."""
    outcomes = re.findall(r"^ {10,}\d+  [a-z0-9-]+$", text, re.M)
    return [*re.findall(r"^[a-z]+", text, re.M), *(line.strip() for line in outcomes)]


def test_the_commands_in_the_readme_work_one_after_the_other(tmp_path):
    """If it failed, the first thing that a newcomer types would not work."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BAILIWICK_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    typed = [line.removeprefix("$ ") for line in BY_HAND.search(README)[1].splitlines() if line.startswith("$ ")]
    assert len(typed) >= 3
    for line in typed:
        words = shlex.split(line.replace(".venv/bin/", ""), comments=True)
        ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{line}: {ran.stderr}"
