"""Payments: the house's policy, and the version of Regulation E that is in force on a date."""

from __future__ import annotations

import hashlib
import os
import re
import xml.etree.ElementTree as ElementTree
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bailiwick
from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.model import Decision
from bailiwick.packs import Pack, evaluate, load_pack, run_cases

NAME = "payments-release"
PACKS = Path(bailiwick.__file__).parent / "builtin" / "packs"
TEXTS = Path(os.environ.get("BAILIWICK_DATA", "")) / "regE-12cfr1005-versions"
SPACE = "{eregs}"

needs_data = pytest.mark.skipif(
    not os.environ.get("BAILIWICK_DATA"), reason="BAILIWICK_DATA does not name the folder of public data"
)
VERSIONS = {
    "2011-31725": "2011-12-30",
    "2013-06861": "2013-03-26",
    "2013-10604": "2013-10-28",
    "2014-20681": "2014-11-17",
    "2016-24506": "2016-11-14",
}
"""Each version by its document, and its first day."""

CUSTOMER = {
    "identity": "verified",
    "country_risk": "low",
    "politically_exposed": False,
    "adverse_media": False,
    "relationship_days": 800,
    "days_since_review": 30,
}
PAYMENT: dict[str, Any] = {
    "payment_id": "P-1",
    "event": "payment",
    "kind": "transfer",
    "amount_cents": 50_000,
    "sanctions": "clear",
    "sent_today_cents": 0,
    "sent_this_month_cents": 0,
    "kyc": CUSTOMER,
}
REMITTANCE: dict[str, Any] = {
    **PAYMENT,
    "kind": "remittance",
    "transfers_previous_year": 101,
    "transfers_this_year": 0,
    "disclosure_given": True,
    "days_to_availability": 2,
}
ESTIMATED: dict[str, Any] = {
    **REMITTANCE,
    "estimates_used": True,
    "insured_institution": True,
    "from_own_account": True,
    "exact_amounts_unknowable": True,
}


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The pack that ships."""
    return load_pack(NAME, FolderPackSource(PACKS).files(NAME))


def judged(pack: Pack, facts: dict[str, Any], day: str) -> Decision:
    """Judge facts that the schema accepts, by the law of a day."""
    facts = {**facts, "event_date": day}
    pack.check_input(facts)
    return evaluate(pack, facts, day)


def measure(decision: Decision, name: str) -> Any:
    """Give one measure of a decision."""
    return next(each.value for each in decision.measurements if each.id == name)


# --- the pack's own cases ---------------------------------------------------------------------------------------------


def test_every_case_comes_out_as_written(pack: Pack):
    """Wrong if: the pack decided otherwise than its authors wrote down."""
    report = run_cases(pack)
    assert [failure.to_json() for failure in report.failed] == []
    assert report.cases >= 50


def test_every_rule_goes_both_ways(pack: Pack):
    """Wrong if: some rule stood there that no case ever tried."""
    uncovered = [
        name for name in run_cases(pack).uncovered if name.startswith(("measure", "row", "assumption", "effect"))
    ]
    assert uncovered == []


def test_what_is_policy_and_what_is_law_is_told_apart(pack: Pack):
    """Wrong if: a limit of the house looked like law, or a right of the sender like policy."""
    house = {
        each.of or each.id for each in pack.parameters for value in each.values if value.cite.startswith("House policy")
    }
    assert house == {
        "points",
        "review_score_min",
        "day_limit_cents",
        "month_limit_cents",
        "new_customer_days",
        "review_interval_days",
    }


# --- the version in force ---------------------------------------------------------------------------------------------


@given(st.dates(date(2011, 12, 30), date(2040, 1, 1)))
@example(date(2013, 3, 25))
@example(date(2013, 10, 28))
@example(date(2016, 11, 13))
def test_any_date_picks_the_version_in_force(day: date):
    """Wrong if: a day between two versions were judged by the wrong one."""
    wanted = [document for document, first in VERSIONS.items() if first <= day.isoformat()][-1]
    decision = judged(shipped(), PAYMENT, day.isoformat())
    assert measure(decision, "regulation_version") == wanted
    assert decision.impact.outcome == "release"


@cache
def shipped() -> Pack:
    """Load the pack once for generated dates."""
    return load_pack(NAME, FolderPackSource(PACKS).files(NAME))


def test_before_the_first_version_nothing_is_decided(pack: Pack):
    """Wrong if: the first text were applied to days before it."""
    decision = judged(pack, PAYMENT, "2011-12-29")
    assert decision.impact.outcome == "indeterminate"
    assert measure(decision, "regulation_version") is None


@pytest.mark.parametrize(("document", "first"), VERSIONS.items())
def test_the_day_before_each_version_is_the_last_of_the_one_before(pack: Pack, document: str, first: str):
    """Wrong if: a version began a day early or late."""
    before = (date.fromisoformat(first) - timedelta(days=1)).isoformat()
    assert measure(judged(pack, PAYMENT, first), "regulation_version") == document
    assert measure(judged(pack, PAYMENT, before), "regulation_version") != document


def test_after_the_newest_version_each_decision_says_what_it_does_not_know(pack: Pack):
    """Wrong if: a payment of today were judged by a text of 2016 without a word about it."""
    told = {entry.rule for entry in judged(pack, PAYMENT, "2024-05-01").trace if entry.value is True}
    assert "later-text-unknown" in told
    assert "later-text-unknown" not in {
        entry.rule for entry in judged(pack, PAYMENT, "2019-03-31").trace if entry.value is True
    }


# --- the texts themselves ---------------------------------------------------------------------------------------------


@cache
def paragraphs(document: str) -> dict[str, str]:
    """Give the paragraphs of one version by their labels."""
    found: dict[str, str] = {}
    for each in root(document).iter(f"{SPACE}paragraph"):
        content = each.find(f"{SPACE}content")
        label = each.get("label", "")
        if content is not None and label not in found:
            found[label] = re.sub(r"\s+", " ", "".join(content.itertext())).strip()
    return found


@cache
def root(document: str) -> ElementTree.Element:
    """Read one version."""
    return ElementTree.fromstring((TEXTS / f"12cfr1005_{document}.xml").read_bytes())


@needs_data
@pytest.mark.parametrize(("document", "first"), VERSIONS.items())
def test_each_version_is_the_text_that_its_source_names(pack: Pack, document: str, first: str):
    """Wrong if: date or digest of a version were not those of the text."""
    source = next(each for each in pack.sources if each.citation == f"FR Doc. {document}")
    raw = (TEXTS / f"12cfr1005_{document}.xml").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == source.sha256
    preamble = root(document).find(f"{SPACE}preamble")
    assert preamble is not None
    stated = {each.tag.removeprefix(SPACE): (each.text or "") for each in preamble}
    assert (stated["documentNumber"], stated["effectiveDate"]) == (document, first)
    assert (source.valid_from, source.url) == (first, stated["federalRegisterURL"])


@needs_data
def test_a_version_ends_the_day_before_the_next_begins(pack: Pack):
    """Wrong if: two versions were in force on one day, or none."""
    days = {
        each.citation: (each.valid_from, each.valid_to) for each in pack.sources if each.citation.startswith("FR Doc.")
    }
    spans = [days[f"FR Doc. {document}"] for document in VERSIONS]
    for (_, last), (following, _) in pairwise(spans):
        assert date.fromisoformat(str(last)) + timedelta(days=1) == date.fromisoformat(str(following))
    assert spans[-1][1] is None


@needs_data
@pytest.mark.parametrize(
    ("label", "words", "parameter"),
    [
        ("1005-30-e-2-i", "$15 or less", "small_transfer_cents"),
        ("1005-30-f-2-i-A", "100 or fewer", "safe_harbour_transfers"),
        ("1005-34-a", "30 minutes", "cancel_minutes"),
        ("1005-34-b", "three business days", "refund_business_days"),
        ("1005-33-b-1-i", "180 days", "remittance_notice_days"),
        ("1005-33-b-2", "60 days", "remittance_documents_notice_days"),
        ("1005-33-c-1", "within 90 days", "remittance_investigation_days"),
        ("1005-11-b-1-i", "60 days", "account_notice_days"),
        ("1005-11-c-1", "10 business days", "account_business_days.usual"),
        ("1005-11-c-3-i", "20 business days", "account_business_days.new_account"),
        ("1005-11-c-2", "up to 45 days", "account_investigation_days.usual"),
        ("1005-11-c-3-ii", "90 days", "account_investigation_days.extended"),
    ],
)
def test_a_number_is_in_every_version_that_has_its_paragraph(pack: Pack, label: str, words: str, parameter: str):
    """Wrong if: a number of the pack were not that of the text, or had changed in between."""
    having = [document for document in VERSIONS if label in paragraphs(document)]
    assert all(words in paragraphs(document)[label] for document in having)
    declared = next(each for each in pack.parameters if each.id == parameter)
    assert declared.values[0].valid_from == VERSIONS[having[0]]
    assert len(declared.values) == 1
    number = {"three": 3}.get(words.split(maxsplit=1)[0]) or int(re.sub(r"\D", "", words))
    scale = 100 if declared.unit == "cent" else 1
    assert declared.values[0].value == number * scale


@needs_data
def test_the_exception_expires_on_the_day_that_each_version_says(pack: Pack):
    """Wrong if: the day of 2015 or that of 2020 were applied under the other version."""
    assert "July 21, 2015" in paragraphs("2013-10604")["1005-32-a-2"]
    assert "July 21, 2020" in paragraphs("2014-20681")["1005-32-a-2"]
    assert "July 21, 2020" in paragraphs("2016-24506")["1005-32-a-2"]
    expires = next(each for each in pack.parameters if each.id == "temporary_exception_expires")
    assert [(each.valid_from, each.value) for each in expires.values] == [
        (VERSIONS["2013-10604"], "2015-07-21"),
        (VERSIONS["2014-20681"], "2020-07-21"),
    ]


@needs_data
def test_subpart_b_and_the_sign_come_and_go_with_their_versions():
    """Wrong if: subpart B were applied before it was there, or the sign asked for after it was gone."""
    assert [document for document in VERSIONS if "1005-30-a" in paragraphs(document)] == list(VERSIONS)[2:]
    assert [
        document for document in VERSIONS if "Post in a prominent" in paragraphs(document).get("1005-16-c-1", "")
    ] == ["2011-31725"]


@needs_data
def test_the_notices_name_the_same_days():
    """Wrong if: a version's first day were not that of the notice that made it."""
    for document in ("2013-06861", "2014-20681", "2016-24506"):
        stated = ElementTree.fromstring((TEXTS / f"notice_{document}.xml").read_bytes()).iter(f"{SPACE}effectiveDate")
        assert [each.text for each in stated][:1] == [VERSIONS[document]]


