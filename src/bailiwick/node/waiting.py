"""The theme of inputs that came while no module could run: which wait, and deciding them."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.decisions import Answer, Refused, WaitingInput, fetch_waiting, taken, waiting_inputs
from bailiwick.errors import InputRefused, NotFound
from bailiwick.node.deciding import Deciding

GONE = "blob-erased"
"""Code of an input that was erased while it waited."""


class Waiting(Deciding):
    """What a node owes those whose input it kept and could not decide."""

    def waiting(self, tenant: str) -> list[WaitingInput]:
        """List the inputs of a tenant that wait, oldest first."""
        return waiting_inputs(self.ledger(tenant))

    def decide_waiting(self, tenant: str) -> Iterator[tuple[WaitingInput, Answer]]:
        """Decide the inputs that wait, oldest first, each by the version of its pack that is active now.

        One whose module cannot run even now goes on waiting; one that was erased, or is refused now, waits no more, and
        a record says so.
        """
        for each in self.waiting(tenant):
            yield each, self._decide_waiting(tenant, each)

    def _decide_waiting(self, tenant: str, waiting: WaitingInput) -> Answer:
        ledger = self.ledger(tenant)
        record = ledger.read(waiting.record)
        try:
            raw, legal_date = fetch_waiting(tenant, record, self._blobs)
            return next(self.decide(tenant, waiting.pack, [raw], legal_date=legal_date, batch=1))
        except (InputRefused, NotFound) as error:
            if error.code == GONE:
                ledger.record(tenant, taken(record.index, record.resource, self.actor(tenant), GONE))
            return Refused(error=error)
