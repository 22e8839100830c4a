"""Four small interfaces: log, clock, random and config. What they answer stands in the transcript of the call."""

from __future__ import annotations

import base64
import re

from bailiwick.engine import HostRefused
from bailiwick.model import JsonValue
from bailiwick.ports import CallContext, Clock, Entropy
from bailiwick.supervisor.services.asking import UNREADABLE, check_members, member, no_arguments, scope_refused
from bailiwick.supervisor.values import encode_value

MESSAGE_BYTES_MAX = 8_192
"""Longest message of a module's log, in bytes of UTF-8."""
LEVELS = ("debug", "info", "warn", "error")
RANDOM_BYTES_MAX = 4_096
"""Most random bytes of one question."""
CONFIG_VALUES_MAX = 100
"""Most values that an operator sets for one module."""
CONFIG_BYTES_MAX = 65_536
"""Longest configuration of one module, in bytes of JSON."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}\Z")


class _Unscoped:
    """An interface whose scope has nothing to say."""

    name: str

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse any scope but the empty one."""
        check_members(scope, {}, self.name)


class LogService(_Unscoped):
    """Notes of a module to whoever runs it."""

    name = "bailiwick:log/log@0.1.0"
    functions = frozenset({"write"})

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Take one message; being in the transcript is all that becomes of it."""
        if member(input, "level", str) not in LEVELS:
            raise HostRefused(UNREADABLE, f"level is one of {', '.join(LEVELS)}")
        if len(member(input, "message", str).encode("utf-8", "replace")) > MESSAGE_BYTES_MAX:
            raise HostRefused("too-large", f"a message has at most {MESSAGE_BYTES_MAX} bytes")
        return None


class ClockService(_Unscoped):
    """The time of day."""

    name = "bailiwick:clock/clock@0.1.0"
    functions = frozenset({"now"})

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Give nanoseconds since 1970 UTC."""
        no_arguments(input)
        return self._clock.now_ns()


class RandomService(_Unscoped):
    """Randomness."""

    name = "bailiwick:random/random@0.1.0"
    functions = frozenset({"bytes", "number"})

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Draw bytes, as base64, or a number of 64 bits."""
        if function == "number":
            no_arguments(input)
            return int.from_bytes(self._entropy.take(8), "big")
        count = member(input, "count", int)
        if not 1 <= count <= RANDOM_BYTES_MAX:
            raise HostRefused("too-large", f"count is 1 to {RANDOM_BYTES_MAX}")
        return base64.b64encode(self._entropy.take(count)).decode("ascii")


class ConfigService:
    """What the operator set for a module: ``values`` in the scope of its grant."""

    name = "bailiwick:config/config@0.1.0"
    functions = frozenset({"get", "names"})

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse what is no set of values."""
        values = check_members(scope, {"values": "an object of names and any JSON"}, self.name).get("values", {})
        if not isinstance(values, dict) or len(values) > CONFIG_VALUES_MAX or not all(map(_NAME.match, values)):
            raise scope_refused(self.name, f"values has to be an object of at most {CONFIG_VALUES_MAX} names")
        if len(encode_value(values)) > CONFIG_BYTES_MAX:
            raise scope_refused(self.name, f"values has at most {CONFIG_BYTES_MAX} bytes")

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002 the port's own words
        """Give one value as JSON text, or the names that there are."""
        values = context.scope.get("values", {})
        assert isinstance(values, dict), "a scope was checked before it was granted"
        if function == "names":
            no_arguments(input)
            return list[JsonValue](sorted(values))
        name = member(input, "name", str)
        return encode_value(values[name]).decode() if name in values else None
