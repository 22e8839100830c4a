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
