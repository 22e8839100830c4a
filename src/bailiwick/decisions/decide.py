"""Step two: an observation becomes a decision. Pure: no clock, no dice, no files, no network."""

from __future__ import annotations

from bailiwick.model import Decision, Observation
from bailiwick.packs import Pack, evaluate


def decide(observation: Observation, pack: Pack) -> Decision:
    """Judge the observation's facts by the pack's rules as of its legal date.

    Where the facts do not allow an honest answer the outcome is ``indeterminate``, with the reason; that is a decision
    too, and it is sealed like any other.
    """
    known_at = observation.facts.get("known_at")
    return evaluate(
        pack, observation.facts, observation.legal_date, known_at=known_at if isinstance(known_at, str) else None
    )
