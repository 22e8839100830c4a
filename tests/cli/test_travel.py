"""`bailiwick ledger at` and `bailiwick ledger find`, as somebody types them."""

from __future__ import annotations

import pytest


def test_the_state_at_a_moment_is_told_with_what_it_rests_on(decided):
    """If it failed, an operator could not say how things stood when something happened."""
    before = decided("ledger", "tail", "--json").lines[-1]["timestamp"]
    assert decided("panic", "on", "--reason", "a test").code == 0
    then = decided("ledger", "at", before, "--projection", "panic", "--json").json
    now = decided("ledger", "at", "now", "--projection", "panic", "--json").json
    assert (then["state"]["frozen"], now["state"]["frozen"]) == (None, True)
    assert then["timestamp"] == before
    assert now["position"] > then["position"]


def test_a_replay_checks_the_snapshots_that_were_kept(decided):
    """If it failed, nobody could check what a quick answer rested on."""
    assert decided("ledger", "at", "now", "--projection", "decisions", "--keep").code == 0
    ran = decided("ledger", "at", "now", "--projection", "decisions", "--replay", "--json")
    assert ran.code == 0
    assert len(ran.json["checked"]) == 1
    assert ran.json["wrong"] == []
    assert ran.json["folded"] == ran.json["position"] + 1
    assert "1 checked" in decided("ledger", "at", "now", "--projection", "decisions", "--replay").out


def test_an_effect_is_followed_by_its_digest(decided):
    """If it failed, one thing could not be followed through the ledger."""
    waiting = decided("ledger", "at", "now", "--json").json["state"]["waiting"]
    page = decided("ledger", "find", "--digest", waiting[0]["key"], "--json").json
    assert [hit["record"] for hit in page["hits"]] == [waiting[0]["record"]]
    assert "unverified" in page["label"]
    ran = decided("ledger", "find", "--digest", waiting[0]["key"])
    assert "decision.sealed" in ran.out
    assert "unverified" in ran.err


def test_pages_of_a_search_follow_each_other(decided):
    """If it failed, a long history could not be read to its end."""
    words = ("ledger", "find", "--type", "decision.sealed", "--limit", "2")
    whole = [hit["record"] for hit in decided(*words[:4], "--json").json["hits"]]
    first = decided(*words, "--json").json
    second = decided(*words, "--after", str(first["after"]), "--json").json
    assert [hit["record"] for hit in first["hits"] + second["hits"]] == whole[:4]
    assert f"--after {first['after']}" in decided(*words).out
    scanned = decided(*words[:4], "--scan", "--json").json
    assert [hit["record"] for hit in scanned["hits"]] == whole
    assert "nothing" in decided("ledger", "find", "--resource", "absent").out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("ledger", "at", "yesterday"), 2, "moment"),
        (("ledger", "at", "1999-01-01T00:00:00Z"), 4, "time-before-ledger"),
        (("ledger", "at", "9999-01-01T00:00:00Z"), 2, "time-future"),
        (("ledger", "at", "now", "--projection", "absent"), 2, "projection-unknown"),
        (("ledger", "find"), 2, "search-empty"),
        (("ledger", "find", "--digest", "abc"), 2, "digest"),
        (("ledger", "find", "--since", "soon"), 2, "moment"),
    ],
)
def test_what_cannot_be_answered_is_said(decided, words, code, why):
    """If it failed, a slip of the pen would look like an answer."""
    ran = decided(*words)
    assert ran.code == code
    assert f"why:  {why}" in ran.err
