"""What does a script cost: from an edit to its first answer, and a call, warm and cold, against a compiled guest?

All count vowels in the same text and answer JSON. Warm calls take turns in batches, and medians are compared. What runs
a script is compiled once, and a home keeps that.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.authoring import load_script, read_project, start
from bailiwick.engine import CodeCache, Compiler, Engine, Guest
from bailiwick.model import Tier
from bailiwick.node import Node
from bailiwick.node.engines import script_engine
from benchmarks.guests import build
from benchmarks.modules import MESSAGE, MISSING, medians
from benchmarks.table import Row

BUDGET = Tier.STANDARD.budget
KEY = bytes(32)
EDITS = 9
CALLS = 50
TENANT = "bench"
JAVASCRIPT = """function count(given) {
  let found = 0;
  for (const each of given.text) if ("aeiouAEIOU".includes(each)) found += 1;
  return { count: found, size: given.text.length };
}
"""
PYTHON = """def count(given):
    text = given["text"]
    return {"count": sum(each in "aeiouAEIOU" for each in text), "size": len(text)}
"""


def measure(folder: Path) -> list[Row]:
    """Measure both engines; CPython where its toolchain is installed."""
    folder.mkdir(parents=True)
    return [*_edits(folder / "desk"), *_calls(folder / "calls")]


def _edits(folder: Path) -> list[Row]:
    """Edit a script and ask it something, within one process and in one of its own."""
    folder.mkdir()
    files = start("late-fee", "script-js")
    quickjs = builtin_engine("quickjs")
    asked = b'{"minutes":[480,30]}'
    with Engine(artefact=CodeCache(folder / "code", KEY, make=Compiler())) as engine:

        def once(number: int) -> float:
            begun = time.perf_counter()
            text = files["script.js"] + b"// %d" % number
            guest = load_script(read_project({**files, "script.js": text}), engine, quickjs)
            assert json.loads(engine.run(guest, "total", asked, BUDGET).output) == {"ok": {"total": 510}}
            return time.perf_counter() - begun

        once(0)
        within = statistics.median(once(number + 1) for number in range(EDITS))
    home, script = folder / "home", folder / "late-fee"
    Node.init(home, TENANT)
    script.mkdir()
    for name, content in files.items():
        (script / name).write_bytes(content)

    def alone(number: int) -> float:
        (script / "script.js").write_bytes(files["script.js"] + b"// %d" % number)
        words = ["module", "run", os.fspath(script), "total", "--input", asked.decode(), "--home", os.fspath(home)]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bailiwick.cli", *words], check=True, capture_output=True)
        return time.perf_counter() - begun

    alone(0)
    apart = statistics.median(alone(number + 1) for number in range(3))
    return [
        Row(
            "script edited to its first answer, JavaScript",
            f"{within * 1000:.1f} ms",
            "the process stays (`module dev`)",
        ),
        Row("  with `bailiwick module run`", f"{apart * 1000:.0f} ms", "a process each time; its start is most of it"),
    ]


def _calls(folder: Path) -> list[Row]:
    folder.mkdir()
    cache = CodeCache(folder / "code", KEY, make=Compiler())
    runners = {"JavaScript": (JAVASCRIPT, builtin_engine("quickjs"))}
    lacking: list[Row] = []
    if importlib.util.find_spec("componentize_py") is None:
        lacking = [Row("script in Python", MISSING, "python -m pip install 'bailiwick[modules]'")]
    else:
        begun = time.perf_counter()
        runners["Python"] = (PYTHON, script_engine("cpython", kept=lambda: (folder / "engines", KEY)))
        lacking = [Row("CPython built for scripts", f"{time.perf_counter() - begun:.1f} s", "once a node, then kept")]
    cold = {}
    for language, (text, runner) in runners.items():
        first = _cold(cache, text, runner)
        cold[language] = (first, statistics.median(_cold(cache, text, runner) for _ in range(3)))
    return [*_warm(cache, runners, folder), *_told_cold(cold), *lacking]


def _warm(cache: CodeCache, runners: dict[str, tuple[str, bytes]], folder: Path) -> list[Row]:
    with Engine(artefact=cache) as engine:
        guests: dict[str, Guest] = {
            language: engine.load_script(text.encode(), runner) for language, (text, runner) in runners.items()
        }
        against = "no compiled guest to compare with: no compiler"
        if importlib.util.find_spec("ziglang") is not None:
            guests = {"compiled": engine.load(build(folder, "component")), **guests}
        calls: dict[str, Callable[[], object]] = {
            name: lambda guest=guest: engine.run(guest, "count", MESSAGE, BUDGET)  # type: ignore[misc]
            for name, guest in guests.items()
        }
        took = medians(CALLS, calls)
        fuel = {name: engine.run(guest, "count", MESSAGE, BUDGET).fuel for name, guest in guests.items()}
    rows = []
    for name in runners:
        if "compiled" in took:
            ratio, more = took[name] / took["compiled"], fuel[name] / fuel["compiled"]
            against = f"{took['compiled']:.0f} µs compiled C: {ratio:.0f} times, {more:,.0f} times the fuel"
        rows.append(Row(f"call of a script in {name}, a new sandbox", f"{took[name]:,.0f} µs", against))
    return rows


def _cold(cache: CodeCache, text: str, runner: bytes) -> float:
    """Say how long a new engine takes from nothing but what a cache keeps to an answer, in seconds."""
    begun = time.perf_counter()
    with Engine(artefact=cache) as engine:
        engine.run(engine.load_script(text.encode(), runner), "count", MESSAGE, BUDGET)
        return time.perf_counter() - begun


def _told_cold(cold: dict[str, tuple[float, float]]) -> list[Row]:
    return [
        Row(
            f"  {language}, first call of a process",
            f"{kept * 1000:.0f} ms",
            f"the engine kept compiled; {first:.1f} s where it is not",
        )
        for language, (first, kept) in cold.items()
    ]
