"""One version of a module in place of another, while it is called: shown first, then switched, perhaps taken back.

    plan ─▶ drain ─▶ switch ─▶ probation
    verify, compile, self-test,    calls in flight end,     one group of records;    the first call that the old
    rehearse the last calls        new ones wait            the new version answers  version would have answered
                                                                                     takes the swap back

Every step after the plan is a record with both manifests and who asked. What is active at any moment is what the ledger
says: until the group of the switch is durable the old version, and from then on the new one. A process that dies in
between leaves a swap that the next call gives up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bailiwick.authoring import run_cases
from bailiwick.engine import NobodyAnswers, Refusal, read_answer
from bailiwick.errors import BailiwickError, ModuleFailed, ModuleRefused, NotTrusted, Unavailable, UsageRefused
from bailiwick.keys import Verifier
from bailiwick.model import Actor, Draft, JsonValue, Receipt
from bailiwick.schema import parse_document
from bailiwick.supervisor.inflight import InFlight, alone, one_drain
from bailiwick.supervisor.loaded import Loaded
from bailiwick.supervisor.registry import Candidate, Registry, find_module
from bailiwick.supervisor.rehearse import CALLS_DEFAULT, CALLS_MAX, Rehearsal, last_calls, rehearse
from bailiwick.supervisor.state import INSTALLED, REFUSED, FleetState, Installed
from bailiwick.supervisor.swapstate import (
    HEALTH,
    PINNED,
    ROLLED_BACK,
    SWAP_ABANDONED,
    SWAP_STARTED,
    SWAPPED,
    UNPINNED,
)

DRAIN_MS_DEFAULT = 10_000
"""How long a swap waits for calls in flight, in milliseconds."""
DRAIN_MS_MAX = 600_000
FORCED_MS_MAX = 130_000
"""How much longer a forced swap waits: every call in flight has met its own deadline by then, in milliseconds."""
LOOK_MS = 500
"""Longer than a call that finds no place looks whether a swap has them all, in milliseconds."""
CASES = "cases.json"
"""The module's own cases, where they lie beside it; what the host answers in one stands in the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPlan:
    """What a swap would do: the version that is active, the one that would take its place, and what was found.

    ``asks_more`` are capabilities that the new version asks for and the old one did not; it does not get them by being
    swapped in. ``lacking`` are functions that it no longer has; ``health`` is ``well``, or ``unsaid``;
    ``cases`` counts those of its own that lie beside it, all of which passed.
    """

    name: str
    old: Installed
    candidate: Candidate
    asks_more: tuple[str, ...]
    lacking: tuple[str, ...]
    health: str
    cases: int
    rehearsal: Rehearsal

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        manifest = self.candidate.manifest
        return {
            "name": self.name,
            "old": {"version": self.old.version, "digest": self.old.digest, "manifest": self.old.manifest},
            "new": {"version": manifest.version, "digest": manifest.binary, "manifest": manifest.digest},
            "asks_more": list(self.asks_more),
            "lacking": list(self.lacking),
            "health": self.health,
            "cases": self.cases,
            "rehearsal": self.rehearsal.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapDone:
    """A swap that was made: the version that answers now, the record that says so, and how long new calls waited."""

    installed: Installed
    receipt: Receipt
    pause_ms: int

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "name": self.installed.name,
            "version": self.installed.version,
            "digest": self.installed.digest,
            "record": self.receipt.index,
            "pause_ms": self.pause_ms,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapper:
    """Swaps the modules of one tenant."""

    registry: Registry
    inflight: InFlight

    # --- looking ------------------------------------------------------------------------------------------------------

    def plan(
        self,
        files: Mapping[str, bytes],
        actor: Actor,
        *,
        calls: int = CALLS_DEFAULT,
        progress: Callable[[int], None] = lambda _: None,
    ) -> SwapPlan:
        """Make the new version ready beside the old one, and find out what it would have done. Nothing is switched.

        Args:
            files: As ``Registry.install`` takes them.
            actor: Who asks; a refusal is recorded with it.
            calls: How many of the newest calls are rehearsed, 0 to ``CALLS_MAX``.
            progress: Called with 1 after each.

        Raises:
            NotFound: no version of it is installed.
            NotTrusted, ModuleRefused: as ``Registry.install``; it is the version that is active (``module-same``), is
                signed by another key (``swap-author``), is not well (``swap-health``), or fails a case that lies
                beside it (``swap-cases``).
        """
        if not 0 <= calls <= CALLS_MAX:
            raise UsageRefused(f"{calls} calls cannot be rehearsed", hint=f"0 to {CALLS_MAX}", code="swap-calls")
        told: dict[str, JsonValue] = {}
        now = self.registry.state.now()
        try:
            old, candidate = self._examined(now, files, told)
            health, cases = self._health(candidate), self._cases(candidate, files.get(CASES, b""))
        except BailiwickError as error:
            if error.exit_code == ModuleRefused.exit_code:
                where = f"module/{told['name']}" if "name" in told else "module"
                self.registry.state.record(REFUSED, where, {"code": error.code, **told}, actor)
            raise
        manifest = candidate.manifest
        before = self.registry.manifest(old.name)
        records = last_calls(self.registry.state.ledger, old.name, calls) if calls else []
        engine, blobs = self.registry.engine, self.registry.blobs
        rehearsal = rehearse(self.registry.tenant, records, loaded_of(old, candidate), blobs, engine, progress=progress)
        return SwapPlan(
            name=old.name,
            old=old,
            candidate=candidate,
            asks_more=tuple(sorted(manifest.asked - before.asked)),
            lacking=tuple(sorted(before.functions.keys() - manifest.functions.keys())),
            health=health,
            cases=cases,
            rehearsal=rehearsal,
        )

    # --- doing --------------------------------------------------------------------------------------------------------

    def swap(self, plan: SwapPlan, actor: Actor, *, drain_ms: int = DRAIN_MS_DEFAULT, force: bool = False) -> SwapDone:
        """Switch to the version of a plan when the calls in flight have ended.

        Args:
            plan: As ``plan`` gave it; it is checked that nothing changed since.
            actor: Who asks.
            drain_ms: How long to wait for them, in milliseconds.
            force: Wait on, until each has met its own deadline, instead of giving up; and switch though functions
                are lacking.

        Raises:
            ModuleRefused: functions are lacking (``swap-interface``), or it is pinned (``module-pinned``).
            Unavailable: calls were still running (``swap-drain``), or another swap of it is (``swap-busy``): the old
                version answers on, and a record says so.
        """
        if not 0 <= drain_ms <= DRAIN_MS_MAX:
            raise UsageRefused(f"{drain_ms} ms is no time to wait", hint=f"0 to {DRAIN_MS_MAX}", code="swap-drain-time")
        if plan.lacking and not force:
            raise ModuleRefused(
                f"{plan.candidate.manifest.subject} has no function {', '.join(plan.lacking)}, which callers may use",
                hint="have it keep them, or force the swap",
                code="swap-interface",
            )
        wait_ms = drain_ms + (FORCED_MS_MAX if force else 0)
        with alone(self.inflight.locks, self.registry.tenant, plan.name, LOOK_MS) as is_alone:
            if not is_alone:
                raise _busy(plan.name)
            return self._swap(plan, actor, wait_ms)

    def roll_back(
        self,
        name: str,
        actor: Actor,
        code: str = "operator",
        *,
        drain_ms: int = DRAIN_MS_DEFAULT,
        of: str | None = None,
    ) -> SwapDone:
        """Bring the version before the active one back.

        Args:
            name: The module.
            actor: Who asks.
            code: Why, in one word: ``operator``, ``regression``.
            drain_ms: How long to wait for calls in flight, in milliseconds.
            of: Manifest of the version that is to go; None for whichever is active.

        Raises:
            NotFound: it is not installed.
            NotTrusted: the key of the one before was revoked since (``key-revoked``).
            ModuleRefused: there is none before it (``swap-first``), another version is active than the one that is to
                go (``swap-changed``), or it is pinned (``module-pinned``).
            Unavailable: as ``swap``.
        """
        with alone(self.inflight.locks, self.registry.tenant, name, LOOK_MS) as is_alone:
            if not is_alone:
                raise _busy(name)
            active, before = self._before(self.registry.state.now(), name, of)
            detail: dict[str, JsonValue] = {"name": name, "old": active.manifest, "new": before.manifest}

            def written(now: FleetState) -> list[Draft]:
                if self._before(now, name, active.manifest)[1].manifest != before.manifest:
                    raise _changed(name)
                return [_draft(ROLLED_BACK, {**detail, "code": code}, actor)]

            with self._drained(name, detail, actor, drain_ms) as drained:
                (receipt,) = self._record_all(written)
            return SwapDone(installed=before, receipt=receipt, pause_ms=drained())

    def pin(self, name: str, actor: Actor) -> Installed:
        """Keep a module at the version that is active until it is unpinned.

        Raises:
            NotFound: it is not installed.
        """
        with self.registry.state.exclusive() as now:
            module = find_module(now, name)
            if now.swaps.pins.get(name) != module.version:
                detail: dict[str, JsonValue] = {"name": name, "version": module.version}
                self.registry.state.record(PINNED, f"module/{name}", detail, actor)
        return module

    def unpin(self, name: str, actor: Actor) -> Installed:
        """Let a module be swapped again.

        Raises:
            NotFound: it is not installed.
        """
        with self.registry.state.exclusive() as now:
            module = find_module(now, name)
            if name in now.swaps.pins:
                self.registry.state.record(UNPINNED, f"module/{name}", {"name": name}, actor)
        return module

    def give_up(self, name: str, actor: Actor) -> bool:
        """End a swap whose process died before it switched, and say whether there was one."""
        if not self.registry.state.now().swaps.is_draining(name):
            return False
        with alone(self.inflight.locks, self.registry.tenant, name) as is_alone:
            now = self.registry.state.now()
            if not is_alone or not now.swaps.is_draining(name):
                return False
            swap = now.swaps.under_way[name]
            detail: dict[str, JsonValue] = {"name": name, "old": swap.old, "new": swap.new, "code": "interrupted"}
            self._record_all(lambda _: [_draft(SWAP_ABANDONED, detail, actor)])
        return True

    # --- within -------------------------------------------------------------------------------------------------------

    def _before(self, now: FleetState, name: str, of: str | None) -> tuple[Installed, Installed]:
        """Give the version that is active and the one that would come back, or say why it cannot."""
        active, before = find_module(now, name), now.previous.get(name)
        if of is not None and active.manifest != of:
            raise _changed(name)
        if before is None:
            raise ModuleRefused(
                f"no version of module {name} went before {active.version}",
                hint=f"stop it: bailiwick module stop {name}",
                code="swap-first",
            )
        if now.keys.is_revoked(Verifier.read(before.key)):
            raise NotTrusted(
                f"module {name} {before.version} was signed by {before.key}, which was revoked since",
                hint=f"swap a version in that another key signed, or stop it: bailiwick module stop {name}",
                code="key-revoked",
            )
        self.registry.check_pin(now, self.registry.manifest_of(before))
        return active, before

    def _examined(
        self, now: FleetState, files: Mapping[str, bytes], told: dict[str, JsonValue]
    ) -> tuple[Installed, Candidate]:
        manifest, key = self.registry.vouched(now, files, told)
        old = find_module(now, manifest.name)
        if old.manifest == manifest.digest:
            raise ModuleRefused(
                f"{manifest.subject} is the version that is active", hint="build and sign another", code="module-same"
            )
        if old.key != key.text():
            raise ModuleRefused(
                f"{manifest.subject} is signed by {key.text()}, and the active version by {old.key}",
                hint="another author takes a name over by module install, with no grants; it is not swapped in",
                code="swap-author",
            )
        return old, self.registry.examine(now, manifest, key, files, approve_internal=old.internal)

    def _health(self, candidate: Candidate) -> str:
        """Ask a version that is not active yet whether it is well; what it asks of the host is refused meanwhile."""
        manifest, engine, guest = candidate.manifest, self.registry.engine, candidate.guest
        try:
            if HEALTH in manifest.functions:
                run = engine.run(guest, HEALTH, b"{}", manifest.functions[HEALTH].budget, host=NobodyAnswers())
            else:
                run = engine.health(guest, manifest.budget, host=NobodyAnswers())
        except UsageRefused as error:
            if error.code != "module-health":
                raise
            return "unsaid"
        except ModuleFailed as error:
            raise _unwell(candidate, f"{error.code}: {error.message}") from error
        answer = read_answer(run.output)
        if isinstance(answer, Refusal):
            raise _unwell(candidate, f"{answer.code}: {answer.message}")
        return "well"

    def _cases(self, candidate: Candidate, raw: bytes) -> int:
        """Run the cases that lie beside a version, and say how many there are; none costs nothing."""
        manifest = candidate.manifest
        found = run_cases(parse_document(manifest.raw), raw, candidate.guest, self.registry.engine, manifest.budget)
        if not found.is_passed:
            first = found.failed[0]
            raise ModuleRefused(
                f"{manifest.subject} fails {len(found.failed)} of its own {found.cases} cases; the first is "
                f"{first.name}: {first.difference[:300]}",
                hint="mend it, or its cases: bailiwick module test FOLDER",
                code="swap-cases",
            )
        return found.cases

    def _swap(self, plan: SwapPlan, actor: Actor, wait_ms: int) -> SwapDone:
        self._check_unchanged(plan, self.registry.state.now())
        installing = self.registry.keep(plan.candidate)
        versions: dict[str, JsonValue] = {
            "name": plan.name,
            "old": plan.old.manifest,
            "new": str(installing["manifest"]),
        }
        rehearsed: dict[str, JsonValue] = {
            "rehearsed": plan.rehearsal.calls,
            "differing": plan.rehearsal.differing,
        }

        def written(now: FleetState) -> list[Draft]:
            self._check_unchanged(plan, now)
            started = now.swaps.under_way[plan.name].record
            return [
                _draft(INSTALLED, installing, actor),
                _draft(SWAPPED, {**versions, "started": started}, actor),
            ]

        with self._drained(plan.name, versions, actor, wait_ms, **rehearsed) as drained:
            receipts = self._record_all(written)
        active = self.registry.state.now().modules[plan.name]
        return SwapDone(installed=active, receipt=receipts[-1], pause_ms=drained())

    def _check_unchanged(self, plan: SwapPlan, now: FleetState) -> None:
        """Refuse a plan that something was done since: another version, a key that was revoked, a pin."""
        active = now.modules.get(plan.name)
        if active is None or active.manifest != plan.old.manifest or now.keys.is_revoked(plan.candidate.key):
            raise _changed(plan.name)
        self.registry.check_pin(now, plan.candidate.manifest)

    @contextmanager
    def _drained(
        self, name: str, versions: dict[str, JsonValue], actor: Actor, wait_ms: int, **found: JsonValue
    ) -> Any:
        """Have new calls wait and those in flight end; on an error the old version answers on, and a record says so."""
        until = time.monotonic() + wait_ms / 1000
        with ExitStack() as held:
            if not held.enter_context(one_drain(self.inflight.locks, self.registry.tenant, wait_ms)):
                raise _busy(name)
            began = time.monotonic()
            pause: list[int] = []
            self._record_all(lambda _: [_draft(SWAP_STARTED, {**versions, **found}, actor)])
            code = "interrupted"
            try:
                with self.inflight.emptied(name, until) as is_empty:
                    if not is_empty:
                        code = "drain-deadline"
                        raise Unavailable(
                            f"calls of module {name} were still running after {wait_ms} ms; it was not swapped",
                            hint="try again with more time, or force it",
                            code="swap-drain",
                        )
                    yield lambda: pause[0]
                    pause.append(round((time.monotonic() - began) * 1000))
            except BailiwickError:
                if self.registry.state.now().swaps.is_draining(name):
                    self._record_all(lambda _: [_draft(SWAP_ABANDONED, {**versions, "code": code}, actor)])
                raise

    def _record_all(self, written: Callable[[FleetState], list[Draft]]) -> list[Receipt]:
        """Look, write, and append records all or none, under the one lock that every change of a module takes."""
        with self.registry.state.exclusive() as now:
            return self.registry.state.ledger.record_many(self.registry.tenant, written(now))


def loaded_of(old: Installed, candidate: Candidate) -> Loaded:
    """Give a candidate as what is loaded, in the place of the version that is installed."""
    return Loaded(installed=old, manifest=candidate.manifest, guest=candidate.guest)


def _draft(event_type: str, detail: Mapping[str, JsonValue], actor: Actor) -> Draft:
    return Draft(event_type=event_type, resource=f"module/{detail['name']}", detail=detail, actor=actor)


def _busy(name: str) -> Unavailable:
    return Unavailable(
        f"module {name} waits for another swap of this tenant", hint="wait for its end", code="swap-busy"
    )


def _changed(name: str) -> ModuleRefused:
    return ModuleRefused(
        f"module {name} is not as it was planned for: another version, or a key that was revoked",
        hint="plan the swap again",
        code="swap-changed",
    )


def _unwell(candidate: Candidate, why: str) -> ModuleRefused:
    return ModuleRefused(
        f"{candidate.manifest.subject} is not well: {why[:500]}",
        hint="mend it; what it asks of the host is refused while it is tried",
        code="swap-health",
    )
