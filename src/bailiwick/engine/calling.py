"""What every way of calling a guest shares: the shape of a call, its bounds, and what each stop means.

A guest that runs out of fuel or memory, traps or answers garbage has failed by its own doing, and does so each time. A
wall-clock stop, a shortage on the host, and a call stack that ends (how deep it goes differs between processors and
engine versions) are never an outcome: the host was not able to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bailiwick.engine.answer import OUTPUT_BYTES_MAX, answer_failed
from bailiwick.errors import BailiwickError, ModuleFailed, Unavailable
from bailiwick.model import Budget

OUT_OF_FUEL = "out_of_fuel"
INTERRUPT = "interrupt"
STACK_OVERFLOW = "stack_overflow"
MASK_32 = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Code:
    """Compiled code, ready to be instantiated: the owner that keeps it alive, and its address for direct calls."""

    owner: Any
    address: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A call that came back: the bytes of its answer, fuel used, memory in use at the end in bytes."""

    output: bytes
    fuel: int
    memory_bytes: int


class Trapped(Exception):
    """A trap on its way to the engine: its cause in one word, and the memory in use when it came, in bytes."""

    def __init__(self, cause: str, memory_bytes: int) -> None:
        super().__init__(cause)
        self.cause = cause
        self.memory_bytes = memory_bytes


class HostShort(Exception):
    """The host could not set the call up; the text is the engine's."""


class Caller(Protocol):
    """One way of calling: a new sandbox, one call, and the sandbox is gone."""

    def call(
        self, code: Code, message: bytes, budget: Budget, ticks: int, attach: Callable[[int], None] | None = None
    ) -> Finished:
        """Call a guest with a message; ``attach`` is told the context of its store before any guest code runs.

        Raises:
            Trapped: the guest stopped before it answered.
            HostShort: no sandbox could be set up.
            ModuleFailed: the guest gave no room, or an answer outside its memory.
        """
        ...


def check_room(place: int, size: int, memory_bytes: int) -> None:
    """Check where a guest wants its message: inside its memory, and not at 0, which says that it has no room.

    Raises:
        ModuleFailed: ``module-out-of-memory`` for 0, ``module-answer`` for a place outside.
    """
    if place == 0:
        raise ModuleFailed(
            f"the module has no room for a message of {size} bytes",
            hint="send a smaller input",
            code="module-out-of-memory",
        )
    if place + size > memory_bytes:
        raise answer_failed(f"to alloc({size}) is {place}, which leaves its memory of {memory_bytes} bytes")


def check_output(result: int, memory_bytes: int) -> tuple[int, int]:
    """Split a result into place and size of the answer, both checked against the guest's memory.

    Raises:
        ModuleFailed: ``module-answer`` for an answer outside or too large.
    """
    place, size = result >> 32 & MASK_32, result & MASK_32
    if size > OUTPUT_BYTES_MAX:
        raise answer_failed(f"has {size} bytes, more than the {OUTPUT_BYTES_MAX} allowed")
    if place + size > memory_bytes:
        raise answer_failed(f"lies at {place} with {size} bytes, which leaves its memory of {memory_bytes} bytes")
    return place, size


def explain_stop(cause: str, detail: str, digest: str, budget: Budget) -> BailiwickError:
    """Say what it means that a run ended inside a host call, by the guest's doing."""
    if cause in (OUT_OF_FUEL, INTERRUPT):
        return explain(Trapped(cause, 0), digest, budget)
    return ModuleFailed(
        f"module {digest} was stopped in a call of the host: {detail}",
        hint="report it to the module's author; the same input and answers fail the same way each time",
        code="module-host-call",
    )


def explain(trapped: Trapped, digest: str, budget: Budget) -> BailiwickError:
    """Say what a trap means, with the one error that a caller can act on."""
    cause, used = trapped.cause.replace("_", " "), trapped.memory_bytes
    if trapped.cause == OUT_OF_FUEL:
        return ModuleFailed(
            f"module {digest} used up its {budget.fuel} units of fuel before it answered",
            hint="send less in one call, or give the module a larger tier",
            code="module-out-of-fuel",
        )
    if trapped.cause == INTERRUPT:
        return Unavailable(
            f"module {digest} was stopped after {budget.deadline_ms} ms of wall time; nothing was decided",
            hint="try again when the machine is less busy",
            code="module-deadline",
        )
    if trapped.cause == STACK_OVERFLOW:
        return Unavailable(
            f"module {digest} recursed deeper than this host's call stack; nothing was decided",
            hint="report it to the module's author: how deep a call stack goes differs between machines",
            code="module-call-stack",
        )
    if _is_full(used, budget.memory_bytes):
        return ModuleFailed(
            f"module {digest} trapped ({cause}) with {used} of its {budget.memory_bytes} bytes of memory in use",
            hint="send less in one call, or give the module a larger tier",
            code="module-out-of-memory",
        )
    return ModuleFailed(
        f"module {digest} trapped: {cause}",
        hint="report it to the module's author with the input; the same input fails the same way each time",
        code="module-trapped",
    )


def _is_full(used: int, limit: int) -> bool:
    """Say whether memory was as good as used up: growth that is refused gives the guest -1, and most then give up.

    Fifteen sixteenths, because allocators grow by more than a page at a time. The same guest and input give the same
    answer here, since growth is refused by the budget alone.
    """
    return used * 16 >= limit * 15
