"""A tenant with a ledger in memory, authors with keys, and guests written as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import wasmtime

from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.canonical import digest
from bailiwick.engine import Engine
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Record
from bailiwick.schema import Schemas
from bailiwick.supervisor import NodeRules, Registry, Supervisor
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore
from bailiwick.trust import sign_manifest

OPERATOR = Actor(id="local:0123456789abcdef", role="operator")
AUTHOR = Signer("modules/acme", new_secret(b"a" * 32))
STRANGER = Signer("modules/stranger", new_secret(b"s" * 32))
TENANT, OTHER_TENANT = "local", "other"
ANY = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
CLOCK = "bailiwick:clock/clock@0.1.0"
SCHEMAS = Schemas()


@dataclass(slots=True)
class House:
    """Two tenants of one node, everything in memory, and what a new process would open anew."""

    engine: Engine
    rules: NodeRules = field(default_factory=NodeRules)
    clock: MemoryClock = field(default_factory=MemoryClock)
    entropy: MemoryEntropy = field(default_factory=MemoryEntropy)
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    cursors: MemoryCursorStore = field(default_factory=MemoryCursorStore)
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    def ledger(self, tenant: str) -> Ledger:
        """Give the ledger of a tenant, made when first asked for."""
        if tenant not in self.ledgers:
            origin = f"bailiwick/{tenant}"
            self.ledgers[tenant] = Ledger.create(
                tenant,
                MemoryLedgerStore(),
                Signer(origin, new_secret(tenant.encode().ljust(32, b"."))),
                clock=self.clock,
                origin=origin,
                node_id="n-1",
                actor=OPERATOR,
                checkpoint_ms=None,
            )
        return self.ledgers[tenant]

    def open(self, **changes: Any) -> Supervisor:
        """Open a supervisor, as another process would."""
        ports: dict[str, Any] = {
            "open_ledger": self.ledger,
            "blobs": self.blobs,
            "cursors": self.cursors,
            "clock": self.clock,
            "entropy": self.entropy,
            "secret_of": lambda tenant: digest(tenant.encode()).encode(),
            "rules": self.rules,
        }
        return Supervisor(self.engine, **{**ports, **changes})

    def events(self, tenant: str = TENANT, prefix: str = "module.") -> list[Record]:
        """Give the records of modules, and check each against its published contract."""
        found = [each for each in self.ledger(tenant).records() if each.event_type.startswith(prefix)]
        for record in found:
            told = {name: value for name, value in record.detail.items() if not name.startswith("_")}
            SCHEMAS.check(record.event_type.replace(".", "-"), told)
        return found

    def types(self, tenant: str = TENANT) -> list[str]:
        """Give the types of the records of modules, in order."""
        return [each.event_type for each in self.events(tenant)]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Give one engine, as a process has."""
    with Engine() as opened:
        yield opened


@pytest.fixture
def house(engine) -> Iterator[House]:
    """Give a node with nothing on it."""
    made = House(engine)
    yield made
    for ledger in made.ledgers.values():
        ledger.close()


@pytest.fixture
def fleet(house) -> Supervisor:
    """Give a supervisor of a tenant that trusts the author."""
    supervisor = house.open()
    supervisor.registry(TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    return supervisor


@pytest.fixture
def registry(fleet) -> Registry:
    """Give the tenant's registry."""
    return fleet.registry(TENANT)


def text_of(answer: bytes | str, *, memory: int = 2, loops: bool = False, traps: bool = False) -> str:
    """Write a core guest that answers the same, whatever it is asked."""
    said = answer.encode() if isinstance(answer, str) else answer
    data = "".join(f"\\{byte:02x}" for byte in said)
    body = f"(i64.const {65_536 << 32 | len(said)})"
    body = "(loop $again (br $again)) (unreachable)" if loops else "(unreachable)" if traps else body
    return f"""(module (memory (export "memory") {memory}) (data (i32.const 65536) "{data}")
      (func (export "alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "run") (param i32 i32) (result i64) {body}))"""


def wasm_of(text: str) -> bytes:
    """Turn WebAssembly text into its binary."""
    return bytes(wasmtime.wat2wasm(text))


GREETING = wasm_of(text_of('{"ok":{"greeting":"hello"}}'))


def manifest_of(name: str = "greeter", version: str = "1.0.0", wasm: bytes = GREETING, **changes: Any) -> dict:
    """Give the manifest of a module with one function."""
    return {
        "format": "bailiwick-module/1",
        "name": name,
        "version": version,
        "title": "Greets",
        "licence": "Apache-2.0",
        "file": f"{name}.wasm",
        "digest": digest(wasm),
        "abi": "core-json/1",
        "tier": "lightweight",
        "capabilities": [],
        "functions": {
            "greet": {
                "title": "Greet somebody",
                "input": {**ANY, "type": "object", "properties": {"name": {"type": "string"}}},
                "output": {**ANY, "type": "object", "required": ["greeting"]},
            }
        },
    } | changes


def files_of(manifest: dict | None = None, wasm: bytes = GREETING, signer: Signer | None = AUTHOR) -> dict[str, bytes]:
    """Give the files of a module, signed where a signer is given."""
    stated = manifest or manifest_of(wasm=wasm)
    files = {"module.json": json.dumps(stated, indent=2).encode(), stated["file"]: wasm}
    return files if signer is None else {**files, "module.sig": sign_manifest(stated, signer)}


def asking(interface: str, *functions: str, **scope: Any) -> dict:
    """Give what a manifest asks for of one interface."""
    asked: dict[str, Any] = {"interface": interface, "functions": list(functions), "reason": "the test wants it"}
    return {**asked, "scope": scope} if scope else asked


Refuses = Callable[..., str]


@pytest.fixture
def stage():
    """Give an empty stage, where modules are Python functions."""
    from .stage import Stage

    return Stage()
