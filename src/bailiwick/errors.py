"""The one tree of errors: what happened, a stable code, and what to try.

BailiwickError
├── UsageRefused               the call itself is off (exit 2)
├── InputRefused               what came from outside breaks its contract (exit 3)
│   ├── DocumentRefused        text that is not strict JSON; one code per reason
│   ├── SchemaViolated         a document that its schema refuses; carries every violation
│   ├── RowRefused             a line of CSV that cannot be framed or read
│   ├── RecordRefused          a draft outside the ledger's profile
│   ├── PackRefused            a pack that does not load; carries every fault found
│   └── ModuleRefused          a module that is not admitted
├── ModuleFailed               a guest failed by its own doing, the same way each time (exit 3)
├── ProjectionFailed           a fold over records raised, or its state cannot be kept (exit 3)
├── NotTrusted                 a signature or key that nobody vouched for (exit 3)
├── EffectsFrozen              the panic switch holds (exit 3)
├── EffectRefused              an effect that no receiver will take, however often it is asked (exit 3)
├── EffectSettled              what a person says of an effect comes too late, or cannot be said of it (exit 3)
├── HoldStands                 a legal hold covers what was to be deleted (exit 3)
├── NotFound                   no such home, tenant, pack, module, record or blob (exit 4)
├── Unavailable                the host cannot answer now; nothing was sealed (exit 5)
│   ├── LedgerPoisoned         a write or flush failed; reads go on
│   └── LedgerRaced            another writer was first; nothing was written
├── ProofRejected              a proof that does not lead to the root
└── LedgerBroken               a ledger or bundle that does not verify; carries its verdict (exit 10 to 16)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class BailiwickError(Exception):
    """Any refusal or failure that a caller can act on.

    ``code`` is stable and for programs; the message names the values seen; ``hint`` can be followed.
    A class may be raised with a finer ``code`` than its own, where one class has several reasons.

    >>> NotFound("no pack named 'us-osha'", hint="bailiwick pack list").to_json()["code"]
    'not-found'
    """

    code: str = "error"
    exit_code: int = 1

    def __init__(self, message: str, *, hint: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def to_json(self) -> dict[str, object]:
        """Give the one shape that every door prints: code, message and hint, and more where it is known."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageRefused(BailiwickError):
    """The call itself is off: an argument that cannot mean anything."""

    code = "usage"
    exit_code = 2


class InputRefused(BailiwickError):
    """What came from outside breaks its contract; nothing was done with it."""

    code = "input-refused"
    exit_code = 3


