"""Calls of one module by another, through the host: permission, depth, cycles, and whose fuel it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bailiwick.engine import HostRefused
from bailiwick.model import JsonValue
from bailiwick.ports import CallContext
from bailiwick.supervisor.services.asking import check_members, is_named, member, names, scope_refused

DEPTH_MAX = 8
"""Deepest nesting of calls, in modules: each level takes a sandbox and some native stack."""

_CALLABLE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.(?:[A-Za-z][A-Za-z0-9_.-]{0,99})?\*?\Z")

CallInside = Callable[[CallContext, str, str, str], str]
"""Runs a function of another module with JSON text, and gives its answer as JSON text."""


class Invoke:
    """Calls other modules. Its scope lists ``functions``: ``module.function``, or ``module.*`` for all of one."""

    name = "bailiwick:invoke/invoke@0.1.0"
    functions = frozenset({"invoke"})

    def __init__(self, call_inside: CallInside | None = None) -> None:
        """Make a service that calls; without ``call_inside`` it only says what there is to grant."""
        self._call_inside = call_inside

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse what does not say which functions: every one of every module is nothing to grant."""
        allowed = check_members(scope, {"functions": "module.function or module.*"}, self.name)
        for each in names(allowed, "functions", self.name):
            if not _CALLABLE.match(each):
                raise scope_refused(self.name, f"{each[:80]!r} names no module; write module.function or module.*")

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Call a function if the scope names it, nobody above is the same module, and there is room below."""
        assert self._call_inside is not None, "the link of a call binds this service to it"
        module, wanted = member(input, "module", str), member(input, "function", str)
        text = member(input, "input", str)
        allowed: Any = context.scope["functions"]
        if not is_named(f"{module}.{wanted}", allowed):
            raise HostRefused("denied", f"calling {module[:64]}.{wanted[:100]} was not granted")
        if module in context.path:
            raise HostRefused("cycle", f"module {module} is running already, further up")
        if len(context.path) >= DEPTH_MAX:
            raise HostRefused("too-deep", f"calls nest at most {DEPTH_MAX} deep")
        return self._call_inside(context, module, wanted, text)
