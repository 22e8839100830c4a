"""The fleets of all tenants of one node behind one way in: each tenant's modules, and the calls of them.

with Engine() as engine:
    fleet = Supervisor(engine, open_ledger=node.ledger, ...)
    fleet.registry("local").install(files, actor)
    print(fleet.call("local", "clock-reader", "read", b"{}", actor).value)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.engine import Engine
from bailiwick.errors import ModuleFailed
from bailiwick.ledger import Ledger
from bailiwick.model import Actor
from bailiwick.ports import BlobStore, Clock, CursorStore, Entropy, HostService
from bailiwick.supervisor.allow import NodeRules
from bailiwick.supervisor.inflight import WAIT_MS_MAX, InFlight, Swapping
from bailiwick.supervisor.ledgerstate import LedgerState
from bailiwick.supervisor.loaded import Shelf
from bailiwick.supervisor.manifest import StatedVariant
from bailiwick.supervisor.probation import Probation
from bailiwick.supervisor.registry import Registry, Runners, find_module, no_runner
from bailiwick.supervisor.remembered import Remembered
from bailiwick.supervisor.replay import Replayed, replay_call
from bailiwick.supervisor.running import Answer, Running
from bailiwick.supervisor.schedule import NORMAL, Schedule, Ticket, beside_of
from bailiwick.supervisor.series import SeriesRunner
from bailiwick.supervisor.services import standard_services
from bailiwick.supervisor.state import Grant, Installed
from bailiwick.supervisor.steps import pin_of
from bailiwick.supervisor.swap import Swapper

REQUEUED_MAX = 8
"""Times that a call whose module is swapped just then gives its turn to others, before it waits in its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything that is known of one installed module; ``pin`` is the digest by which packs name it."""

    installed: Installed
    manifest: Any
    grants: tuple[tuple[Grant, Mapping[str, Any]], ...]
    pin: str

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON: what it asks for, what it was granted, and what is lacking."""
        manifest, module = self.manifest, self.installed
        granted = {grant.interface: (grant, scope) for grant, scope in self.grants}
        return {
            **summary(module),
            "title": manifest.title,
            "abi": manifest.abi,
            "manifest": module.manifest,
            "key": module.key,
            "record": module.record,
            "pin": self.pin,
            "dependencies": [{"name": each.name, "version": each.version} for each in manifest.dependencies],
            "functions": {
                name: {
                    "title": each.title,
                    "input": each.input,
                    "output": each.output,
                    "cacheable": each.is_cacheable,
                    "timeout_ms": each.budget.deadline_ms,
                }
                for name, each in manifest.functions.items()
            },
            **({"variants": [_told_variant(each) for each in manifest.variants]} if manifest.variants else {}),
            **({"engine": {"name": module.engine, "digest": module.engine_digest}} if module.engine else {}),
            "capabilities": [
                {
                    "interface": each.interface,
                    "functions": list(each.functions),
                    "scope": dict(each.scope),
                    "reason": each.reason,
                    "granted": _granted(granted.get(each.interface)),
                }
                for each in manifest.capabilities
            ],
        }


@dataclass(slots=True, kw_only=True)
class _Fleet:
    """One tenant's modules, ready to be asked and called."""

    registry: Registry
    shelf: Shelf
    running: Running
    swapper: Swapper


