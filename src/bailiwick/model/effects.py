"""An effect on its way from the decision that asks for it to what came of it, as the ledger's records tell it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bailiwick.model.words import JsonValue


class EffectState(StrEnum):
    """Where an effect stands. The first two are open: something can still become of it by itself or by a person."""

    WAITING = "waiting"
    APPROVAL = "needs-approval"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Say whether it may still be performed without anybody reviving it."""
        return self in (EffectState.WAITING, EffectState.APPROVAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEffect:
    """An effect as the ledger knows it: its opaque key, its type, the decision that first asked for it, and its state.

    ``record`` is the index of that decision, ``position`` the effect's place in it from 0; ``result`` is the index of
    the record that ended it, or None. ``attempts`` counts deliveries that failed, ``code`` says how the last one did,
    and ``retry_at`` when the next is due (RFC 3339; None: at once). ``needs_approval`` says that a person has to
    approve, ``within_minutes`` how long that may take, ``expires_at`` until when, ``approved`` in which record it was.
    ``again`` is the newest later decision that asked for the same while this one was open.
    """

    key: str
    type: str
    record: int
    position: int
    state: EffectState = EffectState.WAITING
    result: int | None = None
    attempts: int = 0
    code: str | None = None
    retry_at: str | None = None
    needs_approval: bool = False
    within_minutes: int | None = None
    expires_at: str | None = None
    approved: int | None = None
    again: QueuedEffect | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the effect as JSON, leaving out what does not apply."""
        optional: dict[str, JsonValue] = {
            "attempts": self.attempts or None,
            "code": self.code,
            "retry_at": self.retry_at,
            "expires_at": self.expires_at if self.state is EffectState.APPROVAL else None,
            "approved": self.approved,
        }
        told: dict[str, JsonValue] = {
            "key": self.key,
            "type": self.type,
            "record": self.record,
            "position": self.position,
            "state": self.state.value,
            "result": self.result,
        }
        return told | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSettings:
    """How effects of one type are performed, as ``node.toml`` says: by which kind of channel, and how stubbornly.

    ``attempts_max`` deliveries may fail before it is given up; between them lie ``wait_first_s`` seconds, doubled each
    time up to ``wait_max_s``. ``options`` are the channel's own.
    """

    type: str
    channel: str
    options: dict[str, bool | int | str | list[str]]
    attempts_max: int
    wait_first_s: int
    wait_max_s: int
