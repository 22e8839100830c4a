"""One run that may ask the host, from the store it is made in to the error that says why it ended."""

from __future__ import annotations

from bailiwick.engine.answer import answer_failed
from bailiwick.engine.calling import HostShort, Trapped, explain, explain_stop
from bailiwick.engine.component import Sandboxes
from bailiwick.engine.host import HostLink, HostSession, Stopped
from bailiwick.engine.lifting import NotJson
from bailiwick.engine.linking import HostDoor
from bailiwick.engine.ticker import TICK_MS, Ticker, ticks_until
from bailiwick.errors import BailiwickError, ModuleFailed, Unavailable
from bailiwick.model import Budget, HostCall

Stop = (Trapped, HostShort, ModuleFailed, NotJson)
"""What ends a run before it has an answer."""


class Hosted:
    """One run that may ask the host: its session, and what its end means."""

    def __init__(
        self,
        budget: Budget,
        link: HostLink,
        *,
        digest: str,
        sandboxes: Sandboxes,
        door: HostDoor,
        ticker: Ticker,
        is_asking: bool,
    ) -> None:
        self._digest = digest
        self._sandboxes = sandboxes
        self._door = door
        self._ticker = ticker
        self._is_asking = is_asking
        self._budget = budget
        self._link = link
        self._context = 0
        self._session: HostSession | None = None
        self._end_ms = ticker.count * TICK_MS + budget.deadline_ms
        self.ticks = ticks_until(budget.deadline_ms)

    @property
    def transcript(self) -> tuple[HostCall, ...]:
        """What the guest has asked so far."""
        return self._session.transcript if self._session else ()

    def attach(self, context: int) -> None:
        """Stand by for the host calls of the store with this context."""
        if not self._is_asking:
            return
        sandboxes = self._sandboxes
        self._context = context
        self._session = HostSession(
            self._link,
            self._budget,
            fuel_left=sandboxes.meter(context),
            set_fuel=lambda fuel: sandboxes.set_fuel(context, fuel),
            time_left=self._time_left,
        )
        self._door.attach(context, self._session)

    def detach(self) -> None:
        """Stop standing by."""
        if self._session:
            self._door.detach(self._context, self._session)

    def error_for(self, stop: Exception) -> BaseException:
        """Give the one error that says why the run ended; a failure in a host call is the cause of what came after."""
        failure = self._session.failure if self._session else None
        error = self._host_failure(failure) if failure else meaning(stop, self._digest, self._budget)
        if isinstance(error, ModuleFailed):
            error.transcript = self.transcript
        return error

    def _host_failure(self, failure: BaseException) -> BaseException:
        if isinstance(failure, Stopped):
            return explain_stop(failure.cause, failure.detail, self._digest, self._budget)
        if isinstance(failure, Trapped | NotJson):
            return meaning(failure, self._digest, self._budget)
        if isinstance(failure, Unavailable) or not isinstance(failure, Exception):
            return failure
        error = Unavailable(
            f"the host failed while module {self._digest} asked it: {type(failure).__name__}",
            hint="see the cause; the module was stopped and learned nothing of it",
            code="host-failed",
        )
        error.__cause__ = failure
        return error

    def _time_left(self) -> int:
        return self._end_ms - self._ticker.count * TICK_MS


def meaning(stop: Exception, digest: str, budget: Budget) -> BailiwickError:
    """Say what the end of a run means to whoever called it."""
    if isinstance(stop, Trapped):
        return explain(stop, digest, budget)
    if isinstance(stop, NotJson):
        return answer_failed(f"holds {stop}")
    if isinstance(stop, BailiwickError):
        return stop
    is_busy = "maximum concurrent" in str(stop)
    return Unavailable(
        f"no sandbox could be set up for module {digest}: {stop}",
        hint="call less at once" if is_busy else "free memory or address space (ulimit -v), then try again",
        code="engine-busy" if is_busy else "engine-short",
    )
