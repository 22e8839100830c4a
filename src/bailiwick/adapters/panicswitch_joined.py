"""Several panic switches as one: any of them freezes. A tenant's own, and that of the whole node."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.model import JsonValue
from bailiwick.ports import PanicSwitch


class JoinedPanicSwitch:
    """See ``ports.PanicSwitch``. The first is the one that is set; each is asked, and doubt about any means frozen."""

    def __init__(self, own: PanicSwitch, *others: PanicSwitch) -> None:
        self._own = own
        self._all = (own, *others)

    def is_frozen(self) -> bool:
        """Say whether effects must not start: whether any of the switches says so."""
        return any(each.is_frozen() for each in self._all)

    def state(self) -> Mapping[str, JsonValue]:
        """Give the state of the first switch that freezes, the widest first, or that of our own where none does."""
        states = [each.state() for each in self._all]
        return next((each for each in reversed(states) if each["frozen"] is not False), states[0])

    def set(self, *, frozen: bool, reason: str, by: str, at: str) -> None:
        """Throw or release our own switch."""
        self._own.set(frozen=frozen, reason=reason, by=by, at=at)
