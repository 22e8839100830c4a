"""A node with two tenants: one whose modules mean harm, and a neighbour whose next call has to be right."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick.engine import Engine
from bailiwick.errors import BailiwickError
from bailiwick.model import Budget
from bailiwick.supervisor import Answer, NodeRules, Registry, Supervisor
from tests.supervisor.conftest import (
    AUTHOR,
    GREETING,
    OPERATOR,
    OTHER_TENANT,
    TENANT,
    House,
    files_of,
    manifest_of,
    wasm_of,
)

SEED = int(os.environ.get("BAILIWICK_SEED", "4"))
"""What every random choice of these tests follows from; a failure says which one it was."""
BUDGET = Budget(fuel=2_000_000, memory_bytes=8 << 20, deadline_ms=60_000)
FREE = {"do": {"title": "Anything", "input": True, "output": True}}
LOOKED_AT = 50
"""The ledgers are verified whole after so many cases, and after the last."""


def dice_of(*of: object) -> random.Random:
    """Give the dice of one case."""
    return random.Random("/".join(map(str, (SEED, *of))))


@contextmanager
def told(case: object) -> Iterator[None]:
    """Say with every failure what repeats it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case {case}; to repeat it: BAILIWICK_SEED={SEED}")
        raise


def ending_of(engine: Engine, wasm: bytes, *, budget: Budget = BUDGET, host: Any = None) -> str:
    """Load bytes and run whatever they are: its error's code, or ``ran``. Any other error comes through."""
    try:
        guest = engine.load(wasm)
        for function in list(guest.functions)[:3] or ["do"]:
            engine.run(guest, function, b"{}", budget, host=host)
    except BailiwickError as error:
        return code_of(error)
    return "ran"


def code_of(error: BailiwickError) -> str:
    """Give the code of an error that says what to do, and shows nobody's stack."""
    assert error.code
    assert error.hint
    assert "Traceback" not in error.message
    return error.code


@dataclass(slots=True)
class Stand:
    """Both tenants on one engine, everything in memory."""

    engine: Engine
    rules: NodeRules = field(default_factory=lambda: NodeRules(concurrent=10_000))
    house: House = field(init=False)
    fleet: Supervisor = field(init=False)
    cases: int = 0

    def __post_init__(self) -> None:
        self.house = House(self.engine, rules=self.rules)
        self.fleet = self.house.open()
        for tenant in (TENANT, OTHER_TENANT):
            self.fleet.registry(tenant).trust(AUTHOR.verifier.text(), OPERATOR)
        self.fleet.registry(OTHER_TENANT).install(files_of(), OPERATOR)

    @property
    def registry(self) -> Registry:
        """The registry of the tenant that is attacked."""
        return self.fleet.registry(TENANT)

    def add(self, name: str, text: str | bytes, *capabilities: Any, tenant: str = TENANT, **changes: Any) -> None:
        """Install a guest, with what it asks for granted."""
        wasm = wasm_of(text) if isinstance(text, str) else text
        manifest = manifest_of(name, wasm=wasm, capabilities=list(capabilities), **{"functions": FREE, **changes})
        self.fleet.registry(tenant).install(files_of(manifest, wasm), OPERATOR)
        for each in capabilities:
            self.fleet.registry(tenant).grant(name, each["interface"], OPERATOR)

    def call(self, name: str, given: bytes = b"{}", tenant: str = TENANT) -> Answer:
        """Call a guest."""
        return self.fleet.call(tenant, name, "do", given, OPERATOR)

    def neighbour_is_right(self) -> None:
        """Check that another tenant's next call gives its answer, and now and then that both ledgers verify."""
        answer = self.fleet.call(OTHER_TENANT, "greeter", "greet", b'{"name":"Ada"}', OPERATOR)
        assert answer.value == {"greeting": "hello"}
        assert answer.module.digest == manifest_of(wasm=GREETING)["digest"]
        self.cases += 1
        if self.cases % LOOKED_AT == 0:
            self.verify()

    def verify(self) -> None:
        """Check that both ledgers verify from the first record on."""
        for ledger in self.house.ledgers.values():
            report = ledger.verify()
            assert report.exit_code == 0, report

    def close(self) -> None:
        """Let go of every module, each of which holds a file of its memory's beginning, and of both ledgers."""
        for tenant in (TENANT, OTHER_TENANT):
            for name in self.fleet.loaded(tenant):
                self.fleet.unload(tenant, name)
        for ledger in self.house.ledgers.values():
            ledger.close()


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds at one moment: open files, threads, resident memory in bytes."""

    files: int
    threads: int
    resident_bytes: int

    def __str__(self) -> str:
        return f"{self.resident_bytes >> 20} MiB, {self.files} files, {self.threads} threads"

    @classmethod
    def now(cls) -> Held:
        """Look."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE")
        )
