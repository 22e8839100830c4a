"""Runs functions of one tenant's modules: from outside with a record, and inside one another within what is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bailiwick.canonical import digest, time_text
from bailiwick.engine import Engine, HostRefused, Refusal, read_answer, variant_of
from bailiwick.errors import (
    BailiwickError,
    DocumentRefused,
    InputRefused,
    ModuleFailed,
    ModuleRefused,
    NotFound,
    NotTrusted,
    SchemaViolated,
    Unavailable,
    UsageRefused,
)
from bailiwick.keys import Verifier
from bailiwick.model import Actor, Budget, HostCall, JsonValue, Receipt
from bailiwick.ports import CallContext, Clock, Entropy
from bailiwick.schema import parse_document
from bailiwick.supervisor.gathered import Gathered, Outcome
from bailiwick.supervisor.inflight import WAIT_MS_MAX, Places
from bailiwick.supervisor.kept import keep_call
from bailiwick.supervisor.link import CallLink
from bailiwick.supervisor.loaded import Loaded, Shelf
from bailiwick.supervisor.packstate import DAY_CHARACTERS
from bailiwick.supervisor.registry import Registry, find_module
from bailiwick.supervisor.remembered import Key, Remembered
from bailiwick.supervisor.state import DENIED, FleetState, Installed
from bailiwick.supervisor.swapstate import HEALTH
from bailiwick.supervisor.values import encode_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call gave, and where it is recorded: ``value``, or ``refusal`` where the module refused its input."""

    module: Installed
    function: str
    value: Any
    refusal: Refusal | None
    fuel: int
    memory_bytes: int
    receipt: Receipt

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        told = {"ok": self.value}
        if self.refusal is not None:
            told = {"error": {"code": self.refusal.code, "message": self.refusal.message}}
        return {
            **told,
            "module": {**self.module.reference.to_json(), "version": self.module.version},
            "function": self.function,
            "fuel": self.fuel,
            "memory_bytes": self.memory_bytes,
            "record": self.receipt.index,
            "receipt": self.receipt.to_json(),
        }