# --- what the law changes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "outcome"),
    [("2014-11-16", "release"), ("2015-07-21", "release"), ("2020-07-20", "release"), ("2020-07-21", "manual-review")],
)
def test_estimates_are_allowed_until_the_exception_of_the_day_expires(pack: Pack, day: str, outcome: str):
    """Wrong if: an insured institution estimated a day too long, or lost the exception when the law extended it."""
    assert judged(pack, ESTIMATED, day).impact.outcome == outcome


@pytest.mark.parametrize(("minutes", "outcome"), [(0, "cancel-and-refund"), (30, "cancel-and-refund"), (31, "no-duty")])
def test_thirty_minutes_are_thirty_minutes(pack: Pack, minutes: int, outcome: str):
    """Wrong if: a request in the last minute were turned away, or one after it honoured as a duty."""
    asked = {
        **REMITTANCE,
        "event": "cancellation-request",
        "cancellation": {"minutes_after_payment": minutes, "identifies_transfer": True, "picked_up": False},
    }
    assert judged(pack, asked, "2016-01-04").impact.outcome == outcome


def test_the_duties_after_release_have_their_moments(pack: Pack):
    """Wrong if: a sender were told of a right without the time in which it can be used."""
    facts = {**REMITTANCE, "event_date": "2016-01-04", "known_at": "2016-01-04T12:00:00Z"}
    due = {
        each.id: each.due_at
        for each in evaluate(pack, facts, "2016-01-04", known_at="2016-01-04T12:00:00Z").impact.obligations
    }
    assert due == {
        "honour-cancellation": "2016-01-04T12:30:00.000000000Z",
        "accept-error-notices": "2016-07-04T12:00:00.000000000Z",
    }


