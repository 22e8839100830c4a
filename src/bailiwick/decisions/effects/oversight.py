"""What people say of effects: approve, deny, cancel, try anew. Each word is a record, said once, by a named actor.

A word that was said already is answered with the record of then, and not recorded again. The ledger's order decides
between people, and between people and the executor: a delivery that was under way when somebody cancelled is done.
Reasons are typed text, so they are kept in a salted blob of the effect's own, and the record holds its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import canonical_bytes, time_text
from bailiwick.decisions.effects.folding import (
    APPROVED,
    CANCELLED,
    DENIED,
    EXPIRED,
    RETRIED,
    WORDS,
    catch_up,
    keys_of,
)
from bailiwick.errors import EffectSettled, InputRefused, NotFound, UsageRefused
from bailiwick.ledger import Ledger
from bailiwick.model import SALT_BYTES, Actor, Draft, EffectState, JsonValue, QueuedEffect
from bailiwick.ports import BlobStore, Clock, EffectQueue, Entropy

REASON_FORMAT = "bailiwick-reason/1"
REASON_CHARACTERS_MAX = 2_000
"""Longest reason that is kept, in characters."""
KEY_CHARACTERS_MIN = 8
"""Fewest hexadecimal digits that name an effect, where they name one alone."""
PREFIX = "hmac-sha256:"
EXECUTOR = "executor"
_REVIVABLE = (EffectState.DEAD, EffectState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of a word: the effect as it is now, the record that settles it, and whether this call made it."""

    effect: QueuedEffect
    record: int | None
    is_new: bool

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {**self.effect.to_json(), "said_in": self.record, "new": self.is_new}


def keep_reason(tenant: str, text: str, subject: str, blobs: BlobStore, entropy: Entropy) -> str:
    """Keep text that a person typed, salted, and give its digest for a record.

    Raises:
        InputRefused: it is longer than ``REASON_CHARACTERS_MAX`` (code ``reason-too-long``), or no Unicode text.
        Unavailable: it cannot be kept.
    """
    if len(text) > REASON_CHARACTERS_MAX:
        raise InputRefused(
            f"the reason has {len(text)} characters; at most {REASON_CHARACTERS_MAX} are kept",
            hint="say it shorter, and name the file where the rest is",
            code="reason-too-long",
        )
    salt = entropy.take(SALT_BYTES).hex()
    blob = canonical_bytes({"format": REASON_FORMAT, "salt": salt, "text": text})
    return blobs.put_many(tenant, [blob], [subject])[0]