class DocumentRefused(InputRefused):
    """Text that is not strict JSON. Codes: ``json-*``, one per reason.

    ``path`` is a JSON Pointer to the value being read, ``byte`` the offset from 0, ``line`` and ``column`` count from 1
    (columns in characters); each is None where it cannot be known.
    """

    code = "json-refused"

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        code: str | None = None,
        path: str | None = None,
        byte: int | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.path = path
        self.byte = byte
        self.line = line
        self.column = column

    def to_json(self) -> dict[str, object]:
        """Give code, message and hint, and the place where it is known."""
        place = {"path": self.path, "byte": self.byte, "line": self.line, "column": self.column}
        return {**super().to_json(), **{name: where for name, where in place.items() if where is not None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that one place of a document breaks.

    ``path`` is a JSON Pointer (RFC 6901), ``rule`` the keyword or check that failed, ``value`` what stood there as
    bounded text.
    """

    path: str
    rule: str
    message: str
    value: str

    def to_json(self) -> dict[str, object]:
        """Give the violation as JSON."""
        return {"path": self.path, "rule": self.rule, "message": self.message, "value": self.value}


class _Itemised(InputRefused):
    """An input refused for several reasons, all of them carried."""

    def __init__(self, message: str, *, hint: str, violations: Sequence[Violation], code: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.violations = tuple(violations)

    def to_json(self) -> dict[str, object]:
        """Give code, message, hint and every violation."""
        return {**super().to_json(), "violations": [violation.to_json() for violation in self.violations]}


class SchemaViolated(_Itemised):
    """A document that its schema refuses; carries every violation, in document order."""

    code = "schema-violated"


class RowRefused(InputRefused):
    """A line of CSV that cannot be framed or read. Codes: ``row-*``."""

    code = "row-refused"


class RecordRefused(InputRefused):
    """A draft outside the ledger's profile: too large, too deep, a float, a key that is not ASCII."""

    code = "record-refused"


class PackRefused(_Itemised):
    """A pack that does not load; ``violations`` name the file, the rule and the fault. Codes: ``pack-*``."""

    code = "pack-refused"


class ModuleRefused(InputRefused):
    """A module that is not admitted: not WebAssembly, wrong digest, imports nobody granted. Codes: ``module-*``."""

    code = "module-refused"


class ModuleFailed(BailiwickError):
    """A guest failed by its own doing, the same way each time: fuel, memory, a trap, an answer that is garbage.

    Codes: ``module-out-of-fuel``, ``module-out-of-memory``, ``module-trapped``, ``module-answer`` and
    ``module-host-call``.
    ``transcript`` has what the guest asked of the host before (``model.HostCall``), ``fuel`` what it had used then.
    """

    code = "module-failed"
    exit_code = 3
    transcript: tuple[Any, ...] = ()
    fuel: int = 0


class ProjectionFailed(BailiwickError):
    """A fold over the ledger's records raised, or gave a state that cannot be kept. Codes: ``projection-*``."""

    code = "projection-failed"
    exit_code = 3


class NotTrusted(BailiwickError):
    """A signature or key that nobody vouched for."""

    code = "not-trusted"
    exit_code = 3


class EffectsFrozen(BailiwickError):
    """The panic switch holds: no effect starts. Decisions and reads go on."""

    code = "effects-frozen"
    exit_code = 3


class EffectRefused(BailiwickError):
    """An effect that will not be taken however often it is asked: by its receiver, or by this node's own rules."""

    code = "effect-refused"
    exit_code = 3


class EffectSettled(BailiwickError):
    """What a person says of an effect comes too late, or cannot be said of it. Nothing was recorded."""

    code = "effect-settled"
    exit_code = 3


class HoldStands(BailiwickError):
    """A legal hold covers what was to be deleted: nothing was. ``hold`` is its id."""

    code = "hold-stands"
    exit_code = 3

    def __init__(self, message: str, *, hint: str, hold: str) -> None:
        super().__init__(message, hint=hint)
        self.hold = hold

    def to_json(self) -> dict[str, object]:
        """Give code, message, hint and the id of the hold."""
        return {**super().to_json(), "hold": self.hold}


class NotFound(BailiwickError):
    """No such home, tenant, pack, module, record or blob."""

    code = "not-found"
    exit_code = 4


class Unavailable(BailiwickError):
    """The host cannot answer now: a wall-clock stop, a shortage, a lock. Nothing was sealed; trying again may work."""

    code = "unavailable"
    exit_code = 5


class LedgerPoisoned(Unavailable):
    """A write or flush failed, so what is on disk is unknown; reads go on, and appends wait for a reopening."""

    code = "ledger-poisoned"


class LedgerRaced(Unavailable):
    """Another writer stored a record of the same index first. Nothing was written: catch up, and append again."""

    code = "ledger-raced"


class EffectDelayed(Unavailable):
    """Nobody knows whether an effect was delivered, or its receiver has no time for it; it is tried again.

    ``retry_after_s`` is how long the receiver asked to be left alone, in seconds, or None.
    """

    code = "effect-unreachable"

    def __init__(self, message: str, *, hint: str, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after_s = retry_after_s


class EffectFenced(Unavailable):
    """A newer executor has spoken to the receiver, which takes nothing from this one any more."""

    code = "effect-fenced"


class SinkUnavailable(Unavailable):
    """A receiver of records did not confirm them, for a reason that may pass; they are sent again.

    Codes: ``sink-unreachable``, ``sink-timeout``, ``sink-busy``, ``sink-denied``, ``sink-answer``, ``sink-unwritable``.
    ``retry_after_s`` is how long the receiver asked to be left alone, in seconds, or None.
    """

    code = "sink-unreachable"

    def __init__(self, message: str, *, hint: str, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after_s = retry_after_s


class SinkRefused(BailiwickError):
    """A receiver refuses what was sent, and will refuse it again. Nothing of the batch counts as delivered."""

    code = "sink-refused"
    exit_code = 3


class ProofRejected(BailiwickError):
    """A proof that does not lead to the root it should."""

    code = "proof-rejected"


class Verdict(StrEnum):
    """What a verification concludes. Each has an exit code of its own; crying wolf teaches people not to look."""

    OK = "ok"
    TORN = "torn"
    TRUNCATED = "truncated"
    ALTERED = "altered"
    FORKED = "forked"
    CORRUPT = "corrupt"
    UNTRUSTED_KEY = "untrusted-key"
    STALE_WITNESS = "stale-witness"

    @property
    def exit_code(self) -> int:
        """Exit code of ``verify`` and ``ledger verify``: 0 for ok, else 10 to 16 in the order above."""
        order = list(Verdict)
        return 0 if self is Verdict.OK else 9 + order.index(self)


class LedgerBroken(BailiwickError):
    """A ledger or bundle that does not verify.

    ``index`` is the first bad record (from 0) where one can be named, else None.
    """

    code = "ledger-broken"

    def __init__(self, verdict: Verdict, message: str, *, hint: str, index: int | None = None) -> None:
        super().__init__(message, hint=hint, code=f"ledger-{verdict.value}")
        self.verdict = verdict
        self.index = index
        self.exit_code = verdict.exit_code

    def to_json(self) -> dict[str, object]:
        """Give code, message, hint, verdict and the first bad record."""
        return {**super().to_json(), "verdict": self.verdict.value, "index": self.index}
