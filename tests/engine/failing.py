"""Guests for an engine of a test's own, and runs that must fail."""

from __future__ import annotations

import pytest

from bailiwick.errors import ModuleFailed


def reload(engine, to_wasm, run, **parts):
    """Load a guest into another engine than the room's."""
    text = f"""(module (memory (export "memory") {parts.get("memory", "2")}) {parts.get("extra", "")}
      (func (export "alloc") (param i32) (result i32) {parts.get("alloc", "(i32.const 1024)")})
      (func (export "run") (param $at i32) (param $size i32) (result i64) (local $i i32) {run}))"""
    return engine.load(to_wasm(text))


def failure(engine, guest, budget, kind=ModuleFailed):
    """Run what must fail, and give the error."""
    with pytest.raises(kind) as caught:
        engine.run(guest, "f", b"{}", budget)
    assert caught.value.hint
    return caught.value
