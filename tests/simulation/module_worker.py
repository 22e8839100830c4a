"""One life of a node with modules, made to be killed: trusts, installs, grants, calls, and says what is durable.

    python module_worker.py HOME [N]     with N, dies before the N-th change that it asks of its disk

Each acknowledged act is a line on stdout, ``did``, its name and the ledger's size after it; each change a line
``change``, its kind and its file. Every act looks first whether an earlier life did it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import wasmtime

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.canonical import digest
from bailiwick.keys import Signer, new_secret
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk, kill
from bailiwick.trust import sign_manifest

TENANT = "local"
NAME = "greeter"
CLOCK = "bailiwick:clock/clock@0.1.0"
AUTHOR = Signer("modules/acme", new_secret(b"a" * 32))
LEAVER = Signer("modules/leaver", new_secret(b"l" * 32))
ANSWER = '{"ok":{"greeting":"hello"}}'


class Killing:
    """Tells of every change, and ends the process before the one whose turn it is."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.count = 0

    def __call__(self, operation: str, path: Path) -> None:
        """Count one change."""
        self.count += 1
        say(f"change {operation} {path.name}")
        if self.count == self.turn:
            kill(operation, path)


def files_of(version: str) -> dict[str, bytes]:
    """Give the files of one version of the module, signed."""
    said = "".join(f"\\{byte:02x}" for byte in ANSWER.encode())
    wasm = bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 2) (data (i32.const 65536) "{said}")
          (data (i32.const 70000) "{version}")
          (func (export "alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "run") (param i32 i32) (result i64) (i64.const {65_536 << 32 | len(ANSWER)})))""")
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
        "capabilities": [{"interface": CLOCK, "functions": ["now"], "reason": "to say good morning"}],
        "functions": {"greet": {"title": "Greet somebody", "input": {"type": "object"}, "output": True}},
    }
    files = {"module.json": json.dumps(manifest).encode(), "greeter.wasm": wasm}
    return {**files, "module.sig": sign_manifest(manifest, AUTHOR)}


def live(home: Path, turn: int) -> None:
    """Do everything that is not done yet."""
    Node.init(home, TENANT)
    disk = FaultyDisk(SystemDisk(), after=1, fault=Killing(turn), stays=True)
    with Node.open(Settings.resolve(home=home, environ={}), disk=disk) as node:
        registry, actor, ledger = node.supervisor.registry(TENANT), node.actor(TENANT), node.ledger(TENANT)

        def did(act: str) -> None:
            say(f"did {act} {ledger.size()}")

        say("did open 0")
        if LEAVER.verifier.text() not in registry.state.now().revoked:
            registry.trust(LEAVER.verifier.text(), actor)
            did("trust-leaver")
        registry.trust(AUTHOR.verifier.text(), actor)
        did("trust")
        registry.untrust(LEAVER.verifier.text(), actor)
        did("untrust")
        for version in ("1.0.0", "1.1.0"):
            floor = registry.state.now().floors.get(NAME)
            if floor is not None and floor.version > version:
                continue
            registry.install(files_of(version), actor)
            did(f"install-{version}")
        registry.grant(NAME, CLOCK, actor)
        did("grant")
        registry.switch(NAME, actor, on=True)  # an earlier life may have been killed while it was stopped
        node.supervisor.call(TENANT, NAME, "greet", b"{}", actor)
        did("call")
        registry.ungrant(NAME, CLOCK, actor) if registry.state.now().granted(NAME) else None
        did("ungrant")
        registry.switch(NAME, actor, on=False)
        did("stop")
        registry.switch(NAME, actor, on=True)
        did("start")
        node.supervisor.call(TENANT, NAME, "greet", b"{}", actor)
        did("call-again")
    say("end")


def say(line: str) -> None:
    """Write one line past every buffer, so that what was said is said whatever comes next."""
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
