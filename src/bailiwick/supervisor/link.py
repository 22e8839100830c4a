"""The host as one running module sees it: exactly what was granted, and a refusal for everything else."""

from __future__ import annotations

from collections.abc import Callable

from bailiwick.engine import HostRefused
from bailiwick.model import Actor, Budget, HostCall, JsonValue
from bailiwick.ports import CallContext, HostService
from bailiwick.supervisor.gathered import HOST_CALLS_MAX, Gathered
from bailiwick.supervisor.manifest import Manifest
from bailiwick.supervisor.registry import Registry
from bailiwick.supervisor.services.invoke import CallInside, Invoke
from bailiwick.supervisor.state import Grant, Installed
from bailiwick.supervisor.values import in_order

PER_CALL_MAX = {"bailiwick:log/log@0.1.0#write": 1_000, "bailiwick:audit/log@0.1.0#record-event": 100}
"""Most questions of one kind in one call from outside, where that is less than ``HOST_CALLS_MAX``."""
AUDITED = "bailiwick:audit/log@0.1.0"


class CallLink:
    """Answers one module for the length of one call. Belongs to the thread that runs it."""

    def __init__(
        self,
        registry: Registry,
        module: Installed,
        *,
        function: str,
        manifest: Manifest,
        path: tuple[str, ...],
        actor: Actor,
        gathered: Gathered,
        call_inside: CallInside,
    ) -> None:
        """Join a module to the services of its tenant.

        Args:
            registry: The tenant's.
            module: Who asks.
            function: Which function of it runs.
            manifest: What it asks for, and what its names stand for.
            path: The modules that run, outermost first, this one last.
            actor: Who called from outside.
            gathered: Where the call leaves what its record tells.
            call_inside: Runs a function of another module.
        """
        self._registry = registry
        self._module = module
        self._path = path
        self._actor = actor
        self._gathered = gathered
        self._call_inside = call_inside
        self._reference = module.reference
        self._function = function
        self._manifest = manifest
        self._calls: list[tuple[str, str, JsonValue, JsonValue, dict[str, JsonValue] | None, int]] = []

    @property
    def calls(self) -> tuple[HostCall, ...]:
        """Every question so far with its answer: what is known of a run that the host stopped."""
        return tuple(
            HostCall(interface=interface, function=function, input=question, output=output, error=error, fuel=fuel)
            for interface, function, question, output, error, fuel in self._calls
        )

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Answer one question of the guest.

        Raises:
            HostRefused: it was not granted (code ``denied``), is one too many (``too-many``), or the service says no.
            BailiwickError: the host failed.
        """
        charged = 0

        def charging(fuel: int) -> None:
            nonlocal charged
            charged += fuel
            charge(fuel)

        output: JsonValue = None
        error: dict[str, JsonValue] | None = None
        try:
            service, grant = self._permit(interface, function)
            context = CallContext(
                tenant=self._registry.tenant,
                module=self._reference,
                actor=self._actor,
                scope=self._registry.scope(grant),
                budget_left=left,
                depth=len(self._path) - 1,
                path=self._path,
                charge=charging,
            )
            output = in_order(service.call(context, function, input))
            if self._manifest.service(interface) == AUDITED:
                self._gathered.audited += 1
        except HostRefused as refused:
            if refused.code == "denied":
                self._denied(interface, function)
            error = {"code": refused.code, "message": refused.message}
            raise
        finally:
            self._calls.append((interface, function, input, output, error, charged))
        if not self._gathered.weigh(input, output):
            raise HostRefused("too-many", "the call has asked and been told more than is kept of one call")
        return output

    def _permit(self, interface: str, function: str) -> tuple[HostService, Grant]:
        """Give service and grant for a question, as the grants stand at this moment."""
        of = self._manifest.service(interface)
        gathered, name = self._gathered, f"{of}#{function}"
        gathered.host_calls += 1
        grant = self._registry.state.seen().granted(self._module.name).get(interface)
        service = self._registry.services.get(of)
        if grant is None or service is None or function not in grant.functions:
            raise HostRefused("denied", f"module {self._module.name} was not granted {f'{interface}#{function}'[:300]}")
        gathered.asked[name] += 1
        if gathered.host_calls > HOST_CALLS_MAX or gathered.asked[name] > PER_CALL_MAX.get(name, HOST_CALLS_MAX):
            raise HostRefused("too-many", f"{name} was asked too often in one call")
        return (Invoke(self._call_inside) if of == Invoke.name else service), grant

    def _denied(self, interface: str, function: str) -> None:
        """Note a refusal. Names that the guest made up are not told: they could be any text."""
        denial: dict[str, JsonValue] = {"module": self._module.name, "function": self._function, "code": "denied"}
        if f"{interface}#{function}" in self._manifest.asked:
            denial |= {"interface": interface, "host_function": function}
        self._gathered.deny(denial)