class Supervisor:
    """Installs, grants, runs and records modules. Thread-safe; one per process is enough."""

    def __init__(
        self,
        engine: Engine,
        *,
        open_ledger: Callable[[str], Ledger],
        blobs: BlobStore,
        cursors: CursorStore,
        clock: Clock,
        entropy: Entropy,
        secret_of: Callable[[str], bytes],
        rules: NodeRules = NodeRules(),  # noqa: B008 a frozen value
        runner_of: Runners = no_runner,
        further: Mapping[str, HostService] | None = None,
    ) -> None:
        """Join the room to everything outside it.

        Args:
            engine: Runs the modules.
            open_ledger: Gives a tenant's ledger.
            blobs: Keeps binaries, manifests, and what calls took and gave.
            cursors: Keeps the folded state of each tenant.
            clock: Tells modules the time, and when an answer is stale.
            entropy: Gives modules randomness, and salts.
            secret_of: Gives a tenant's secret, for the MAC of its folded state.
            rules: What may run on this node.
            runner_of: Gives the engines of scripts.
            further: Services of other rooms, by interface.
        """
        self._engine = engine
        self._open_ledger = open_ledger
        self._blobs = blobs
        self._cursors = cursors
        self._clock = clock
        self._entropy = entropy
        self._secret_of = secret_of
        self._rules = rules
        self._runner_of = runner_of
        self._services = {**standard_services(clock, entropy, open_ledger), **(further or {})}
        self._remembered = Remembered(clock)
        self._schedule = Schedule(rules.at_once, rules.shares, rules.beside or beside_of(os.cpu_count()))
        self._fleets: dict[str, _Fleet] = {}
        self._lock = threading.Lock()

    def registry(self, tenant: str) -> Registry:
        """Give what is done to a tenant's modules: trust, install, grant, stop, remove.

        Raises:
            NotFound: there is no such tenant.
        """
        return self._fleet(tenant).registry

    def swapper(self, tenant: str) -> Swapper:
        """Give what puts one version of a tenant's module in place of another while it is called.

        Raises:
            NotFound: there is no such tenant.
        """
        return self._fleet(tenant).swapper

    def call(
        self,
        tenant: str,
        module: str,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        actor: Actor,
        *,
        ticket: Ticket | None = None,
    ) -> Answer:
        """Call a function of a tenant's module with JSON, record that, and give its answer; see ``Running.call``.

        Args:
            tenant: Whose module.
            module: Its name.
            function: Which of its functions.
            input: JSON.
            actor: Who asks.
            ticket: Its place in the queue, as ``queue`` gave it, so that it can be taken back; None queues it now. It
                is used up, whatever comes of the call.

        Raises:
            Unavailable: too many of the tenant's calls wait, or the call was taken back; nothing ran.
            BailiwickError: as ``Running.call``.
        """
        held, priority = ticket, NORMAL if ticket is None else ticket.priority
        try:
            fleet = self._fleet(tenant)
            turns = 0
            while True:
                turns += 1
                if held is None:  # whoever waits for a swap holds no turn that others could have
                    fleet.swapper.inflight.wait_for_swap(module)
                    held = self._schedule.ticket(tenant, priority)
                wait_ms = 0 if turns <= REQUEUED_MAX else WAIT_MS_MAX
                try:
                    return self._in_turn(fleet.running, held, (module, function, input, actor), wait_ms)
                except Swapping:
                    held = None
                    if wait_ms:
                        raise
        finally:
            if held is not None:
                held.cancel()

    def _in_turn(self, running: Running, ticket: Ticket, asked: tuple[str, str, bytes, Actor], wait_ms: int) -> Answer:
        """Make a call when its turn comes, and charge its tenant with the fuel."""
        with self._schedule.run(ticket) as turn:
            try:
                answer = running.call(*asked, wait_ms=wait_ms)
            except ModuleFailed as error:
                turn.took(error.fuel)
                raise
            turn.took(answer.fuel)
        return answer

    def queue(self, tenant: str, priority: int = NORMAL) -> Ticket:
        """Take a place in the queue for a call that is made later: urgent, normal or patient.

        Whoever makes no call after all cancels it.

        Raises:
            NotFound: there is no such tenant.
            Unavailable: too many of the tenant's calls wait (code ``module-queue-full``).
        """
        self._fleet(tenant)
        return self._schedule.ticket(tenant, priority)

    def series(self, tenant: str) -> SeriesRunner:
        """Give what runs a tenant's modules in a fixed order, to the same bytes each time.

        Raises:
            NotFound: there is no such tenant.
        """
        fleet = self._fleet(tenant)
        return SeriesRunner(
            registry=fleet.registry,
            engine=self._engine,
            blobs=self._blobs,
            clock=self._clock,
            entropy=self._entropy,
            inflight=fleet.swapper.inflight,
        )

    def replay(self, tenant: str, record: int) -> Replayed:
        """Run a recorded call again, the host's answers fed back from its transcript, and compare; records nothing.

        Raises:
            NotFound: no such record, none of a call, or what was kept of it was erased.
        """
        return replay_call(tenant, self._open_ledger(tenant).read(record), self._blobs, self._engine)

    def modules(self, tenant: str) -> list[Installed]:
        """List a tenant's modules, by name."""
        found = self.registry(tenant).state.now().modules
        return [found[name] for name in sorted(found)]

    def show(self, tenant: str, name: str) -> Shown:
        """Give everything that is known of one module.

        Raises:
            NotFound: it is not installed.
        """
        registry = self.registry(tenant)
        now = registry.state.now()
        installed = find_module(now, name)
        grants = tuple((grant, registry.scope(grant)) for grant in now.granted(name).values())
        pin = pin_of(tenant, self._blobs, installed)
        return Shown(installed=installed, manifest=registry.manifest(name), grants=grants, pin=pin)

    def load(self, tenant: str, name: str) -> Installed:
        """Compile a module now instead of when it is first called.

        Raises:
            NotFound: it is not installed.
        """
        fleet = self._fleet(tenant)
        return fleet.shelf.get(find_module(fleet.registry.state.now(), name)).installed

    def unload(self, tenant: str, name: str) -> bool:
        """Let go of a compiled module, and say whether there was one; the next call compiles it again."""
        return self._fleet(tenant).shelf.drop(name)

    def loaded(self, tenant: str) -> list[str]:
        """List the modules of a tenant that are compiled, by name."""
        return self._fleet(tenant).shelf.names()

    def _fleet(self, tenant: str) -> _Fleet:
        with self._lock:
            if tenant not in self._fleets:
                self._fleets[tenant] = self._make(tenant)
            return self._fleets[tenant]

    def _make(self, tenant: str) -> _Fleet:
        state = LedgerState(self._open_ledger(tenant), self._cursors, self._secret_of(tenant))
        registry = Registry(
            tenant=tenant,
            state=state,
            blobs=self._blobs,
            engine=self._engine,
            services=self._services,
            rules=self._rules,
            runner_of=self._runner_of,
        )
        shelf = Shelf(tenant, self._blobs, self._engine)
        healing: list[Swapper] = []
        inflight = InFlight(
            tenant=tenant,
            state=state,
            locks=self._cursors,
            heal=lambda name: healing[0].give_up(name, state.ledger.node),
        )
        swapper = Swapper(registry=registry, inflight=inflight)
        healing.append(swapper)
        probation = Probation(registry=registry, swapper=swapper)
        running = Running(
            inflight=inflight,
            on_failure=probation.judge,
            on_unwell=probation.unwell,
            registry=registry,
            shelf=shelf,
            engine=self._engine,
            clock=self._clock,
            entropy=self._entropy,
            remembered=self._remembered,
        )
        return _Fleet(registry=registry, shelf=shelf, running=running, swapper=swapper)


def summary(module: Installed) -> dict[str, Any]:
    """Give what a list shows of a module, as JSON."""
    return {
        "name": module.name,
        "version": module.version,
        "digest": module.digest,
        "tier": module.tier,
        "internal": module.internal,
        "state": "started" if module.is_started else "stopped",
    }


def _told_variant(variant: StatedVariant) -> dict[str, Any]:
    told: dict[str, Any] = {"name": variant.name, "digest": variant.digest, "percent": variant.percent}
    return {**told, "when": {"path": variant.path, "in": list(variant.values)}} if variant.path else told


def _granted(held: tuple[Grant, Mapping[str, Any]] | None) -> dict[str, Any] | None:
    if held is None:
        return None
    grant, scope = held
    return {"functions": list(grant.functions), "scope": dict(scope), "record": grant.record}
