"""What is kept of one sink between two deliveries: how far it has come, and what is the matter where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bailiwick.canonical import canonical_bytes, time_ns, time_text
from bailiwick.errors import BailiwickError, DocumentRefused
from bailiwick.model import Cursor, JsonValue
from bailiwick.schema import parse_document

FORMAT = "bailiwick-sink/1"
START = Cursor(count=0, leaf="")
TEXT_CHARACTERS_MAX = 500
"""Longest text of a receiver or an error that is kept, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a sink does not go on: a stable code, what was said, and since when (RFC 3339, nine digits)."""

    code: str
    message: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOver:
    """A sink began again at the first record: when, how far it had come, and why."""

    at: str
    count: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkState:
    """How far a sink has come in which ledger, and what is the matter.

    ``failures`` counts attempts since the last success; ``retry_at_ns`` is when the next is due. ``parked`` is the
    record that the receiver refuses for ever: the sink stands before it until it is accepted or skipped.
    """

    origin: str
    cursor: Cursor = START
    failures: int = 0
    retry_at_ns: int = 0
    trouble: Trouble | None = None
    parked: int | None = None
    started_over: StartedOver | None = None
    delivered_at: str | None = None
    notice: str = ""

    def moved(self, cursor: Cursor, at_ns: int, notice: str) -> SinkState:
        """Give the state after a delivery."""
        return replace(
            self,
            cursor=cursor,
            failures=0,
            retry_at_ns=0,
            trouble=None,
            parked=None,
            delivered_at=time_text(at_ns),
            notice=bounded(notice),
        )

    def failed(self, error: BailiwickError, at_ns: int, retry_at_ns: int) -> SinkState:
        """Give the state after an attempt that may work later."""
        return replace(
            self,
            failures=self.failures + 1,
            retry_at_ns=retry_at_ns,
            trouble=_trouble(error, at_ns),
            parked=None,
        )

    def stopped(self, error: BailiwickError, at_ns: int) -> SinkState:
        """Give the state before a record that is refused for ever."""
        return replace(self, failures=0, retry_at_ns=0, trouble=_trouble(error, at_ns), parked=self.cursor.count)

    def to_bytes(self) -> bytes:
        """Write the state down."""
        stored: dict[str, JsonValue] = {
            "format": FORMAT,
            "origin": self.origin,
            "count": self.cursor.count,
            "leaf": self.cursor.leaf,
            "failures": self.failures,
            "retry_at": time_text(self.retry_at_ns),
            "trouble": _members(self.trouble),
            "parked": self.parked,
            "started_over": _members(self.started_over),
            "delivered_at": self.delivered_at,
            "notice": self.notice,
        }
        return canonical_bytes(stored) + b"\n"


def read_state(raw: bytes) -> SinkState:
    """Read back what ``to_bytes`` wrote.

    Raises:
        ValueError: it is something else, or damaged.
    """
    try:
        stored: Any = parse_document(raw)
        if stored.pop("format") != FORMAT:
            raise ValueError("it has another format")
        trouble, over = stored.pop("trouble"), stored.pop("started_over")
        state = SinkState(
            cursor=Cursor(count=stored.pop("count"), leaf=stored.pop("leaf")),
            retry_at_ns=time_ns(stored.pop("retry_at")),
            trouble=None if trouble is None else Trouble(**trouble),
            started_over=None if over is None else StartedOver(**over),
            **stored,
        )
        if state.to_bytes() != raw:
            raise ValueError("it is not what was written")
    except (DocumentRefused, BailiwickError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    return state


def bounded(text: str) -> str:
    """Cut text of a receiver to what is kept, half characters replaced."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= TEXT_CHARACTERS_MAX else whole[: TEXT_CHARACTERS_MAX - 1] + "…"


def _trouble(error: BailiwickError, at_ns: int) -> Trouble:
    return Trouble(code=error.code, message=bounded(error.message), at=time_text(at_ns))


def _members(value: Trouble | StartedOver | None) -> JsonValue:
    return None if value is None else {name: getattr(value, name) for name in value.__slots__}
