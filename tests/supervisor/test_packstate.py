"""Which law is in use on a day: a fold over records, held against the whole list of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.model import Actor, Record
from bailiwick.supervisor import FleetState, FollowedSource, InstalledPack
from bailiwick.supervisor.packstate import fold_activated, fold_installed, fold_source
from bailiwick.supervisor.state import read_state

SECRET = b"s" * 32
DAYS = [f"2030-01-{day:02}" for day in range(1, 29)]
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def record(index: int, event_type: str, day: str, detail: Mapping[str, Any]) -> Record:
    """Give a record of a day."""
    return Record(
        index=index,
        timestamp=f"{day}T12:00:00.000000000Z",
        event_type=event_type,
        resource="pack/law",
        detail=detail,
        actor=Actor(id="local:test", role="operator"),
        raw=b"",
        node_id="n-1",
        prev_hash="",
    )


def activated(index: int, day: str, version: str, valid_from: str | None) -> Record:
    """Give the record of an activation."""
    return record(index, "pack.activated", day, {"name": "law", "version": version, "digest": A, "from": valid_from})


Acts = list[tuple[str, str | None]]
ACTS = st.lists(st.tuples(st.sampled_from(DAYS), st.none() | st.sampled_from(DAYS)), max_size=12).map(
    lambda acts: sorted(acts, key=lambda act: act[0])
)
"""Activations in the order of their records, each with the day of the record and its first day."""


@given(acts=ACTS, asked=st.sampled_from(DAYS))
def test_the_fold_says_what_the_whole_list_says(acts: Acts, asked: str):
    """Wrong if what is kept of the past told another law than the records do."""
    packs: Mapping[str, InstalledPack] = {}
    for index, (day, valid_from) in enumerate(acts):
        packs = fold_activated(packs, activated(index, day, f"1.0.{index}", valid_from))
    newest = acts[-1][0] if acts else DAYS[0]
    today = max(asked, newest)
    begun = [
        (max(valid_from or day, day), index)
        for index, (day, valid_from) in enumerate(acts)
        if max(valid_from or day, day) <= today
    ]
    expected = f"1.0.{max(begun)[1]}" if begun else None
    found = packs.get("law", InstalledPack()).on(today)
    assert (None if found is None else found.version) == expected


@given(acts=ACTS, asked=st.sampled_from(DAYS))
def test_no_clock_that_goes_back_undoes_what_had_begun(acts: Acts, asked: str):
    """Wrong if a day before the newest activation told an older law than that activation's own day."""
    packs: Mapping[str, InstalledPack] = {}
    for index, (day, valid_from) in enumerate(acts):
        packs = fold_activated(packs, activated(index, day, f"1.0.{index}", valid_from))
    pack = packs.get("law", InstalledPack())
    newest = acts[-1][0] if acts else DAYS[0]
    if asked < newest:
        assert pack.on(asked) == pack.on(newest)


@given(acts=ACTS)
def test_a_state_with_law_comes_back_as_it_was_kept(acts: Acts):
    """Wrong if the next process knew another law than this one."""
    state = FleetState(origin="bailiwick/test")
    installed = {"name": "law", "version": "1.0.0", "digest": B, "modules": [], "key": "k+00000000+x"}
    state = state.fold(record(0, "pack.installed", DAYS[0], {**installed, "supersedes": {"version": "0.9.0"}}))
    for index, (day, valid_from) in enumerate(acts, 1):
        state = state.fold(activated(index, day, f"1.0.{index}", valid_from))
    state = replace(state, sources={"0" * 32: FollowedSource(settings=A, commit="1" * 40, refused="2" * 40)})
    assert read_state(state.to_bytes(SECRET), SECRET) == state


@pytest.mark.parametrize("key", [{}, {"key": None}])
def test_a_pack_that_nobody_vouches_for_is_not_installed(key: dict[str, Any]):
    """Wrong if deciding by a folder, or by what is shipped, installed it."""
    told = record(0, "pack.installed", DAYS[0], {"name": "law", "version": "1.0.0", "digest": A, "modules": [], **key})
    assert fold_installed({}, told) == {}


def source(index: int, state: str, commit: str | None = None, settings: str = A) -> Record:
    """Give a record of what became of a source."""
    detail = {"source": "0" * 32, "settings": settings, "state": state, "commit": commit}
    return record(index, "pack.source-changed", DAYS[0], detail)


def test_a_pin_moves_only_where_a_record_says_that_it_moved():
    """Wrong if a refused commit, other keys or a source that nobody follows moved a pin."""
    folded: Mapping[str, FollowedSource] = {}
    seen = []
    for index, (state, commit, settings) in enumerate(
        [
            ("moved", "1" * 40, A),
            ("followed", None, A),
            ("moved", "1" * 40, A),
            ("refused", "2" * 40, A),
            ("followed", None, B),
            ("moved", "3" * 40, B),
            ("left", None, B),
            ("moved", "4" * 40, B),
        ]
    ):
        folded = fold_source(folded, source(index, state, commit, settings))
        seen.append([(each.settings[7], each.commit and each.commit[0]) for each in folded.values()])
    assert seen == [
        [],
        [("a", None)],
        [("a", "1")],
        [("a", "1")],
        [("b", "1")],
        [("b", "3")],
        [],
        [],
    ]
