"""The modules of a home are compiled apart, and what came out is kept under a key of that home."""

import wasmtime

from bailiwick.engine.cache import CacheCounts
from bailiwick.engine.selftest import PROBE_TEXT
from bailiwick.model import Tier
from bailiwick.node import Node
from bailiwick.settings import Settings


def opened(home):
    """Open a home as a new process would."""
    return Node.open(Settings.resolve(home=home, tenant="local", environ={}))


def test_a_home_compiles_a_module_once_and_finds_it_in_the_next_process(tmp_path):
    """If it failed, the node's engine would compile hostile code within the node, or each start would compile again."""
    Node.init(tmp_path / "home", "local")
    wasm = bytes(wasmtime.wat2wasm(PROBE_TEXT))
    counts = []
    for _ in range(2):
        with opened(tmp_path / "home") as node:
            guest = node.engine.load(wasm)
            assert guest.memory_bytes_min <= Tier.LIGHTWEIGHT.budget.memory_bytes
            counts.append(node.code.counts)
    assert counts == [CacheCounts(missing=1), CacheCounts(found=1)]


def test_code_of_another_home_is_not_used(tmp_path):
    """If it failed, whoever can write a home's folder could bring native code from a home of their own."""
    wasm = bytes(wasmtime.wat2wasm(PROBE_TEXT))
    for name in ("mine", "theirs"):
        Node.init(tmp_path / name, "local")
    with opened(tmp_path / "theirs") as node:
        node.engine.load(wasm)
    (tmp_path / "theirs" / "code").rename(tmp_path / "mine" / "code")
    with opened(tmp_path / "mine") as node:
        node.engine.load(wasm)
        assert node.code.counts == CacheCounts(refused=1)
