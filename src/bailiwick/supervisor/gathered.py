"""What one call from outside leaves for its record: questions to the host, refusals, and the calls inside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import BailiwickError
from bailiwick.model import Budget, HostCall, JsonValue, ModuleRef
from bailiwick.supervisor.values import encode_value

HOST_CALLS_MAX = 10_000
"""Most questions to the host of one call from outside, those of calls inside it included."""
TRANSCRIPT_BYTES_MAX = 8 << 20
"""Most bytes of questions and answers of one call from outside."""
INNER_RECORDED_MAX = 64
"""Calls inside a call that its record lists; the transcript has them all."""
UNLISTED = "unlisted"
"""Stands in a record for a code that a module gave and its manifest does not list."""
DENIALS_RECORDED_MAX = 32
"""Different refusals of one call that get a record each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one run of a module ended.

    ``kind`` is ``answered``, ``refused``, ``failed``, ``unavailable`` or ``remembered``; ``answer`` is what the module
    gave, as ``{"ok": ...}`` or ``{"error": {"code", "message"}}``, or None where it gave nothing. ``raw`` is the digest
    of its very bytes. ``variant`` names the text of a script that ran, where that was not the script's own.
    """

    module: ModuleRef
    function: str
    kind: str
    answer: Mapping[str, Any] | None
    raw: str | None
    fuel: int
    memory_bytes: int
    budget: Budget
    calls: tuple[HostCall, ...] = ()
    known_codes: frozenset[str] = frozenset()
    error: BailiwickError | None = None
    variant: str | None = None

    @property
    def code(self) -> str | None:
        """The code of a refusal or failure."""
        if self.error is not None:
            return self.error.code
        if self.answer is not None and "error" in self.answer:
            return str(self.answer["error"]["code"])
        return None

    @property
    def varied(self) -> dict[str, JsonValue]:
        """What a record says of the variant; nothing where the script's own text ran."""
        return {} if self.variant is None else {"variant": self.variant}

    @property
    def recorded_code(self) -> str | None:
        """The code as the ledger may hold it: a guest makes up its own, and its manifest vouches for those it lists."""
        code = self.code
        return code if self.error is not None or code is None or code in self.known_codes else UNLISTED

    def to_json(self) -> dict[str, Any]:
        """Give what the record of a call lists of one inside it."""
        told = {"module": self.module.to_json(), "function": self.function, "fuel": self.fuel, "outcome": self.kind}
        return {**told, **self.varied}

    def transcript(self) -> dict[str, Any]:
        """Give the run with everything that it asked of the host, and what that cost."""
        calls = [
            {"interface": each.interface, "function": each.function, "input": each.input}
            | ({"output": each.output} if each.error is None else {"error": dict(each.error)})
            | ({"fuel": each.fuel} if each.fuel else {})
            for each in self.calls
        ]
        return {**self.to_json(), "code": self.code, "calls": calls}


@dataclass(slots=True, kw_only=True)
class Gathered:
    """Grows while a call from outside runs, and belongs to the one thread that runs it."""

    host_calls: int = 0
    transcript_bytes: int = 0
    denied: int = 0
    audited: int = 0
    denials: list[dict[str, JsonValue]] = field(default_factory=list)
    inner: list[Outcome] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    def weigh(self, question: Any, answer: Any) -> bool:
        """Count the bytes of a question and its answer, and say whether all are still within bounds."""
        self.transcript_bytes += len(encode_value(question)) + len(encode_value(answer))
        return self.transcript_bytes <= TRANSCRIPT_BYTES_MAX

    def deny(self, denial: dict[str, JsonValue]) -> None:
        """Note a refusal; the same one again is only counted."""
        self.denied += 1
        if denial not in self.denials and len(self.denials) < DENIALS_RECORDED_MAX:
            self.denials.append(denial)
