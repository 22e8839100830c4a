"""An effect channel that hands each message to a function of a module that the tenant installed and granted.

The module acts within its grants and nothing else. Its answer ``ok`` is delivered, where it may say ``"before"`` under
``delivered``; an answer of error refuses for good, and so does a failure that would come again the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.adapters.effectchannel_message import effect_name, message_bytes
from bailiwick.canonical import canonical_bytes
from bailiwick.errors import EffectDelayed, EffectRefused, ModuleRefused
from bailiwick.model import JsonValue, check_tenant
from bailiwick.schema import Schemas

QUOTA = "module-quota"
"""Code of a refusal that is over with the day."""
CallModule = Callable[[str, bytes], tuple[Any, str | None]]
"""Calls the module for a tenant with JSON, and gives its value, or None and the code of its refusal.

Raises as ``Supervisor.call`` does.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleEffectChannel:
    """Calls a function with ``{"message", "fence"}``; the call is a record of its own."""

    name: str
    call: CallModule
    schemas: Schemas = field(default_factory=Schemas)

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Call the module with a message; see ``ports.EffectChannel``.

        Raises:
            SchemaViolated, InputRefused: it is no message.
            EffectRefused: the module refuses it (``effect-refused``).
            ModuleRefused, ModuleFailed, NotFound: it may not run, or fails the same way each time.
            Unavailable: it cannot run now, or has used up what a day has.
        """
        effect_name(key)
        message_bytes(key, message, self.schemas)
        try:
            value, refusal = self.call(
                check_tenant(tenant), canonical_bytes({"fence": fence, "message": dict(message)})
            )
        except ModuleRefused as error:
            if error.code != QUOTA:
                raise
            raise EffectDelayed(error.message, hint=error.hint, code="effect-busy") from error
        if refusal is not None:
            raise EffectRefused(
                f"module {self.name} refuses the effect: {refusal[:100]}",
                hint="mend the module or its grants, then: bailiwick effects retry --dead",
            )
        was_before = isinstance(value, Mapping) and value.get("delivered") == "before"
        return {"delivered": "before" if was_before else "now", "channel": "module"}
