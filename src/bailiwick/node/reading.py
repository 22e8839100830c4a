"""The theme of reading the ledger: states of earlier moments, and records that fulfil a query."""

from __future__ import annotations

from typing import Any

from bailiwick.decisions import find_projection
from bailiwick.ledger import Page, Past, Query, Search, Timeline, read_moment
from bailiwick.node.parts import Parts


class Reading(Parts):
    """What a node tells of its ledgers; every record that is given has been checked."""

    def state_at(self, tenant: str, moment: str, projection: str = "effects", **how: Any) -> Past:
        """Give the state of a projection as it was at a moment in RFC 3339, or ``now``; ``how``: see ``Timeline``.

        Raises:
            UsageRefused: no such projection (code ``projection-unknown``), no moment, or one that has not come yet.
        """
        timeline = self._timelines.setdefault(tenant, Timeline(self.ledger(tenant)))
        now_ns = self._clock.now_ns()
        at_ns = now_ns if moment == "now" else read_moment(moment)
        return timeline.state_at(at_ns, find_projection(projection), now_ns=now_ns, **how)

    def find(self, tenant: str, query: Query, **page: Any) -> Page:
        """Give records of a tenant's ledger that fulfil a query, proven; ``page`` as ``Search.find`` takes it."""
        return Search(self.ledger(tenant), self._index).find(query, **page)
