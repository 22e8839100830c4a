"""What does a tenant at its limit cost another one on the same node?

A quiet tenant calls at a steady rate, alone and then beside a busy one whose threads call without a pause, each call
burning fuel. Both are recorded durably. The same is measured for several numbers of calls that run at one time.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wasmtime

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.keys import Signer, new_secret
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor.schedule import AT_ONCE_DEFAULT
from bailiwick.trust import sign_manifest
from benchmarks.table import Row

QUIET, BUSY = "quiet", "busy"
NAME = "worker"
AUTHOR = Signer("modules/bench", new_secret(b"a" * 32))
SETTINGS = ({"at_once": 2}, {"at_once": 8}, {"at_once": AT_ONCE_DEFAULT}, {"at_once": AT_ONCE_DEFAULT, "beside": 32})
"""Rules of the node: how many calls run at one time, and how many of one tenant while others call too."""
CALLERS = 64
ROUNDS = 3
"""Rounds of both, alone and beside, of which the middle one is told."""
RATE, SECONDS = 40, 3
"""Calls of the quiet tenant a second, and for how long, in seconds."""
TURNS = 200_000
"""Rounds of the loop of one call: some milliseconds of one core."""
GOAL = 0.20
"""Most that the 95th percentile of the quiet tenant may grow."""


def measure(folder: Path) -> list[Row]:
    """Measure on a home of its own with two tenants."""
    for tenant in (QUIET, BUSY):
        Node.init(folder, tenant)
    node_toml = folder / "node.toml"
    written = node_toml.read_text()
    rows = []
    for rules in SETTINGS:
        table = "".join(f"{name} = {value}\n" for name, value in rules.items())
        node_toml.write_text(f"{written}\n[modules]\n{table}")
        with Node.open(Settings.resolve(home=folder, environ={})) as node:
            rows.append(_measured(node, rules))
    return rows


def _measured(node: Node, rules: Mapping[str, int]) -> Row:
    for tenant in (QUIET, BUSY):
        registry, actor = node.supervisor.registry(tenant), node.actor(tenant)
        registry.trust(AUTHOR.verifier.text(), actor)
        registry.install(module_files(), actor)
        for _ in range(50):
            node.supervisor.call(tenant, NAME, "work", b"{}", actor)
    rounds = [_one_round(node) for _ in range(ROUNDS)]
    before, after, rate = sorted(rounds, key=lambda each: each[1] / each[0])[ROUNDS // 2]
    grown = after / before - 1
    how = ", ".join(f"{name} = {value}" for name, value in rules.items())
    default = " (the default)" if rules == {"at_once": AT_ONCE_DEFAULT} else ""
    return Row(
        f"p95 of a tenant beside one at its limit, {how}{default}",
        f"{grown:+.0%}",
        f"{after * 1e3:.1f} ms beside {rate:,.0f} calls/s of {CALLERS} threads, {before * 1e3:.1f} ms alone",
        f"under {GOAL:.0%}: {'met' if grown < GOAL else 'not met'}",
    )


def _one_round(node: Node) -> tuple[float, float, float]:
    """Give the percentile alone and beside the busy tenant, in seconds, and that one's calls a second."""
    before = _p95(node)
    with _busy(node) as answered:
        start, count = time.perf_counter(), len(answered)
        after = _p95(node)
        return before, after, (len(answered) - count) / (time.perf_counter() - start)


def _p95(node: Node) -> float:
    """Call at a steady rate and give the 95th percentile of how long a call took, in seconds."""
    waits, actor, start = [], node.actor(QUIET), time.perf_counter()
    for turn in range(RATE * SECONDS):
        due = start + turn / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        node.supervisor.call(QUIET, NAME, "work", b"{}", actor)
        waits.append(time.perf_counter() - began)
    return statistics.quantiles(waits, n=20)[-1]


@contextmanager
def _busy(node: Node) -> Iterator[list[int]]:
    """Have the other tenant call without a pause while the block runs."""
    ended, answered, actor = threading.Event(), [], node.actor(BUSY)

    def call_on() -> None:
        while not ended.is_set():
            answered.append(node.supervisor.call(BUSY, NAME, "work", b"{}", actor).fuel)

    threads = [threading.Thread(target=call_on) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        while len(answered) < CALLERS:
            time.sleep(0.01)
        yield answered
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def module_files(turns: int = TURNS) -> dict[str, bytes]:
    """Give a signed module whose one function counts down."""
    answer = '{"ok":1}'
    said = "".join(f"\\{byte:02x}" for byte in answer.encode())
    wasm = bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 2) (data (i32.const 65536) "{said}")
          (func (export "alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "run") (param i32 i32) (result i64) (local $left i32) (local.set $left (i32.const {turns}))
            (loop $again (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left)))
            (i64.const {65_536 << 32 | len(answer)})))""")
    )
    manifest: dict[str, Any] = {
        "format": "bailiwick-module/1",
        "name": NAME,
        "version": "1.0.0",
        "title": "Works",
        "licence": "Apache-2.0",
        "file": "worker.wasm",
        "digest": digest(wasm),
        "abi": "core-json/1",
        "tier": "lightweight",
        "capabilities": [],
        "functions": {"work": {"title": "Work", "input": {"type": "object"}, "output": {"type": "integer"}}},
    }
    return {
        "module.json": canonical_bytes(manifest),
        "worker.wasm": wasm,
        "module.sig": sign_manifest(manifest, AUTHOR),
    }