@dataclass(slots=True, kw_only=True)
class Running:
    """Calls of one tenant. Thread-safe; each call belongs to the thread that makes it."""

    registry: Registry
    shelf: Shelf
    engine: Engine = field(repr=False)
    clock: Clock
    entropy: Entropy
    remembered: Remembered
    inflight: Places
    on_failure: Callable[[str, int], object]
    on_unwell: Callable[[str], object]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _running: int = 0

    # --- from outside -----------------------------------------------------------------------------------------------

    def call(
        self,
        name: str,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        actor: Actor,
        *,
        wait_ms: int = WAIT_MS_MAX,
    ) -> Answer:
        """Call a function, record that, and only then give its answer; wait so long where it is being swapped.

        Raises:
            Swapping: the module is being swapped for longer than that; nothing was recorded.
            NotFound: no such module or function; nothing was recorded.
            DocumentRefused, SchemaViolated: the input is not what the function takes; nothing was recorded.
            ModuleRefused, NotTrusted: the call is not allowed, which was recorded.
            ModuleFailed: the module failed, which was recorded.
            Unavailable: the host stopped the call, which was recorded, or too many run, which was not.
            LedgerBroken, Unavailable: nothing can be recorded, so nothing ran.
        """
        with self._place():
            self.registry.state.ledger.check_usable()  # what cannot be recorded is not run, and keeps nothing
            find_module(self.registry.state.now(), name)
            with self.inflight.entered(name, wait_ms) as state:
                installed, outcome, receipt = self._called(state, name, function, input, actor)
        if outcome.error is not None:
            if isinstance(outcome.error, ModuleFailed) and state.swaps.is_on_probation(name):
                self.on_failure(name, receipt.index)
            raise outcome.error
        if function == HEALTH and outcome.kind == "refused" and state.swaps.is_on_probation(name):
            self.on_unwell(name)
        return _answer(installed, outcome, receipt)

    def _called(
        self,
        state: FleetState,
        name: str,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        actor: Actor,
    ) -> tuple[Installed, Outcome, Receipt]:
        """Run a function of the version that is active, and record that."""
        self.remembered.keep_to(self.registry.tenant, state.erasures)
        installed = find_module(state, name)
        try:
            self._check_allowed(state, installed)
            self._check_quota(state)
        except (ModuleRefused, NotTrusted) as error:
            self._record_denial(installed, function, error, actor)
            raise
        loaded = self.shelf.get(installed)
        wanted = loaded.function(function)
        value = parse_document(input)
        loaded.check_input(function, value)
        gathered = Gathered()
        budget = self._capped(wanted.budget)
        outcome = self._run(loaded, function, value, budget, path=(name,), actor=actor, gathered=gathered)
        return installed, outcome, self._record(installed, value, outcome, gathered, actor)

    def perform(self, name: str, function: str, value: Any, actor: Actor) -> tuple[Outcome, Gathered]:
        """Run a function and record nothing; for whoever records many calls as one.

        Raises:
            NotFound, ModuleRefused, NotTrusted, SchemaViolated: as ``call``; nothing ran.
        """
        state = self.registry.state.now()
        installed = find_module(state, name)
        self._check_allowed(state, installed)
        loaded = self.shelf.get(installed)
        wanted = loaded.function(function)
        loaded.check_input(function, value)
        gathered = Gathered()
        budget = self._capped(wanted.budget)
        return self._run(loaded, function, value, budget, path=(name,), actor=actor, gathered=gathered), gathered

    # --- inside -----------------------------------------------------------------------------------------------------

    def _call_inside(self, context: CallContext, gathered: Gathered, name: str, function: str, text: str) -> str:
        """Call a function for another module: its fuel is the caller's, its grants are its own."""
        try:
            find_module(self.registry.state.seen(), name)
            with self.inflight.entered_inside(name, context.budget_left.deadline_ms) as state:
                return self._answered_inside(state, context, gathered, (name, function, text))
        except NotFound as error:
            raise HostRefused("not-found", error.message) from error

    def _answered_inside(
        self, state: FleetState, context: CallContext, gathered: Gathered, asked: tuple[str, str, str]
    ) -> str:
        """Run a function of the version that is active, for another module."""
        name, function, text = asked
        try:
            installed = find_module(state, name)
            self._check_allowed(state, installed)
            loaded = self.shelf.get(installed)
            wanted = loaded.function(function)
            value = parse_document(text.encode("utf-8", "surrogatepass"))
            loaded.check_input(function, value)
        except NotFound as error:
            raise HostRefused("not-found", error.message) from error
        except (ModuleRefused, NotTrusted) as error:
            raise HostRefused("denied", error.message) from error
        except (DocumentRefused, SchemaViolated) as error:
            raise HostRefused("callee-refused", error.message[:1_000]) from error
        budget = _least(wanted.budget, context.budget_left)
        if budget.fuel <= 0 or budget.deadline_ms <= 0:
            raise HostRefused("out-of-budget", "nothing is left of the caller's fuel or time")
        outcome = self._recall(loaded, function, value, budget, context=context, gathered=gathered)
        gathered.inner.append(outcome)
        context.charge(outcome.fuel)
        if isinstance(outcome.error, ModuleFailed):
            raise HostRefused("callee-failed", f"{name}.{function} failed: {outcome.error.code}") from outcome.error
        if outcome.error is not None:
            raise outcome.error
        assert outcome.answer is not None
        if "error" in outcome.answer:
            refusal = outcome.answer["error"]
            raise HostRefused("callee-refused", f"{refusal['code']}: {refusal['message']}"[:1_000])
        return encode_value(outcome.answer["ok"]).decode()

    def _recall(
        self, loaded: Loaded, function: str, value: Any, budget: Budget, *, context: CallContext, gathered: Gathered
    ) -> Outcome:
        """Give a remembered answer, or run the function and perhaps remember."""
        wanted = loaded.function(function)
        path = (*context.path, loaded.manifest.name)
        if not wanted.is_cacheable:
            return self._run(loaded, function, value, budget, path=path, actor=context.actor, gathered=gathered)
        key = Key(
            tenant=self.registry.tenant,
            module=loaded.manifest.digest,
            function=function,
            input=digest(encode_value(value)),
        )
        if (known := self.remembered.find(key, budget)) is not None:
            return replace(known, kind="remembered")
        outcome = self._run(loaded, function, value, budget, path=path, actor=context.actor, gathered=gathered)
        if outcome.answer is not None:
            self.remembered.keep(key, wanted, outcome, len(encode_value(outcome.answer)))
        return outcome

    # --- both -------------------------------------------------------------------------------------------------------

    def _run(
        self,
        loaded: Loaded,
        function: str,
        value: Any,
        budget: Budget,
        *,
        path: tuple[str, ...],
        actor: Actor,
        gathered: Gathered,
    ) -> Outcome:
        """Run a function, and say how it ended: nothing but our own bugs is raised from here."""
        link = CallLink(
            self.registry,
            loaded.installed,
            function=function,
            manifest=loaded.manifest,
            path=path,
            actor=actor,
            gathered=gathered,
            call_inside=lambda context, *asked: self._call_inside(context, gathered, *asked),
        )
        calls: tuple[HostCall, ...] = ()
        given = encode_value(value)
        ended: dict[str, Any] = {"answer": None, "raw": None, "fuel": 0, "memory_bytes": 0, "error": None}
        try:
            run = self.engine.run(loaded.guest, function, given, budget, host=link)
            ended |= {"fuel": run.fuel, "memory_bytes": run.memory_bytes, "raw": digest(run.output)}
            calls = run.transcript
            told = read_answer(run.output)
            if isinstance(told, Refusal):
                ended["kind"], ended["answer"] = "refused", {"error": {"code": told.code, "message": told.message}}
            else:
                ended["kind"], ended["answer"] = "answered", {"ok": told}
                loaded.check_output(function, told)
        except ModuleFailed as error:
            ended |= {"kind": "failed", "error": error, "fuel": ended["fuel"] or error.fuel}
            calls = calls or error.transcript
        except (InputRefused, UsageRefused) as error:
            # The manifest let an input through that the binary's own types do not: that is the module's to mend.
            ended |= {"kind": "failed", "error": ModuleFailed(error.message, hint=error.hint, code="module-input")}
        except BailiwickError as error:
            ended |= {"kind": "unavailable", "error": error}
            calls = link.calls
        return Outcome(
            module=loaded.installed.reference,
            function=function,
            budget=budget,
            known_codes=loaded.function(function).errors,
            calls=calls,
            variant=variant_of(loaded.guest, given),
            **ended,
        )

    def _check_allowed(self, state: FleetState, module: Installed) -> None:
        """Refuse a module that is stopped, whose key was revoked since, or that may not run on this node."""
        if not module.is_started:
            raise ModuleRefused(
                f"module {module.name} is stopped",
                hint=f"bailiwick module start {module.name}",
                code="module-stopped",
            )
        if state.revoked and state.keys.is_revoked(Verifier.read(module.key)):
            raise NotTrusted(
                f"module {module.name} was signed by {module.key}, which was revoked since",
                hint="get a version that another key of its author signed",
                code="key-revoked",
            )
        self.registry.rules.check(module.name, module.digest)

    def _check_quota(self, state: FleetState) -> None:
        most = self.registry.rules.fuel_per_day
        if most is not None and state.fuel_of(time_text(self.clock.now_ns())[:DAY_CHARACTERS]) >= most:
            raise ModuleRefused(
                f"the modules of tenant {self.registry.tenant} have used the {most} units of fuel that a day has",
                hint="wait for the next day (UTC), or have the operator raise fuel_per_day in node.toml",
                code="module-quota",
            )

    def _capped(self, budget: Budget) -> Budget:
        most = self.registry.rules.fuel_per_call
        return budget if most is None else replace(budget, fuel=min(budget.fuel, most))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take one of the places that a tenant has for calls at one time."""
        most = self.registry.rules.concurrent
        with self._lock:
            if self._running >= most:
                raise Unavailable(
                    f"{most} calls of tenant {self.registry.tenant} are running already",
                    hint="try again when one has ended, or have the operator raise concurrent in node.toml",
                    code="module-busy",
                )
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _record(self, module: Installed, value: Any, outcome: Outcome, gathered: Gathered, actor: Actor) -> Receipt:
        drafts = keep_call(
            self.registry.tenant,
            self.registry.blobs,
            self.entropy,
            module=module,
            input=value,
            outcome=outcome,
            gathered=gathered,
            actor=actor,
        )
        receipt = self.registry.state.ledger.record_many(self.registry.tenant, drafts)[-1]
        self.registry.state.keep_up()
        return receipt

    def _record_denial(self, module: Installed, function: str, error: BailiwickError, actor: Actor) -> None:
        known = function in self.registry.manifest(module.name).functions
        detail: dict[str, JsonValue] = {
            "module": module.name,
            "function": function if known else "unknown",
            "code": error.code,
        }
        self.registry.state.record(DENIED, f"module/{module.name}", detail, actor)


def _answer(module: Installed, outcome: Outcome, receipt: Receipt) -> Answer:
    assert outcome.answer is not None, "an outcome without an answer has an error"
    refusal = outcome.answer.get("error")
    return Answer(
        module=module,
        function=outcome.function,
        value=outcome.answer.get("ok"),
        refusal=None if refusal is None else Refusal(code=refusal["code"], message=refusal["message"]),
        fuel=outcome.fuel,
        memory_bytes=outcome.memory_bytes,
        receipt=receipt,
    )


def _least(one: Budget, other: Budget) -> Budget:
    return Budget(
        fuel=min(one.fuel, other.fuel),
        memory_bytes=one.memory_bytes,
        deadline_ms=min(one.deadline_ms, other.deadline_ms),
    )
