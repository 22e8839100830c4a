"""Which text of a script an input meets: always the same, for the share of inputs that was stated."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bailiwick.engine.script import RUNNERS_MAX, Runners, Script, Variant, variant_of

BOLD = Variant(name="bold", text="b", percent=20)
MILD = Variant(name="mild", text="m", percent=30)
NORTH = Variant(name="north", text="n", percent=50, path="/place/0", values=("north", 7, True))


def chosen(script, value):
    """Name the variant that a value meets."""
    found = script.chosen(json.dumps(value).encode())
    return None if found is None else found.name


def test_variants_get_the_share_of_inputs_that_is_theirs():
    """Wrong if a fifth of all calls is not about a fifth."""
    script = Script("own", None, (BOLD, MILD))
    counts = Counter(chosen(script, {"id": number}) for number in range(10_000))
    shares = {name: count / 10_000 for name, count in counts.items()}
    expected = {"bold": 0.2, "mild": 0.3, None: 0.5}
    assert all(abs(shares[name] - share) < 0.02 for name, share in expected.items())


def test_all_of_a_hundred_leave_nothing_to_the_text_itself():
    """Wrong if the last share ends one too early."""
    both = (Variant(name="one", text="1", percent=99), Variant(name="two", text="2", percent=1))
    assert {chosen(Script("own", None, both), number) for number in range(3_000)} == {"one", "two"}


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53), max_size=5))
def test_two_writings_of_one_input_meet_the_same_text(value):
    """Wrong if spaces or the order of members decide, which replay does not keep."""
    script = Script("own", None, (BOLD, MILD))
    turned = dict(reversed(value.items()))
    assert script.chosen(json.dumps(value).encode()) == script.chosen(json.dumps(turned, indent=2).encode())


def test_a_variant_with_a_condition_is_met_by_those_inputs_alone():
    """Wrong if a trial for the north runs in the south, or true counts as one."""
    script = Script("own", None, (NORTH,))
    for place, may in ((["north"], True), ([7], True), ([True], True), ([1], False), (["south"], False), ([], False)):
        met = {chosen(script, {"place": place, "id": number}) for number in range(200)}
        assert met == ({"north", None} if may else {None}), place
    assert {chosen(script, value) for value in (None, 7, "north", {"place": "north"}, {"place": {"0": 1}})} == {None}


def test_who_does_not_reach_a_variant_leaves_its_share_to_the_next():
    """Wrong if the share of a variant depends on what stands before it and is for others."""
    script = Script("own", None, (NORTH, Variant(name="rest", text="r", percent=50)))
    south = Counter(chosen(script, {"place": ["south"], "id": number}) for number in range(4_000))
    assert abs(south["rest"] / 4_000 - 0.5) < 0.04


def test_fractions_are_compared_as_they_were_written():
    """Wrong if an input with a fraction of many digits is rounded on the way to its text."""
    script = Script("own", None, (BOLD,))
    texts = [b"0.1%020d" % number for number in range(500)]
    assert {script.chosen(text) for text in texts} == {BOLD, None}


def test_what_is_no_script_has_no_variants():
    """Wrong if a compiled module is taken for a script."""
    assert variant_of(object(), b"{}") is None
    assert variant_of(type("Guest", (), {"code": Script("own", None)}), b"{}") is None


def test_an_engine_of_scripts_is_loaded_once_for_all_and_few_are_kept():
    """Wrong if each script compiles its engine anew, or engines pile up."""
    runners, loaded = Runners(), []

    def load(name):
        return lambda: loaded.append(name) or name

    assert [runners.get(b"one", load("one")) for _ in range(3)] == ["one"] * 3
    assert loaded == ["one"]
    for number in range(RUNNERS_MAX):
        runners.get(b"%d" % number, load(number))
    runners.get(b"one", load("one"))
    assert loaded == ["one", *range(RUNNERS_MAX), "one"]