# --- effects ----------------------------------------------------------------------------------------------------------


def test_a_review_of_the_house_may_be_approved_and_releases_the_same_payment_once(pack: Pack):
    """Wrong if: a payment could go out by review and by itself, or an approval never ran out."""
    direct = judged(pack, PAYMENT, "2016-01-04").effects
    reviewed = judged(pack, {**PAYMENT, "sent_today_cents": 2_000_000}, "2016-01-04").effects
    assert [(each.type, each.key) for each in direct] == [("release-payment", "P-1")]
    assert [(each.type, each.key) for each in reviewed] == [
        ("release-payment", "P-1"),
        ("open-review-case", "P-1/payment"),
    ]
    approvals = {each.id: each.approval.within_minutes if each.approval else None for each in pack.effects}
    assert approvals == {
        "release-payment": None,
        "release-after-review": 2880,
        "open-review-case": None,
        "refund-payment": None,
    }


@pytest.mark.parametrize(
    "facts",
    [
        {**PAYMENT, "sanctions": "hit"},
        {**PAYMENT, "sanctions": "possible-hit"},
        {**PAYMENT, "kyc": {**CUSTOMER, "identity": "failed"}},
        {**REMITTANCE, "disclosure_given": False},
        {**ESTIMATED, "insured_institution": False},
    ],
)
def test_what_must_not_go_out_cannot_be_approved(pack: Pack, facts: dict[str, Any]):
    """Wrong if: a person's approval could release what law or screening stops."""
    decision = judged(pack, facts, "2016-01-04")
    assert decision.impact.outcome in {"block", "manual-review"}
    assert [each.type for each in decision.effects] == ["open-review-case"]


