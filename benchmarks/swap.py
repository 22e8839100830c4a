"""What does a swap cost those who call, and how fast is history run again before it?

Callers come at a steady rate, each waiting for its own answer and nobody else's; the swap happens in the middle. A call
is durable before it is answered, so its time holds a flush.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import wasmtime

from bailiwick.canonical import digest
from bailiwick.keys import Signer, new_secret
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.trust import sign_manifest
from benchmarks.table import Row

TENANT, NAME = "bench", "greeter"
AUTHOR = Signer("modules/bench", new_secret(b"a" * 32))
CALLERS, RATE, SECONDS = 20, 1_000, 4
HISTORY = 10_000
ASKED = b'{"name":"Ada"}'


def measure(folder: Path) -> list[Row]:
    """Measure on a home of its own."""
    Node.init(folder, TENANT)
    with Node.open(Settings.resolve(home=folder, tenant=TENANT, environ={})) as node:
        registry, actor = node.supervisor.registry(TENANT), node.actor(TENANT)
        registry.trust(AUTHOR.verifier.text(), actor)
        registry.install(_files("1.0.0"), actor)
        return [*_under_load(node), *_history(node)]


def _under_load(node: Node) -> list[Row]:
    waits: list[float] = []
    errors: list[str] = []
    start = time.perf_counter() + 0.2

    def call_on(number: int) -> None:
        actor = node.actor(TENANT)
        for turn in range(RATE * SECONDS // CALLERS):
            due = start + (turn * CALLERS + number) / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                node.supervisor.call(TENANT, NAME, "greet", ASKED, actor)
            except Exception as error:
                errors.append(repr(error))
            waits.append(time.perf_counter() - due)

    callers = [threading.Thread(target=call_on, args=(each,)) for each in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(SECONDS / 2)
    swapper, actor = node.supervisor.swapper(TENANT), node.actor(TENANT)
    before = max(waits)
    done = swapper.swap(swapper.plan(_files("1.1.0"), actor, calls=0), actor)
    for caller in callers:
        caller.join()
    count = len(waits)
    rate = count / (time.perf_counter() - start)
    return [
        Row(
            f"a swap under {RATE:,} calls/s asked, recorded durably",
            f"{len(errors)} of {count:,} calls lost",
            f"{rate:,.0f} calls/s answered by {CALLERS} callers",
        ),
        Row("  new calls waited for the switch", f"{done.pause_ms} ms", "calls in flight ended first"),
        Row(
            "  longest call, its wait included",
            f"{max(waits) * 1000:.0f} ms",
            f"{before * 1000:.0f} ms before the swap",
        ),
    ]


def _history(node: Node) -> list[Row]:
    swapper, actor = node.supervisor.swapper(TENANT), node.actor(TENANT)
    missing = HISTORY - RATE * SECONDS
    threads = [threading.Thread(target=_call_many, args=(node, missing // 8)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    began = time.perf_counter()
    found = swapper.plan(_files("1.2.0"), actor, calls=HISTORY).rehearsal
    seconds = time.perf_counter() - began
    what = f"the last {found.calls:,} calls run again before a swap"
    return [Row(what, f"{seconds:.1f} s", f"{found.calls / seconds:,.0f} calls/s; {found.differing} differ")]


def _call_many(node: Node, count: int) -> None:
    actor = node.actor(TENANT)
    for _ in range(count):
        node.supervisor.call(TENANT, NAME, "greet", ASKED, actor)


def _files(version: str) -> dict[str, bytes]:
    answer = '{"ok":{"greeting":"hello"}}'
    said = "".join(f"\\{byte:02x}" for byte in answer.encode())
    wasm = bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 2) (data (i32.const 65536) "{said}")
          (data (i32.const 70000) "{version}")
          (func (export "alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "run") (param i32 i32) (result i64) (i64.const {65_536 << 32 | len(answer)})))""")
    )
    manifest: dict[str, Any] = {
        "format": "bailiwick-module/1",
        "name": NAME,
        "version": version,
        "title": "Greets",
        "licence": "Apache-2.0",
        "file": "greeter.wasm",
        "digest": digest(wasm),
        "abi": "core-json/1",
        "tier": "lightweight",
        "capabilities": [],
        "functions": {"greet": {"title": "Greet", "input": {"type": "object"}, "output": {"type": "object"}}},
    }
    files = {"module.json": _json(manifest), "greeter.wasm": wasm}
    return {**files, "module.sig": sign_manifest(manifest, AUTHOR)}


def _json(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()
