"""How long records are kept is written down, is never shortened for what was promised, and holds go before it."""

import pytest

from bailiwick.errors import InputRefused, NotFound, RecordRefused, UsageRefused
from bailiwick.ledger.record import decode
from bailiwick.ledger.retention import (
    CLASSES,
    TYPES,
    TYPES_MAX,
    LegalHold,
    Retention,
    Rules,
    fold_rules,
    kept_until,
    read_period,
)
from bailiwick.model import Actor, Draft

ACTOR = Actor(id="operator-1", role="operator")


@pytest.mark.parametrize(
    "text", ["", "P", "P5M", "P180D", "P0Y", "6M", "p6m", "P-1Y", "P101Y", "P1201M", "P6M\n", "PT6M"]
)
def test_a_period_is_years_and_months_from_half_a_year_on(text):
    """Wrong if logs of use could be kept for less than the law's six months, or a typing error were for ever."""
    with pytest.raises(ValueError, match=r"permanent|months"):
        read_period(text)


@pytest.mark.parametrize(
    ("start", "months", "last"),
    [
        ("2025-08-31", 6, "2026-02-28"),
        ("2023-08-31", 6, "2024-02-29"),
        ("2026-01-10", 6, "2026-07-10"),
        ("2024-02-29", 84, "2031-02-28"),
        ("2026-12-01", 6, "2027-06-01"),
    ],
)
def test_months_end_on_the_day_of_the_same_number_or_the_last(start, months, last):
    """Wrong if half a year were 180 days, or the thirty-first of a short month never came."""
    assert kept_until(f"{start}T23:59:59.999999999Z", months) == last


@pytest.mark.parametrize(
    "change",
    [
        {"classes": {**CLASSES, "ledger": "P7Y"}},
        {"classes": {**CLASSES, "access": "P5M"}},
        {"classes": {"access": "P6M"}},
        {"types": {"ledger.checkpoint": "access"}},
        {"types": {"hold": "access"}},
        {"types": {"x": "nothing"}},
        {"types": {"Not a type": "access"}},
        {"types": {f"a{number}": "access" for number in range(TYPES_MAX + 1)}},
    ],
)
def test_a_policy_that_forgets_the_ledger_is_refused(change):
    """Wrong if a policy could delete the records that say what was deleted."""
    with pytest.raises(InputRefused) as refused:
        Retention(**change)
    assert refused.value.code == "retention"


@pytest.mark.parametrize("value", [None, [], {}, {"classes": 1, "format": "bailiwick-retention/1", "types": {}}, "x"])
def test_what_is_no_policy_is_refused(value):
    """Wrong if a file of another kind were written down as a promise."""
    with pytest.raises(InputRefused):
        Retention.from_json(value)


def test_a_policy_is_read_as_it_was_written():
    """Wrong if the statement in a bundle said something else than the record."""
    policy = Retention(types={**TYPES, "sync.pulled": "access"})
    assert Retention.from_json(policy.to_json()) == policy
    assert policy.class_of("sync.pulled") == "access"
    assert policy.class_of("sync.pushed") == "decision"
    assert policy.class_of("ledger.anything") == policy.class_of("retention.set") == "ledger"


def of_access(years):
    """Give a policy that keeps records of access so many years."""
    return Retention(classes={**CLASSES, "access": f"P{years}Y"})


def test_what_was_promised_is_never_shortened():
    """Wrong if a later policy could delete what an earlier one kept."""
    rules = Rules(policies=[(10, of_access(7)), (20, of_access(1)), (30, of_access(3))])
    assert [rules.months("access.read", index) for index in (0, 10, 19, 20, 29, 30, 99)] == [84] * 3 + [36] * 4
    assert rules.months("ledger.checkpoint", 0) is None
    assert Rules().months("access.read", 0) is None


def test_records_say_what_is_kept(ledger):
    """Wrong if policy or holds were anywhere else than in the ledger, where everybody sees them change."""
    ledger.keeping.set_retention(of_access(2), ACTOR)
    ledger.keeping.add_hold(LegalHold(id="h1", reason="case-7", resource="pack/a"), ACTOR)
    ledger.keeping.add_hold(LegalHold(id="h2", reason="case-8", since="2026-01-01T00:00:00.000000000Z"), ACTOR)
    ledger.keeping.release_hold("h1", ACTOR, "case-7-closed")
    rules = fold_rules((record.index, record.raw) for record in ledger.records())
    assert rules.retention == of_access(2)
    assert list(rules.holds) == ["h2"]
    assert [hold.id for hold in ledger.keeping.holds()] == ["h2"]
    stored = decode(ledger.read(2).raw)
    assert (stored.actor_id, stored.event_type, stored.detail["reason"]) == ("operator-1", "hold.set", "case-7")


def test_a_hold_covers_what_is_below_a_resource_and_within_its_time():
    """Wrong if a hold kept too little, or the neighbour of a resource were the resource."""
    hold = LegalHold(id="h", reason="c", resource="pack/a", since="2026-01-01", until="2026-02-01")
    assert hold.covers("pack/a", "2026-01-15")
    assert hold.covers("pack/a/b", "2026-01-15")
    assert hold.covers("pack/a")
    assert not hold.covers("pack/ab", "2026-01-15")
    assert not hold.covers("pack/a", "2026-02-02")
    assert not hold.covers("pack/a", "2025-12-31")


def test_a_hold_says_what_it_covers_and_is_released_once(ledger):
    """Wrong if a slip of the finger held everything, or a release could be forged by repeating it."""
    with pytest.raises(UsageRefused) as empty:
        ledger.keeping.add_hold(LegalHold(id="h1", reason="c"), ACTOR)
    assert empty.value.code == "hold-empty"
    ledger.keeping.add_hold(LegalHold(id="h1", reason="c", resource="a"), ACTOR)
    with pytest.raises(UsageRefused) as taken:
        ledger.keeping.add_hold(LegalHold(id="h1", reason="c", resource="b"), ACTOR)
    assert taken.value.code == "hold-exists"
    with pytest.raises(NotFound) as missing:
        ledger.keeping.release_hold("h9", ACTOR, "c")
    assert missing.value.code == "hold-missing"


def test_a_reason_is_an_opaque_id(ledger):
    """Wrong if a name or an address could be written into a record that is kept for ever."""
    for reason in ("anna.smith@example.org", "she asked for it", ""):
        with pytest.raises(RecordRefused):
            ledger.keeping.add_hold(LegalHold(id="h1", reason=reason, resource="a"), ACTOR)


@pytest.mark.parametrize("event_type", ["hold.set", "hold.released", "retention.set", "ledger.pruned"])
def test_nobody_else_records_what_is_kept(ledger, event_type):
    """Wrong if a room could write a policy or release a hold as if it were any record."""
    with pytest.raises(RecordRefused) as refused:
        ledger.record("local", Draft(event_type=event_type, resource="ledger", detail={}, actor=ACTOR))
    assert refused.value.code == "record-reserved"