@given(
    sanctions=st.sampled_from(["clear", "possible-hit", "hit"]),
    today=st.integers(0, 2_000_000),
    month=st.integers(0, 5_000_000),
    points=st.fixed_dictionaries(
        {
            "identity": st.sampled_from(["verified", "documents-only", "failed"]),
            "country_risk": st.sampled_from(["low", "medium", "high"]),
            "politically_exposed": st.booleans(),
            "adverse_media": st.booleans(),
            "relationship_days": st.integers(0, 1000),
            "days_since_review": st.integers(0, 1000),
        }
    ),
)
def test_the_house_decides_as_a_plain_program_would(sanctions: str, today: int, month: int, points: dict[str, Any]):
    """Wrong if: the score, a limit or the order of the rules were not what the README says."""
    score = (
        {"low": 0, "medium": 15, "high": 40}[points["country_risk"]]
        + 25 * points["politically_exposed"]
        + 30 * points["adverse_media"]
        + 15 * (points["identity"] == "documents-only")
        + 15 * (points["relationship_days"] < 90)
        + 10 * (points["days_since_review"] > 365)
    )
    facts = {
        **PAYMENT,
        "sanctions": sanctions,
        "sent_today_cents": today,
        "sent_this_month_cents": month,
        "kyc": points,
    }
    decision = judged(shipped(), facts, "2016-01-04")
    assert measure(decision, "risk_score") == score
    over = today + 50_000 > 1_000_000 or month + 50_000 > 2_500_000
    if sanctions == "hit" or points["identity"] == "failed":
        wanted = "block"
    else:
        wanted = "manual-review" if sanctions == "possible-hit" or score >= 50 or over else "release"
    assert decision.impact.outcome == wanted
