"""Whose call runs next: fair shares between tenants by what their calls take, and urgent calls of a tenant first.

A node runs a few calls at one time. Where more want to, each tenant has a queue of its own, bounded, and the tenant
whose calls took the least so far is next (start-time fair queueing: Goyal, Vin and Cheng, 1996). What a call took is
its fuel, the same on every machine; a tenant that was idle begins where the busy ones are, and saves up nothing. While
several tenants call, each runs fewer than the node has cores, so that nobody waits for the end of somebody else's call.

    with schedule.turn("acme", priority=URGENT) as turn:
        turn.took(run.fuel)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bailiwick.errors import Unavailable

AT_ONCE_DEFAULT = 32
"""Calls of one node that run at one time, in number: some compute, the others wait for the disk."""
AROUND_TURNS = 1_000
"""Turns of a node within which a tenant that called is taken to call again, so that the others leave it room."""
QUEUE_MAX = 256
"""Calls of one tenant that wait, in number; one more is turned away."""
URGENT, NORMAL, PATIENT = 0, 1, 2
PRIORITIES = (URGENT, NORMAL, PATIENT)
"""Within a tenant an urgent call goes before a normal one, that before a patient one; never before another tenant's."""
FUEL_GUESS = 100_000
"""What a tenant's first call is taken to need, in units of fuel; afterwards it is what its last ones took."""
TURN_FUEL = 20_000
"""What a call takes beside its fuel, for being recorded, in units of fuel."""


class Cancelled(Unavailable):
    """Whoever asked for a call does not want it any more, and it had not begun."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One call's place in the queue. ``state`` is ``waiting``, ``called`` (its turn came), ``running``, ``ended`` or
    ``cancelled``. Whoever takes one and makes no call cancels it, for its turn would hold a place.
    """

    tenant: str
    priority: int
    _give_back: Callable[[Ticket], bool]
    _go: threading.Event = field(default_factory=threading.Event)
    state: str = "waiting"

    def cancel(self) -> bool:
        """Take the call back, from any thread, and say whether that was before it ran."""
        return self._give_back(self)


@dataclass(slots=True, eq=False)
class Turn:
    """One call that runs; ``took`` says what it used, when that is known."""

    fuel: int = 0

    def took(self, fuel: int) -> None:
        """Say how much fuel the call took."""
        self.fuel += fuel


@dataclass(slots=True)
class _Tenant:
    """One tenant's queue, how far its calls have come in virtual time, and what they take by now."""

    weight: int = 1
    reached: int = 0
    guess: int = FUEL_GUESS
    running: int = 0
    called_at: int = 0
    waiting: tuple[deque[Ticket], ...] = field(default_factory=lambda: tuple(deque[Ticket]() for _ in PRIORITIES))

    def next_ticket(self) -> Ticket | None:
        """Give the next call that still wants to run."""
        for queue in self.waiting:
            while queue:
                if queue[0].state == "waiting":
                    return queue[0]
                queue.popleft()
        return None


