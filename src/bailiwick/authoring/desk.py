"""The host as an author sees it at the desk: a few interfaces answered for real, each call shown, nothing recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.engine import HostRefused
from bailiwick.model import Actor, Budget, JsonValue, ModuleRef
from bailiwick.ports import CallContext, HostService

AUTHOR = Actor(id="local:author", role="author")
TENANT = "desk"
"""Stands for a tenant: at the desk there is none, and no service that is offered there asks for one."""


class Desk:
    """Answers what a module asks for in its manifest, as far as ``services`` go, with the scopes that it asks for.

    ``show`` is told each call in one line, when it has been answered.
    """

    def __init__(
        self, manifest: Mapping[str, Any], services: Mapping[str, HostService], show: Callable[[str], None]
    ) -> None:
        self._module = ModuleRef(name=manifest["name"], digest=manifest["digest"])
        self._asked = {each["interface"]: each for each in manifest["capabilities"]}
        self._services = services
        self._show = show

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Answer one call of the module; see ``engine.HostLink``.

        Raises:
            HostRefused: the manifest does not ask for it, or the desk has no such service (code ``denied``), or the
                service says no.
        """
        asked, service = self._asked.get(interface), self._services.get(interface)
        if asked is None or function not in asked["functions"]:
            raise self._refused(interface, function, "the manifest does not ask for it")
        if service is None:
            raise self._refused(interface, function, "only an installed module has it: at the desk, write a case")
        context = CallContext(
            tenant=TENANT,
            module=self._module,
            actor=AUTHOR,
            scope=asked.get("scope", {}),
            budget_left=left,
            depth=0,
            path=(self._module.name,),
            charge=charge,
        )
        try:
            output = service.call(context, function, input)
        except HostRefused as refused:
            self._show(f"{interface}#{function} {input!r:.200} refused: {refused}")
            raise
        self._show(f"{interface}#{function} {input!r:.200} gives {output!r:.200}")
        return output

    def _refused(self, interface: str, function: str, why: str) -> HostRefused:
        self._show(f"{interface}#{function} denied: {why}")
        return HostRefused("denied", f"{interface}#{function}: {why}")
