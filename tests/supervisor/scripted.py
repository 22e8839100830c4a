"""An engine whose guests are Python functions: what a guest asks of the host, and when, is the test's to say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from bailiwick.canonical import digest
from bailiwick.engine import HostRefused
from bailiwick.errors import ModuleFailed
from bailiwick.model import Budget, HostCall, Run

Program = Callable[["Asked"], Any]
FUEL = 1_000
"""What every scripted run takes, beside what it is charged."""


@dataclass(slots=True)
class Asked:
    """One run of a scripted guest: what it was given, and the host it may ask."""

    function: str
    input: Any
    budget: Budget
    host: Any
    used: int = FUEL
    calls: list[HostCall] = field(default_factory=list)

    def ask(self, interface: str, asked: str, /, **given: Any) -> Any:
        """Ask the host; a refusal is raised, as a guest would see it."""
        before, output, error = self.used, None, None
        left = replace(self.budget, fuel=self.budget.fuel - before)
        try:
            output = self.host.call(interface, asked, given, left=left, charge=self.charge)
        except HostRefused as refused:
            error = {"code": refused.code, "message": refused.message}
            raise
        finally:
            told = {"input": given, "output": output, "error": error, "fuel": self.used - before}
            self.calls.append(HostCall(interface=interface, function=asked, **told))
        return output

    def charge(self, fuel: int) -> None:
        """Take fuel from this run."""
        self.used = min(self.used + fuel, self.budget.fuel)
        if self.used == self.budget.fuel:
            raise ModuleFailed("out of fuel", hint="less", code="module-out-of-fuel")


class Refuses(Exception):
    """A scripted guest refuses its input."""


@dataclass(slots=True)
class ScriptedEngine:
    """Stands in for ``Engine``; a binary is looked up by its bytes."""

    programs: dict[bytes, Program] = field(default_factory=dict)
    runs: list[tuple[str, str]] = field(default_factory=list)
    imports: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    def load(self, wasm: bytes, *, memory_bytes_max: int) -> Any:
        """Admit any bytes that have a program."""
        return SimpleNamespace(
            digest=digest(wasm),
            form="core-json/1",
            imports=self.imports.get(wasm, ()),
            functions={},
            memory_bytes_min=65_536,
            wasm=wasm,
        )

    def run(self, guest: Any, function: str, message: bytes, budget: Budget, *, host: Any) -> Run:
        """Run a program, and say what it gave in the words of a guest."""
        self.runs.append((guest.wasm.decode(), function))
        asked = Asked(function=function, input=json.loads(message), budget=budget, host=host)
        try:
            output = {"ok": self.programs[guest.wasm](asked)}
        except Refuses as refused:
            output = {"error": {"code": "input-off", "message": str(refused)}}
        except ModuleFailed as failed:
            failed.fuel, failed.transcript = asked.used, tuple(asked.calls)
            raise
        told = json.dumps(output).encode()
        return Run(output=told, fuel=asked.used, memory_bytes=65_536, transcript=tuple(asked.calls))
