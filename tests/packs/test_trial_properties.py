"""Properties of a pack, held against inputs that nobody wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from bailiwick.packs import Aim, Trial, load_pack, start_pack, try_pack


def tried(properties: list[Mapping[str, Any]] | None, aim: Aim | None = None) -> Trial:
    """Try a new pack with these properties."""
    files = start_pack("town-fees")
    if properties is None:
        del files["tests/properties.yaml"]
    else:
        files["tests/properties.yaml"] = yaml.safe_dump({"properties": properties}).encode()
    return try_pack(load_pack("town-fees", files), files, aim or Aim(inputs=300))


def test_a_property_that_holds_passes_and_says_how_often_it_was_judged():
    """Wrong if a property that nothing ever met looked proven."""
    trial = tried([{"id": "bounded", "text": "x", "holds": "m.fee <= 500", "when": "has(in.borrower)"}])
    assert trial.properties is not None
    assert trial.properties.judged["bounded"] > 100
    assert trial.properties.inputs == 300


def test_a_property_that_breaks_shows_the_input_and_why():
    """Wrong if an author were told that something is wrong, and not for whom."""
    holds = "m.fee < 500"
    trial = tried([{"id": "below", "text": "Never the highest.", "when": "out.outcome == 'fee-due'", "holds": holds}])
    assert not trial.is_passed
    (failure,) = trial.to_json()["properties"]["failed"]
    assert failure["id"] == "below"
    assert failure["because"] == "this does not hold: m.fee < 500"
    assert failure["input"]["days_out"] > 40
    assert failure["legal_date"] == failure["input"].get("returned_on", failure["legal_date"])


def test_what_is_not_known_neither_holds_nor_breaks():
    """Wrong if a fact that is absent broke a property, or a property held because nothing could be judged."""
    trial = tried([{"id": "known", "text": "A fee is below nothing or not.", "holds": "m.fee >= 0"}])
    assert trial.properties.failed == ()
    assert 0 < trial.properties.judged["known"] < trial.properties.inputs


def test_a_property_that_was_never_judged_is_counted_as_such():
    """Wrong if a condition that never holds made a property look good."""
    trial = tried([{"id": "idle", "text": "x", "when": "m.fee > 501", "holds": "m.fee > 1000"}])
    assert trial.properties.judged == {"idle": 0}
    assert trial.is_passed


def test_the_same_seed_breaks_it_the_same_way():
    """Wrong if a failure could not be shown to somebody else."""
    below = [{"id": "below", "text": "x", "when": "out.outcome == 'fee-due'", "holds": "m.fee < 500"}]
    first, again, other = (tried(below, Aim(inputs=200, seed=seed)).to_json()["properties"] for seed in (5, 5, 6))
    assert first == again
    assert first["seed"] != other["seed"]


def test_a_pack_without_properties_draws_nothing():
    """Wrong if everybody paid for what a few ask for, or the report changed its shape."""
    trial = tried(None)
    assert trial.to_json().keys() == {"cases", "failed", "uncovered"}