class Schedule:
    """The order of calls of one node. Thread-safe; a call belongs to the thread that makes it."""

    def __init__(
        self, at_once: int = AT_ONCE_DEFAULT, weights: Mapping[str, int] | None = None, beside: int | None = None
    ) -> None:
        """Run so many calls at one time.

        Args:
            at_once: How many run.
            weights: A tenant of weight 2 has twice the share of one of weight 1, which is everybody else's.
            beside: How many of one tenant's run while others call too; None means as many as there is room for.
        """
        self._at_once, self._weights = at_once, dict(weights or {})
        self._beside = min(at_once, beside or at_once)
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}
        self._running = self._turns = 0
        self._now = 0

    def ticket(self, tenant: str, priority: int = NORMAL) -> Ticket:
        """Queue a call, which ``run`` then waits for.

        Raises:
            Unavailable: too many of the tenant's calls wait already (code ``module-queue-full``).
        """
        assert priority in PRIORITIES
        ticket = Ticket(tenant, priority, self._cancel)
        with self._lock:
            of = self._tenant(tenant)
            waiting = [each for queue in of.waiting for each in queue if each.state == "waiting"]
            if len(waiting) >= QUEUE_MAX:
                raise Unavailable(
                    f"{QUEUE_MAX} calls of tenant {tenant} wait already",
                    hint="try again when some have ended",
                    code="module-queue-full",
                )
            if not waiting:
                of.reached = max(of.reached, self._now)  # who was idle saves up nothing
            of.waiting[priority].append(ticket)
            self._start()
        return ticket

    @contextmanager
    def run(self, ticket: Ticket) -> Iterator[Turn]:
        """Wait for a call's turn, and let it run while the block does.

        Raises:
            Cancelled: it was taken back before its turn came (code ``module-cancelled``).
        """
        try:
            ticket._go.wait()
        except BaseException:
            ticket.cancel()  # whoever waits for it is gone, and its turn would hold a place for ever
            raise
        with self._lock:
            is_called = ticket.state == "called"
            ticket.state = "running" if is_called else ticket.state
        if not is_called:
            raise Cancelled(
                f"a call of tenant {ticket.tenant} was taken back before it began",
                hint="ask again if it is wanted after all",
                code="module-cancelled",
            )
        turn = Turn()
        try:
            yield turn
        finally:
            with self._lock:
                self._end(ticket, turn)

    @contextmanager
    def turn(self, tenant: str, priority: int = NORMAL) -> Iterator[Turn]:
        """Queue a call, wait for its turn, and let it run while the block does."""
        with self.run(self.ticket(tenant, priority)) as turn:
            yield turn

    def waiting(self) -> dict[str, int]:
        """Count the calls that wait, by tenant."""
        with self._lock:
            counts = {
                name: sum(each.state == "waiting" for queue in of.waiting for each in queue)
                for name, of in self._tenants.items()
            }
        return {name: count for name, count in counts.items() if count}

    def _tenant(self, name: str) -> _Tenant:
        if name not in self._tenants:
            self._tenants[name] = _Tenant(weight=self._weights.get(name, 1), reached=self._now)
        return self._tenants[name]

    def _start(self) -> None:
        """Let calls run while there is room: the next of the tenant that has come least far, by name where even."""
        while self._running < self._at_once:
            found = [
                (of.reached, name, of, next_)
                for name, of in self._tenants.items()
                if (next_ := of.next_ticket()) and self._may_run(of)
            ]
            if not found:
                return
            reached, _, of, ticket = min(found, key=lambda each: each[:2])
            of.waiting[ticket.priority].popleft()
            self._now = max(self._now, reached)
            of.reached = reached + of.guess // of.weight
            self._turns += 1
            of.called_at = self._turns
            self._count(of, 1)
            ticket.state = "called"
            ticket._go.set()

    def _may_run(self, of: _Tenant) -> bool:
        """Say whether a tenant may run one more: few of it while there are others around."""
        if of.running < self._beside:
            return True
        since = max(1, self._turns - AROUND_TURNS)
        return not any(each.called_at >= since for each in self._tenants.values() if each is not of)

    def _count(self, of: _Tenant, one: int) -> None:
        self._running += one
        of.running += one

    def _cancel(self, ticket: Ticket) -> bool:
        with self._lock:
            before, of = ticket.state, self._tenants[ticket.tenant]
            if before not in ("waiting", "called"):
                return False
            ticket.state = "cancelled"
            if before == "called":
                of.reached -= of.guess // of.weight
                self._count(of, -1)
                self._start()
        ticket._go.set()
        return True

    def _end(self, ticket: Ticket, turn: Turn) -> None:
        """Charge what a call took in place of what was guessed, and let the next ones run."""
        of = self._tenants[ticket.tenant]
        took = turn.fuel + TURN_FUEL
        of.reached += (took - of.guess) // of.weight
        of.guess = (3 * of.guess + took) // 4
        ticket.state = "ended"
        self._count(of, -1)
        self._start()


def beside_of(cores: int | None) -> int:
    """Give how many calls of one tenant run while others call too: one fewer than the node has cores.

    >>> beside_of(2), beside_of(8), beside_of(None)
    (1, 7, 1)
    """
    return max(1, (cores or 1) - 1)
