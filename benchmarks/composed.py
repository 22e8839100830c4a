"""What does a call between two modules cost: joined when they are built, or through the host while they run?

The callee is the same component both times. Joined, its caller is another part of one binary. Through the host, its
caller asks ``bailiwick:invoke`` with JSON, and two modules are started. Both run in series, whose calls wait for no
disk.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import wasmtime

from bailiwick.authoring import compose_modules, read_piece
from bailiwick.canonical import canonical_bytes, digest
from bailiwick.keys import Signer, new_secret
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor import SeriesCall
from bailiwick.trust import sign_manifest
from benchmarks.table import Row

TENANT = "bench"
AUTHOR = Signer("modules/bench", new_secret(b"a" * 32))
INVOKE, ADD = "bailiwick:invoke/invoke@0.1.0", "acme:math/add@1.0.0"
BATCHES, CALLS = 9, 200
SERIES_CALLS = 1_000
TWO = '(param "a" s64) (param "b" s64) (result s64)'
ADDER = f"""(component
  (core module $c (func (export "f") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $c)) (func $f {TWO} (canon lift (core func $i "f")))
  (instance $x (export "add" (func $f))) (export "{ADD}" (instance $x)))"""
CHECKER = f"""(component (import "{ADD}" (instance $m (export "add" (func {TWO}))))
  (alias export $m "add" (func $a)) (core func $g (canon lower (func $a)))
  (core module $c (import "m" "add" (func $add (param i64 i64) (result i64)))
    (func (export "f") (param i64) (result i64) (call $add (local.get 0) (i64.const 1))))
  (core instance $i (instantiate $c (with "m" (instance (export "add" (func $g))))))
  (func $out (param "n" s64) (result s64) (canon lift (core func $i "f"))) (export "check" (func $out)))"""
QUESTION = json.dumps(
    {
        "interface": INVOKE,
        "function": "invoke",
        "input": {"module": "adder", "function": "add.add", "input": '{"a":1,"b":1}'},
    }
)
ASKED: dict[str, tuple[str, dict[str, int]]] = {
    "adder": ("add.add", {"a": 1, "b": 1}),
    "checked": ("check", {"n": 1}),
    "asker": ("ask", {}),
}
"""What is called of each module."""
ANYTHING: dict[str, Any] = {"title": "Measured", "input": {"type": "object"}, "output": True}


def measure(folder: Path) -> list[Row]:
    """Measure on a home of its own."""
    Node.init(folder, TENANT)
    with Node.open(Settings.resolve(home=folder, environ={})) as node:
        _install(node)
        found = _in_turns(node)
        return [
            Row("a call of one component, in a series", f"{found['adder']:,.0f} us", "one worker, lines kept"),
            Row("a call of two components, composed", *_against(found, "checked")),
            Row("a call of two modules, through the host", *_against(found, "asker")),
            *_series(node),
        ]


def _against(found: dict[str, float], name: str) -> tuple[str, str]:
    return f"{found[name]:,.0f} us", f"{found[name] / found['adder']:.2f} x a call of one component"


def _series(node: Node) -> list[Row]:
    """Run a series on one worker and on two, and see that its lines are the same."""
    actor, series = node.actor(TENANT), node.supervisor.series(TENANT)
    names = list(ASKED)
    calls = [_call(names[turn % len(names)]) for turn in range(SERIES_CALLS)]
    rows = []
    for workers in (1, 2):
        began = time.perf_counter()
        done = series.run(calls, actor, workers=workers)
        ran = time.perf_counter() - began
        again = series.replay(node.ledger(TENANT).read(done.receipt.index), workers=3 - workers)
        assert again.first_differing is None
        what = f"a series of {SERIES_CALLS:,} calls of three modules, {workers} at one time"
        rows.append(Row(what, f"{SERIES_CALLS / ran:,.0f} calls/s", f"the same bytes {3 - workers} at one time"))
    return rows


def _in_turns(node: Node) -> dict[str, float]:
    """Measure batches of each module in turn, and give the medians, in microseconds a call."""
    took: dict[str, list[float]] = {name: [] for name in ASKED}
    actor, series = node.actor(TENANT), node.supervisor.series(TENANT)
    for batch in range(BATCHES + 1):
        for name, times in took.items():
            began = time.perf_counter()
            done = series.run([_call(name)] * CALLS, actor)
            assert done.outcomes == {"answered": CALLS}
            if batch:  # the first one warms up
                times.append((time.perf_counter() - began) / CALLS * 1e6)
    return {name: statistics.median(each) for name, each in took.items()}


def _call(name: str) -> SeriesCall:
    return SeriesCall(module=name, function=ASKED[name][0], input=ASKED[name][1])


def _install(node: Node) -> None:
    adder = _files("adder", ADDER, "component/1", "add.add")
    checker = _files("checker", CHECKER, "component/1", "check")
    composed = compose_modules("checked", "1.0.0", read_piece(checker), [read_piece(adder)]).built.files
    asked = {"interface": INVOKE, "functions": ["invoke"], "scope": {"functions": ["adder.*"]}, "reason": "measured"}
    asker = _files("asker", _asker(), "core-json/1", "ask", asked)
    registry, actor = node.supervisor.registry(TENANT), node.actor(TENANT)
    registry.trust(AUTHOR.verifier.text(), actor)
    for files in (adder, composed, asker):
        signature = sign_manifest(json.loads(files["module.json"]), AUTHOR)
        registry.install({**files, "module.sig": signature}, actor)
    registry.grant("asker", INVOKE, actor)


def _asker() -> str:
    """Write a core guest that asks the host one question, and answers with what it was told."""
    question, opening = (_escaped(each) for each in (QUESTION, '{"ok":'))
    return f"""(module (import "bailiwick" "call" (func $ask (param i32 i32) (result i64)))
      (memory (export "memory") 4) (data (i32.const 65536) "{question}") (data (i32.const 131072) "{opening}")
      (global $at (mut i32) (i32.const 140000))
      (func (export "alloc") (param i32) (result i32)
        (global.get $at) (global.set $at (i32.add (global.get $at) (local.get 0))))
      (func (export "run") (param i32 i32) (result i64) (local $told i64) (local $size i32)
        (local.set $told (call $ask (i32.const 65536) (i32.const {len(QUESTION)})))
        (local.set $size (i32.wrap_i64 (local.get $told)))
        (memory.copy (i32.const 131078) (i32.wrap_i64 (i64.shr_u (local.get $told) (i64.const 32))) (local.get $size))
        (i32.store8 (i32.add (i32.const 131078) (local.get $size)) (i32.const 125))
        (i64.or (i64.shl (i64.const 131072) (i64.const 32))
          (i64.extend_i32_u (i32.add (local.get $size) (i32.const 7))))))"""


def _escaped(text: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in text.encode())


def _files(name: str, text: str, abi: str, function: str, *asked: dict[str, Any]) -> dict[str, bytes]:
    wasm = bytes(wasmtime.wat2wasm(text))
    manifest: dict[str, Any] = {
        "format": "bailiwick-module/1",
        "name": name,
        "version": "1.0.0",
        "title": "Measured",
        "licence": "Apache-2.0",
        "file": f"{name}.wasm",
        "digest": digest(wasm),
        "abi": abi,
        "tier": "lightweight",
        "capabilities": list(asked),
        "functions": {function: ANYTHING},
    }
    return {"module.json": canonical_bytes(manifest), f"{name}.wasm": wasm}
