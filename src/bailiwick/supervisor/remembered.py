"""Answers that are given again: of functions whose manifest says that the input alone decides, and that asked nothing.

What an answer cost is charged again each time, so that a call takes the same fuel whether it was remembered or not.
Where anything of a tenant was erased, all its answers are forgotten: one could tell what the erased call was told.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from bailiwick.model import Budget
from bailiwick.ports import Clock
from bailiwick.supervisor.gathered import Outcome
from bailiwick.supervisor.manifest import Function

ANSWERS_MAX = 4_096
"""Most answers that are remembered, in number."""
ANSWER_BYTES_MAX = 65_536
"""Longest answer that is remembered, in bytes."""
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Whose answer it is: tenant, binary, function, and the digest of the input."""

    tenant: str
    module: str
    function: str
    input: str


class Remembered:
    """Answers by what was asked, the least recently used forgotten first. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Key, tuple[int, Outcome]] = OrderedDict()
        self._erasures: dict[str, int] = {}

    def keep_to(self, tenant: str, erasures: int) -> None:
        """Forget a tenant's answers where its ledger tells of another number of erasures than the last time."""
        with self._lock:
            if self._erasures.setdefault(tenant, erasures) != erasures:
                self._erasures[tenant] = erasures
                for key in [each for each in self._answers if each.tenant == tenant]:
                    del self._answers[key]

    def find(self, key: Key, budget: Budget) -> Outcome | None:
        """Give an answer that is fresh still, and that the budget could have paid for."""
        now_ns = self._clock.now_ns()
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            until_ns, outcome = found
            if until_ns and now_ns >= until_ns:
                del self._answers[key]
                return None
            if outcome.fuel > budget.fuel or outcome.memory_bytes > budget.memory_bytes:
                return None
            self._answers.move_to_end(key)
            return outcome

    def keep(self, key: Key, function: Function, outcome: Outcome, size: int) -> None:
        """Remember an answer where its function allows, and where nothing but the input made it."""
        if not function.is_cacheable or outcome.kind != "answered" or outcome.calls or size > ANSWER_BYTES_MAX:
            return
        until_ns = 0 if function.cache_ttl_sec is None else self._clock.now_ns() + function.cache_ttl_sec * SECOND_NS
        with self._lock:
            self._answers[key] = (until_ns, outcome)
            self._answers.move_to_end(key)
            while len(self._answers) > ANSWERS_MAX:
                self._answers.popitem(last=False)
