"""The theme of what leaves the node: effects that decisions asked for, the panic switch, and sinks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from bailiwick.adapters.auditsink_choice import open_sink
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.effectchannel_choice import Surroundings, open_channel
from bailiwick.adapters.effectchannel_signature import Sign, sign_by_key
from bailiwick.adapters.panicswitch_file import FilePanicSwitch
from bailiwick.adapters.panicswitch_joined import JoinedPanicSwitch
from bailiwick.canonical import time_text
from bailiwick.decisions import (
    REASON_CHARACTERS_MAX,
    EffectsReport,
    Executor,
    Oversight,
    Pruner,
    Told,
    catch_up,
    keep_reason,
    read_effects,
    settings_of,
    told_of,
)
from bailiwick.errors import BailiwickError, Unavailable
from bailiwick.keys import SEED_BYTES, Signer, Verifier, new_secret
from bailiwick.model import SALT_BYTES, Actor, Draft, EffectSettings, JsonValue, QueuedEffect, check_tenant
from bailiwick.node.home import PANIC_FILE
from bailiwick.node.keys import EFFECTS_NAME, ORIGIN_NAME, keep_secret
from bailiwick.node.parts import silent
from bailiwick.node.supervising import Supervising
from bailiwick.ports import EffectChannel
from bailiwick.sinks import Outflow, read_sinks

EXECUTOR_LOCK, WORDS_LOCK = "effects.lock", "effects-words.lock"
EXECUTOR_WAIT_MS = 10_000
"""How long a second executor waits for the first, in milliseconds."""


class _NodeChannels:
    """Opens the channel of each type of effects once, when first needed."""

    def __init__(self, declared: Mapping[str, EffectSettings], around: Surroundings) -> None:
        self._declared = declared
        self._around = around
        self._open: dict[str, tuple[EffectChannel, EffectSettings]] = {}

    def of(self, kind: str) -> tuple[EffectChannel, EffectSettings]:
        """Give the channel of a type of effects, and how stubborn it is."""
        if kind not in self._open:
            settings = settings_of(kind, self._declared)
            self._open[kind] = open_channel(settings, self._around), settings
        return self._open[kind]


class Acting(Supervising):
    """What a node does to the world outside, and what stops it."""

    def effects(self, tenant: str) -> list[QueuedEffect]:
        """List the effects that decisions asked for, oldest first."""
        catch_up(tenant, self.ledger(tenant), self._queue)
        return self._queue.listed(tenant)

    def run_effects(self, tenant: str, *, progress: Callable[[int], None] = silent) -> EffectsReport:
        """Perform the effects of a tenant that are due, one executor at a time, unless a panic switch holds.

        Raises:
            Unavailable: another executor runs (``effects-busy``), or a result cannot be recorded.
        """
        executor = self._executor(tenant)
        with self._executing(tenant):
            return executor.run(progress)

    def follow_effects(self, tenant: str, pause: Callable[[int], bool], tell: Callable[[EffectsReport], None]) -> None:
        """Perform the effects of a tenant as they come due, until ``pause`` says to stop; see ``Executor.follow``."""
        executor = self._executor(tenant)
        with self._executing(tenant):
            executor.follow(pause, tell)

    def oversight(self, tenant: str, actor: Actor | None = None) -> Oversight:
        """Give what says words about effects, in the name of the local user unless another actor is given."""
        folder = self._tenants / check_tenant(tenant)
        return Oversight(
            tenant=tenant,
            ledger=self.ledger(tenant),
            queue=self._queue,
            blobs=self._blobs,
            clock=self._clock,
            entropy=self._entropy,
            exclusive=lambda: self._disk.lock(folder / WORDS_LOCK),
            actor=actor or self.actor(tenant),
        )

    def effect_records(self, tenant: str, effect: QueuedEffect) -> list[Told]:
        """Give every record about an effect, in order."""
        return told_of(effect, self.ledger(tenant))

    def effects_key(self, tenant: str) -> Verifier:
        """Give the public key that receivers check effects by; its private one is made when first asked for."""
        return self._effects_signer(tenant).verifier

    def sinks(self, tenant: str) -> Outflow:
        """Give the sinks that the tenant's ledger is sent to, as ``node.toml`` declares them; secrets stay outside."""
        ports: dict[str, Any] = {"disk": self._disk, "clock": self._clock, "entropy": self._entropy}
        return Outflow(
            self.ledger(tenant),
            read_sinks(self.settings.sinks()),
            partial(open_sink, home=self.settings.home, environ=os.environ, **ports),
            cursors=FileCursorStore(self._tenants, self._disk),
            clock=self._clock,
            entropy=self._entropy,
            actor=self.actor(tenant),
        )

    def pruner(self, tenant: str) -> Pruner:
        """Give what prunes the ledger and the evidence of a tenant, with how far each of its sinks is by now."""
        return Pruner(
            tenant=tenant,
            ledger=self.ledger(tenant),
            blobs=self._blobs,
            sent={each.settings.name: each.state.cursor.count for each in self.sinks(tenant).status()},
            actor=self.actor(tenant),
        )

    # --- the panic switch ---------------------------------------------------------------------------------------------

    def panic_state(self, tenant: str) -> Mapping[str, JsonValue]:
        """Say whether effects of a tenant are frozen, since when, by whom and why; and each switch by itself."""
        scopes: dict[str, JsonValue] = {
            "tenant": dict(self._tenant_panic(tenant).state()),
            "everywhere": dict(self._panic.state()),
        }
        return {**self._switch(tenant).state(), "scopes": scopes}

    def set_panic(self, tenant: str, *, frozen: bool, reason: str, everywhere: bool = False) -> Mapping[str, JsonValue]:
        """Throw or release a panic switch, and record it; the switch is set first, whatever the ledger's state.

        Args:
            tenant: Whose switch, and in whose ledger it is recorded who did it, when and why.
            frozen: Whether effects stop.
            reason: Typed text; it stays in the switch and in a salted blob.
            everywhere: The switch of the whole node, recorded in the ledger of each tenant.

        Raises:
            Unavailable: the switch cannot be written, or it is set and cannot be recorded somewhere.
        """
        actor, at = self.actor(tenant), time_text(self._clock.now_ns())
        switch = self._panic if everywhere else self._tenant_panic(tenant)
        switch.set(frozen=frozen, reason=reason, by=actor.id, at=at)
        others = [each for each in self._tenant_names() if each != tenant] if everywhere else []
        failed: BailiwickError | None = None
        for each in [tenant, *others]:
            try:
                self._record_panic(each, frozen=frozen, reason=reason, scope="everywhere" if everywhere else "tenant")
            except BailiwickError as error:  # the others are recorded all the same; the first failure is raised below
                failed = failed or error
        if failed is not None:
            raise failed
        return self.panic_state(tenant)

    def _record_panic(self, tenant: str, *, frozen: bool, reason: str, scope: str) -> None:
        detail: dict[str, JsonValue] = {"frozen": frozen, "scope": scope}
        ledger, resource = self.ledger(tenant), "panic"
        if reason:
            # A subject of its own: the reason can be erased, and the word on the switch stands.
            resource = f"panic/{self._entropy.take(SALT_BYTES).hex()}"
            cut = reason.encode("utf-8", "replace").decode()[:REASON_CHARACTERS_MAX]
            detail["why"] = keep_reason(tenant, cut, resource, self._blobs, self._entropy)
        draft = Draft(event_type="panic.set", resource=resource, detail=detail, actor=self.actor(tenant))
        ledger.record(tenant, draft)

    def _tenant_names(self) -> list[str]:
        return sorted(each.name for each in self._tenants.iterdir() if each.is_dir())

    def _tenant_panic(self, tenant: str) -> FilePanicSwitch:
        return FilePanicSwitch(self._tenants / check_tenant(tenant) / PANIC_FILE, self._disk)

    def _switch(self, tenant: str) -> JoinedPanicSwitch:
        return JoinedPanicSwitch(self._tenant_panic(tenant), self._panic)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _executor(self, tenant: str) -> Executor:
        switch = self._switch(tenant)
        return Executor(
            tenant=tenant,
            ledger=self.ledger(tenant),
            queue=self._queue,
            blobs=self._blobs,
            panic=switch,
            channels=_NodeChannels(
                read_effects(self.settings.effects()),
                Surroundings(
                    home=self.settings.home,
                    tenants=self._tenants,
                    disk=self._disk,
                    clock=self._clock,
                    environ=os.environ,
                    is_frozen=switch.is_frozen,
                    sign=partial(self._effects_sign, tenant),
                    call_module=self._effects_call,
                ),
            ),
            clock=self._clock,
            entropy=self._entropy,
            actor=self._executing_actor(),
        )

    def _executing(self, tenant: str) -> AbstractContextManager[object]:
        """Hold what makes one executor the only one."""
        return _Fenced(self._disk.lock(self._tenants / tenant / EXECUTOR_LOCK, EXECUTOR_WAIT_MS), tenant)

    def _executing_actor(self) -> Actor:
        return Actor(id=f"node:{self.node_id}", role="executor")

    def _effects_signer(self, tenant: str) -> Signer:
        keep_secret(self._keys, tenant, EFFECTS_NAME, lambda: new_secret(self._entropy.take(SEED_BYTES)))
        origin = self._keys.get(tenant, ORIGIN_NAME).decode()
        return Signer(f"{origin}/{EFFECTS_NAME}", self._keys.get(tenant, EFFECTS_NAME))

    def _effects_sign(self, tenant: str) -> Sign:
        return sign_by_key(self._effects_signer(tenant))

    def _effects_call(self, module: str, function: str) -> Callable[[str, bytes], tuple[Any, str | None]]:
        def call(tenant: str, content: bytes) -> tuple[Any, str | None]:
            """Call the function and give its value, or the code of its refusal."""
            answer = self.supervisor.call(tenant, module, function, content, self._executing_actor())
            return answer.value, None if answer.refusal is None else answer.refusal.code

        return call


class _Fenced:
    """A lock whose being held by somebody else is told in words."""

    def __init__(self, lock: AbstractContextManager[object], tenant: str) -> None:
        self._lock = lock
        self._tenant = tenant

    def __enter__(self) -> None:
        try:
            self._lock.__enter__()
        except TimeoutError as error:
            raise Unavailable(
                f"another executor performs the effects of tenant {self._tenant}",
                hint="let it: it takes what comes; or end it first",
                code="effects-busy",
            ) from error

    def __exit__(self, *error: Any) -> None:
        self._lock.__exit__(*error)