class Oversight:
    """Says words about the effects of one tenant, in the name of one actor."""

    def __init__(
        self,
        *,
        tenant: str,
        ledger: Ledger,
        queue: EffectQueue,
        blobs: BlobStore,
        clock: Clock,
        entropy: Entropy,
        exclusive: Callable[[], AbstractContextManager[object]],
        actor: Actor,
    ) -> None:
        """Join it to the ledger; ``exclusive`` lets one at a time look and then speak, among all processes."""
        self._tenant = tenant
        self._ledger = ledger
        self._queue = queue
        self._blobs = blobs
        self._clock = clock
        self._entropy = entropy
        self._exclusive = exclusive
        self._actor = actor

    def find(self, text: str) -> QueuedEffect:
        """Give the effect that a key names, or the beginning of one, with ``hmac-sha256:`` before it or without.

        Raises:
            UsageRefused: fewer than ``KEY_CHARACTERS_MIN`` digits, or several effects begin so (code ``effect-key``).
            NotFound: there is none (code ``effect-not-found``).
        """
        catch_up(self._tenant, self._ledger, self._queue)
        digits = text.removeprefix(PREFIX)
        if len(digits) < KEY_CHARACTERS_MIN:
            raise UsageRefused(
                f"{text[:80]!r} is too short to name an effect",
                hint=f"give at least {KEY_CHARACTERS_MIN} digits of its key: bailiwick effects list",
                code="effect-key",
            )
        exact = self._queue.find(self._tenant, [PREFIX + digits])
        found = list(exact.values()) or [
            each for each in self._queue.listed(self._tenant) if each.key.startswith(PREFIX + digits)
        ]
        if not found:
            raise NotFound(
                f"no effect of tenant {self._tenant} has the key {text[:80]!r}",
                hint="bailiwick effects list",
                code="effect-not-found",
            )
        if len(found) > 1:
            raise UsageRefused(
                f"{len(found)} effects have keys that begin with {text[:80]!r}",
                hint="give more digits: bailiwick effects list --json",
                code="effect-key",
            )
        return found[0]

    def approve(self, key: str) -> Said:
        """Let an effect that needs it go ahead.

        Raises:
            NotFound: there is no such effect.
            EffectSettled: nobody is asked (``approval-not-asked``), its time is over (``approval-late``, recorded as
                expired), it was ended otherwise, or this is the executor itself (``approval-executor``).
        """
        self._refuse_executor()
        with self._exclusive():
            effect = self._settle_late(self.find(key))
            if effect.approved is not None and effect.state is not EffectState.EXPIRED:
                return Said(effect=effect, record=effect.approved, is_new=False)
            self._check_asked(effect)
            return self._say(APPROVED, effect)

    def deny(self, key: str, reason: str = "") -> Said:
        """Refuse an effect that needs an approval, for good.

        Raises:
            NotFound, EffectSettled: as ``approve``.
            InputRefused: the reason is too long.
        """
        self._refuse_executor()
        with self._exclusive():
            effect = self._settle_late(self.find(key))
            if effect.state is EffectState.REFUSED:
                return Said(effect=effect, record=effect.result, is_new=False)
            self._check_asked(effect)
            return self._say(DENIED, effect, reason)

    def cancel(self, key: str, reason: str) -> Said:
        """Take an effect back that was not delivered.

        A delivery that is under way while this is recorded is not called back: the effect is done then, and ``show``
        says so.

        Raises:
            NotFound: there is no such effect.
            EffectSettled: it was delivered, or refused (code ``effect-settled``).
            InputRefused: the reason is too long.
        """
        with self._exclusive():
            effect = self.find(key)
            if effect.state is EffectState.CANCELLED:
                return Said(effect=effect, record=effect.result, is_new=False)
            if effect.state in (EffectState.DONE, EffectState.REFUSED):
                raise _settled(effect)
            return self._say(CANCELLED, effect, reason)

    def retry(self, key: str) -> Said:
        """Try an effect anew: one that was given up, one that waits for its moment, or one that nobody approved.

        Raises:
            NotFound: there is no such effect.
            EffectSettled: it was delivered, cancelled or refused, or waits for an approval.
        """
        with self._exclusive():
            effect = self._settle_late(self.find(key))
            if effect.state is EffectState.WAITING and effect.retry_at is None:
                return Said(effect=effect, record=None, is_new=False)
            if effect.state not in (*_REVIVABLE, EffectState.WAITING):
                raise _settled(effect)
            return self._say(RETRIED, effect)

    def retry_dead(self) -> list[Said]:
        """Try every effect anew that was given up, oldest first."""
        with self._exclusive():
            catch_up(self._tenant, self._ledger, self._queue)
            return [self._say(RETRIED, each) for each in self._queue.listed(self._tenant, EffectState.DEAD)]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _refuse_executor(self) -> None:
        if self._actor.role == EXECUTOR:
            raise EffectSettled(
                f"{self._actor.id} performs effects, so it cannot approve or deny them",
                hint="a person does that: bailiwick effects approve KEY",
                code="approval-executor",
            )

    def _settle_late(self, effect: QueuedEffect) -> QueuedEffect:
        """Record that an approval did not come in time, where that is so, and give the effect as it is then."""
        now = time_text(self._clock.now_ns())
        is_late = effect.expires_at is not None and effect.expires_at < now
        if effect.state is not EffectState.APPROVAL or not is_late:
            return effect
        return self._say(EXPIRED, effect).effect

    def _check_asked(self, effect: QueuedEffect) -> None:
        if effect.state is EffectState.APPROVAL:
            return
        if effect.state is EffectState.EXPIRED:
            raise EffectSettled(
                f"the approval of effect {effect.key[:28]} was possible until {effect.expires_at}",
                hint=f"to ask anew for as long: bailiwick effects retry {effect.key[:28]}",
                code="approval-late",
            )
        if not effect.needs_approval:
            raise EffectSettled(
                f"effect {effect.key[:28]} of type {effect.type} needs no approval",
                hint=f"to stop it: bailiwick effects cancel {effect.key[:28]} --reason WHY",
                code="approval-not-asked",
            )
        raise _settled(effect)

    def _say(self, event_type: str, effect: QueuedEffect, reason: str = "") -> Said:
        resource = f"effect/{effect.key.removeprefix(PREFIX)[:32]}"
        detail: dict[str, JsonValue] = {"key": effect.key, "type": effect.type, "record": effect.record}
        if reason:
            detail["why"] = keep_reason(self._tenant, reason, resource, self._blobs, self._entropy)
        draft = Draft(event_type=event_type, resource=resource, detail=detail, actor=self._actor)
        record = self._ledger.record(self._tenant, draft).index
        catch_up(self._tenant, self._ledger, self._queue)
        now = self._queue.find(self._tenant, [effect.key]).get(effect.key, effect)
        return Said(effect=now, record=record, is_new=True)


def _settled(effect: QueuedEffect) -> EffectSettled:
    where = "" if effect.result is None else f" in record {effect.result}"
    return EffectSettled(
        f"effect {effect.key[:28]} is {effect.state.value}{where}",
        hint=f"bailiwick effects show {effect.key[:28]}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record about an effect: its index, type and time, who said it, and what it says."""

    record: int
    type: str
    time: str
    by: str
    detail: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON, without what every record about the effect says."""
        more = {name: value for name, value in self.detail.items() if name not in ("key", "type", "record")}
        return {"record": self.record, "type": self.type, "time": self.time, "by": self.by, **more}


def told_of(effect: QueuedEffect, ledger: Ledger) -> list[Told]:
    """Give every record about an effect, the decisions that ask for it among them, in order.

    Cost: a walk over the ledger, from the decision that first asked for it.
    """
    found = []
    for record in ledger.records(effect.record):
        if effect.key in keys_of(record):
            detail = {} if record.event_type not in WORDS else record.detail
            told = Told(
                record=record.index,
                type=record.event_type,
                time=record.timestamp,
                by=record.actor.id,
                detail=detail,
            )
            found.append(told)
    return found
