"""Calls of modules, sandboxed: with ``package.py`` the only file that knows which engine runs them.

Each call gets a store of its own, thrown away afterwards: no guest ever sees what another left. What a guest may ask of
the host comes through one link that the caller hands in, and is kept in the transcript; so a call is a function of its
code, its input, its budget and the answers in its transcript.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from bailiwick.canonical import digest as digest_of
from bailiwick.engine.answer import answer_of_text, answer_of_value, check_call, envelope, read_answer
from bailiwick.engine.binary import (
    HOST_IMPORT,
    PAGE_BYTES,
    check_survey,
    is_component,
    survey,
)
from bailiwick.engine.calling import (
    Caller,
    Code,
    Finished,
    HostShort,
    Trapped,
)
from bailiwick.engine.component import (
    Attach,
    CachedComponentCaller,
    ComponentCaller,
    ComponentCode,
    Sandboxes,
)
from bailiwick.engine.host import HostLink, NobodyAnswers
from bailiwick.engine.hosted import Hosted, Stop, meaning
from bailiwick.engine.lifting import Lifting
from bailiwick.engine.linking import HostDoor
from bailiwick.engine.loading import Artefact, Loader
from bailiwick.engine.marshal import CachedCaller
from bailiwick.engine.nesting import check_component, survey_component
from bailiwick.engine.package import (
    ENGINE_VERSION,
    address_of,
    library,
    new_engine,
    structures,
    wasmtime_package,
)
from bailiwick.engine.plain import StockCaller, StockComponentCaller
from bailiwick.engine.script import RUN, Runners, Script, Variant, read_script
from bailiwick.engine.selftest import COMPONENT_TEXT, PROBE_TEXT, agree, agree_on_components
from bailiwick.engine.stock import Stock
from bailiwick.engine.ticker import Ticker, ticks_until
from bailiwick.engine.values import FunctionShape, RecordOf, ResultOf, ValueMismatch, check_value, shape_of
from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable, UsageRefused
from bailiwick.model import Budget, HostCall, Run, Tier

if TYPE_CHECKING:
    pass

FUNCTIONS_SHOWN_MAX = 20
"""Most functions that an error lists."""
NESTED_CALLS_MAX = 10
"""Most calls within calls on one thread; each may use its whole native stack, and a thread has 8 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A module that was admitted and compiled. ``digest`` is over its bytes; sizes are in bytes.

    ``form`` is ``core-json/1``, ``component-call/1``, ``component/1`` or ``script/1``. ``imports`` are what it may ask
    of the host, as ``interface#function``; a core module has ``bailiwick#call`` there. ``functions`` describes what a
    ``component/1`` exports.
    """

    digest: str
    size: int
    memory_bytes_min: int
    form: str = "core-json/1"
    imports: tuple[str, ...] = ()
    functions: Mapping[str, FunctionShape] = field(default_factory=dict, compare=False)
    code: Any = field(repr=False, compare=False)
    engine: object = field(repr=False, compare=False)


class Engine:
    """Compiles and runs modules. One per process is enough; threads may share it, each call has a sandbox of its own.

    A context manager: closing it stops the thread that counts deadlines. It does not survive a fork.

    Args:
        marshaller: ``stock`` asks for the package's own way of calling, which is three times slower; ``cached`` for the
            fast one where it proves to agree with the other. The attribute of that name says which one is in use.
        allocator: ``pooling`` keeps address space for sandboxes ready; where there is too little of it (``ulimit -v``),
            and with ``on-demand``, each sandbox asks for its own. The attribute of that name says which one is in use.
        artefact: Gives compiled code that was made elsewhere; see ``loading.Artefact``.
    """

    def __init__(
        self,
        *,
        marshaller: Literal["cached", "stock"] = "cached",
        allocator: Literal["pooling", "on-demand"] = "pooling",
        artefact: Artefact | None = None,
    ) -> None:
        package = wasmtime_package()
        self._package = package
        self._engine, self.allocator = new_engine(package, allocator)
        self._process = os.getpid()
        self._is_closed = False
        self._library = library(package, self._engine)
        self._lifting = Lifting(structures(self._engine))
        self._sandboxes = Sandboxes(self._lifting.structures, self._lifting)
        self._door = HostDoor(self._lifting.structures, self._lifting)
        self._loader = Loader(
            package, self._engine, lifting=self._lifting, door=self._door, cause_of=self._library.cause_of,
            artefact=artefact,
        )  # fmt: skip
        self._caller, self.marshaller = self._choose(marshaller)
        self._component_caller: ComponentCaller | None = None
        self._choosing = threading.Lock()
        self._nesting = threading.local()
        self._runners = Runners()
        self._stock = Stock(
            lambda code, budget: self._sandboxes.open(code, budget, ticks_until(budget.deadline_ms), lambda _: None),
            self._sandboxes.close,
        )
        self._ticker = Ticker(self._engine.increment_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine; closing twice is harmless. Guests that it loaded cannot be run any more."""
        self._is_closed = True
        self._stock.close()
        self._ticker.stop()

    def load(self, wasm: bytes, *, memory_bytes_max: int = Tier.HEAVY.budget.memory_bytes) -> Guest:
        """Admit a core module or a component, whichever the bytes are, and compile it.

        Args:
            wasm: The binary, from anybody.
            memory_bytes_max: The most memory that it may start with, in bytes.

        Raises:
            ModuleRefused: codes ``module-too-large``, ``module-not-wasm``, ``module-malformed``, ``module-imports``,
                ``module-start``, ``module-exports``, ``module-memory``, ``module-tables``, ``module-code``,
                ``module-nesting``, ``module-type``, ``module-invalid``.
            Unavailable: the engine is closed.

        Cost: compiling, about a millisecond for ten kilobytes.
        """
        self._check_open()
        if is_component(wasm):
            return self._load_component(wasm, memory_bytes_max)
        found = survey(wasm)
        check_survey(found, memory_bytes_max)
        return Guest(
            digest=digest_of(wasm),
            size=len(wasm),
            memory_bytes_min=found.memory_pages_min[0] * PAGE_BYTES,
            imports=tuple(name.replace(".", "#") for name in found.imports),
            code=self._loader.core(wasm, is_asking=HOST_IMPORT in found.imports),
            engine=self,
        )

    def load_script(
        self,
        source: bytes,
        runner: bytes,
        *,
        memory_bytes_max: int = Tier.HEAVY.budget.memory_bytes,
        variants: tuple[Variant, ...] = (),
    ) -> Guest:
        """Join a script to the engine that runs it; its text is read when it is called.

        Args:
            source: The script, UTF-8.
            runner: The binary of its engine, a ``component-call/1``.
            memory_bytes_max: The most memory that the engine may start with, in bytes.
            variants: Other texts for a part of the calls.

        Raises:
            ModuleRefused: ``module-too-large``, ``script-text``; the engine as ``load``, or ``module-form``.
            Unavailable: the engine is closed.
        """
        self._check_open()
        text = read_script(source)
        engine: Guest = self._runners.get(runner, lambda: self.load(runner))
        if engine.memory_bytes_min > memory_bytes_max:
            raise ModuleRefused(
                f"the engine {engine.digest} starts with {engine.memory_bytes_min} bytes of memory, more than "
                f"{memory_bytes_max}",
                hint="give the script a larger tier",
                code="module-memory",
            )
        if engine.form != "component-call/1":
            raise ModuleRefused(
                f"the engine {engine.digest} is {engine.form}, and scripts need a component-call/1",
                hint="build it again",
                code="module-form",
            )
        return replace(engine, digest=digest_of(source), form="script/1", code=Script(text, engine, variants))

    def run(
        self,
        guest: Guest,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        budget: Budget,
        *,
        host: HostLink | None = None,
    ) -> Run:
        """Call one function of a guest in a new sandbox; ``read_answer`` reads the output.

        Args:
            guest: Loaded by this engine.
            function: Which of its functions.
            input: JSON, at most ``INPUT_BYTES_MAX`` bytes; for a ``component/1`` an object by parameter name.
            budget: Fuel, memory and wall time.
            host: Answers what the guest asks of the host; without one, every such call is refused.

        Raises:
            ModuleFailed: ``module-out-of-fuel``, ``module-out-of-memory``, ``module-trapped``, ``module-answer``,
                ``module-host-call``; the same each time for the same guest, input, budget and answers of the host.
            Unavailable: ``module-deadline``, ``module-call-stack``, ``engine-short`` (the host lacks memory),
                ``engine-closed``, ``engine-forked``, ``host-failed``: never an outcome.
            UsageRefused: the function cannot be one, the input is not JSON or not of its types, or another engine
                loaded the guest.
            InputRefused: the input is too large.

        Cost: about 30 microseconds and what the guest does.
        """
        self._check_open()
        if guest.engine is not self:
            raise UsageRefused(
                f"module {guest.digest} was loaded by another engine",
                hint="load it with the engine that runs it",
                code="engine-foreign",
            )
        _check_start(guest, budget)
        if isinstance(guest.code, Script):
            check_call(function, input)
            given = guest.code.envelope(function, input)
            return self.run(_runner(guest), RUN, given, budget, host=host)
        if guest.form != "core-json/1":
            return self._run_component(guest, function, input, budget, host)
        message = envelope(function, input)
        if guest.imports:
            with self._hosted(guest, budget, host) as hosted:
                finished = self._caller.call(guest.code, message, budget, hosted.ticks, hosted.attach)
                read_answer(finished.output)
                return _run_of(finished, hosted.transcript)
        try:
            finished = self._caller.call(guest.code, message, budget, ticks_until(budget.deadline_ms))
        except (Trapped, HostShort) as stop:
            raise meaning(stop, guest.digest, budget) from stop
        read_answer(finished.output)
        return Run(output=finished.output, fuel=finished.fuel, memory_bytes=finished.memory_bytes)

    def health(self, guest: Guest, budget: Budget, *, host: HostLink | None = None) -> Run:
        """Ask a ``component-call/1`` whether it is well: ``{"ok": null}``, or what it says is wrong.

        Raises:
            UsageRefused: it has no health to ask for (code ``module-health``).
            ModuleFailed, Unavailable: as ``run`` does.
        """
        self._check_open()
        if guest.form != "component-call/1" or "health" not in guest.code.exports:
            raise UsageRefused(
                f"module {guest.digest} does not say how it is",
                hint="export health: func() -> result<_, string>",
                code="module-health",
            )
        return self._called(guest, "health", (), budget, host)

    def keep_ready(self, guest: Guest, budget: Budget, count: int) -> Future[int]:
        """Keep sandboxes of a component made before they are called for, for calls with this budget's memory.

        Worth it for guests that start slowly: one with Python in it then starts in half the time. A call costs the same
        fuel either way.

        Returns:
            A future that has their number when all are ready; 0 where they cannot be made before a call.

        Raises:
            UsageRefused: too many, or a core module, which starts too fast for it (code ``engine-stock``).
        """
        self._check_open()
        if guest.form == "core-json/1" or guest.engine is not self:
            raise UsageRefused(
                f"no sandboxes of module {guest.digest} are kept ready",
                hint="keep them for components, with the engine that loaded them",
                code="engine-stock",
            )
        return self._stock.keep(_runner(guest).code, budget, count)

    def release(self, guest: Guest) -> None:
        """Remove the sandboxes that are kept ready of a guest; call it before the last reference to one goes."""
        self._stock.drop(_runner(guest).code)

    def _run_component(
        self,
        guest: Guest,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        budget: Budget,
        host: HostLink | None,
    ) -> Run:
        if guest.form == "component-call/1":
            check_call(function, input)
            return self._called(guest, "call", (function.encode(), input), budget, host)
        return self._called(guest, function, _arguments(guest, function, input), budget, host)

    def _called(
        self, guest: Guest, function: str, values: tuple[Any, ...], budget: Budget, host: HostLink | None
    ) -> Run:
        """Call one export of a component; one that asks nothing of the host needs nobody to stand by."""
        if guest.imports:
            with self._hosted(guest, budget, host) as hosted:
                run = self._in_sandbox(guest, function, values, budget, ticks=hosted.ticks, attach=hosted.attach)
                return replace(run, transcript=hosted.transcript)
        try:
            ticks = ticks_until(budget.deadline_ms)
            return self._in_sandbox(guest, function, values, budget, ticks=ticks, attach=_nobody)
        except Stop as stop:
            error = meaning(stop, guest.digest, budget)
            raise error from (error.__cause__ or stop)

    def _in_sandbox(
        self, guest: Guest, function: str, values: tuple[Any, ...], budget: Budget, *, ticks: int, attach: Attach
    ) -> Run:
        """Call one export of a component: by text where the form is so, else with values of its types."""
        code: ComponentCode = guest.code
        exported = code.exports[function]
        sandbox = self._stock.take(code, budget)
        is_ready = sandbox is not None
        sandbox = sandbox or self._sandboxes.open(code, budget, ticks, attach)
        try:
            if is_ready:
                attach(sandbox.context)
                self._sandboxes.prepare(sandbox, budget, ticks)
            if guest.form == "component-call/1":
                is_ok, text = self._component_calls().call_text(sandbox, exported, values)
                output = answer_of_text(is_ok, text if function == "call" or not is_ok else b"null")
            else:
                value = self._sandboxes.call_values(sandbox, exported, list(values))
                output = answer_of_value(value, is_result=isinstance(exported.signature.result, ResultOf))
            fuel = budget.fuel - self._sandboxes.fuel_left(sandbox.context)
        finally:
            (self._stock.give_back if is_ready else self._sandboxes.close)(sandbox)
        return Run(output=output, fuel=fuel, memory_bytes=guest.memory_bytes_min)

    @contextlib.contextmanager
    def _hosted(self, guest: Guest, budget: Budget, host: HostLink | None) -> Iterator[Hosted]:
        """Stand by for the host calls of one run, and turn whatever ends it into the one error that says why."""
        depth = getattr(self._nesting, "depth", 0)
        if depth >= NESTED_CALLS_MAX:
            raise UsageRefused(
                f"{depth} calls are nested on this thread already",
                hint="bound how deep modules call each other",
                code="engine-nesting",
            )
        hosted = Hosted(
            budget,
            host or NobodyAnswers(),
            digest=guest.digest,
            sandboxes=self._sandboxes,
            door=self._door,
            ticker=self._ticker,
            is_asking=bool(guest.imports),
        )
        self._nesting.depth = depth + 1
        try:
            yield hosted
        except Stop as stop:
            error = hosted.error_for(stop)
            raise error from (error.__cause__ or stop)
        finally:
            self._nesting.depth = depth
            hosted.detach()

    def _load_component(self, wasm: bytes, memory_bytes_max: int) -> Guest:
        found = survey_component(wasm)
        check_component(found, memory_bytes_max)
        code, surface = self._loader.component(wasm, found.memory_pages_min)
        is_typed = surface.form == "component/1"
        return Guest(
            digest=digest_of(wasm),
            size=len(wasm),
            memory_bytes_min=found.memory_bytes_min,
            form=surface.form,
            imports=tuple(sorted(f"{name}#{each}" for name, items in surface.imports.items() for each in items)),
            functions={name: shape_of(each) for name, (_, each) in surface.exports.items()} if is_typed else {},
            code=code,
            engine=self,
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("the engine is closed", hint="open a new one", code="engine-closed")
        if os.getpid() != self._process:
            raise Unavailable(
                "the engine was inherited through fork, and its deadlines do not run here",
                hint="open an engine in each process, and start processes with spawn",
                code="engine-forked",
            )

    def _choose(self, wanted: str) -> tuple[Caller, str]:
        """Take the fast way of calling if it knows this version of the engine and agrees with the package's own."""
        stock = StockCaller(self._package, self._engine)
        if wanted == "stock" or metadata.version("wasmtime") != ENGINE_VERSION:
            return stock, "stock"
        cached = CachedCaller(self._library)
        module = self._package.Module(self._engine, self._package.wat2wasm(PROBE_TEXT))
        prepared = self._package.Linker(self._engine).instantiate_pre(module)
        probe = Code(prepared, address_of(prepared))
        return (cached, "cached") if agree(cached, stock, probe) else (stock, "stock")

    def _component_calls(self) -> ComponentCaller:
        """Take the fast way of calling components on the same terms, when the first one is called."""
        if self._component_caller is None:
            with self._choosing:
                self._component_caller = self._component_caller or self._choose_for_components()
        return self._component_caller

    def _choose_for_components(self) -> ComponentCaller:
        stock = StockComponentCaller(self._package, self._sandboxes)
        if self.marshaller == "stock":
            return stock
        cached = CachedComponentCaller(self._lifting.structures, self._sandboxes, self._lifting)
        wasm = bytes(self._package.wat2wasm(COMPONENT_TEXT))
        probe, _ = self._loader.component(wasm, (1,))
        return cached if agree_on_components(cached, stock, self._sandboxes, probe) else stock


def _nobody(context: int) -> None:
    """Stand by for a store whose guest asks nothing of the host."""


def _run_of(finished: Finished, transcript: tuple[HostCall, ...]) -> Run:
    return Run(output=finished.output, fuel=finished.fuel, memory_bytes=finished.memory_bytes, transcript=transcript)


def _arguments(guest: Guest, function: str, input: bytes) -> tuple[Any, ...]:  # noqa: A002 the ABI's own word
    """Read the input of a typed function: an object with its parameters, checked, in their order."""
    check_call(function, input)
    exported = guest.code.exports.get(function)
    if exported is None:
        raise UsageRefused(
            f"module {guest.digest} has no function {function}",
            hint=f"it has {', '.join(sorted(guest.functions)[:FUNCTIONS_SHOWN_MAX])}",
            code="module-function",
        )
    parameters = exported.signature.parameters
    values = msgspec.json.decode(input)
    try:
        check_value(RecordOf(parameters), values)
    except ValueMismatch as mismatch:
        raise UsageRefused(
            f"the input of {function} does not fit its parameters: {mismatch}",
            hint="give a JSON object by parameter name; the module's description has its schema",
            code="module-input",
        ) from mismatch
    return tuple(values.get(name) for name, _ in parameters)


def _check_start(guest: Guest, budget: Budget) -> None:
    if guest.memory_bytes_min > budget.memory_bytes:
        raise ModuleFailed(
            f"module {guest.digest} starts with {guest.memory_bytes_min} bytes of memory, and its budget is "
            f"{budget.memory_bytes}",
            hint="give the module a larger tier",
            code="module-out-of-memory",
        )


def _runner(guest: Guest) -> Guest:
    """Give the guest that runs: of a script its engine, of any other itself."""
    if not isinstance(guest.code, Script):
        return guest
    assert isinstance(guest.code.runner, Guest)
    return guest.code.runner
