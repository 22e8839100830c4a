"""The shipped accrual module against a second reckoning in Python, over payrolls that hypothesis thinks up."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.authoring import run_cases
from bailiwick.engine import Engine, Refusal, read_answer
from bailiwick.model import Tier

FOLDER = Path(__file__).parents[2] / "src" / "bailiwick" / "builtin" / "modules" / "esta-accrual"
BUDGET = Tier.LIGHTWEIGHT.budget


@pytest.fixture(scope="module")
def engine():
    with Engine() as started:
        yield started


@pytest.fixture(scope="module")
def call(engine):
    guest = engine.load((FOLDER / "esta-accrual.wasm").read_bytes())

    def answer(value):
        return read_answer(engine.run(guest, "accrue", json.dumps(value).encode(), BUDGET).output)

    return answer


def year_start(day, month, month_day):
    """Give the first day of the benefit year that a day is in."""
    start = date(day.year, month, month_day)
    return start if start <= day else date(day.year - 1, month, month_day)


class Reckoning:
    """The same rules, written down a second time, in another way."""

    def __init__(self, value):
        self.policy = value["policy"]
        self.hired = date.fromisoformat(value["employment"]["hired"])
        self.accrual_from = date.fromisoformat(value["employment"]["accrual_from"])
        self.month, self.day = map(int, self.policy["year_starts"].split("-"))
        self.balance = self.remainder = 0
        self.years = []
        self.findings = []

    def run(self, periods):
        for index, period in enumerate(periods):
            self.reach(date.fromisoformat(period["from"]))
            self.live(index, period)
        last = date.fromisoformat(periods[-1]["to"]) if periods else date(1799, 12, 31)
        first = self.hired + timedelta(days=self.policy["waiting_days"])
        left = self.policy["use_cap_minutes"] - (self.years[-1]["used_minutes"] if self.years else 0)
        usable = max(0, min(self.balance, left)) if last + timedelta(days=1) >= first else 0
        return {
            "findings": self.findings,
            "years": self.years,
            "usable_from": first.isoformat(),
            "balance_minutes": self.balance,
            "usable_minutes": usable,
            "remainder_worked_minutes": self.remainder,
        }

    def reach(self, day):
        wanted = year_start(day, self.month, self.day)
        start = date.fromisoformat(self.years[-1]["starts"]) if self.years else None
        while start != wanted:
            start = wanted if start is None else date(start.year + 1, self.month, self.day)
            frontload = self.policy["method"] == "frontload"
            carried = 0 if frontload else min(self.balance, self.policy["carryover_cap_minutes"])
            if self.years:
                self.years[-1]["forfeited_minutes"] = self.balance - carried
            granted = self.policy["frontload_minutes"] if frontload else 0
            self.years.append(
                {
                    "starts": start.isoformat(),
                    "carried_minutes": carried,
                    "granted_minutes": granted,
                    "accrued_minutes": 0,
                    "used_minutes": 0,
                    "forfeited_minutes": 0,
                }
            )
            self.balance = carried + granted

    def live(self, index, period):
        year = self.years[-1]
        accrued = 0
        if self.policy["method"] == "accrual" and date.fromisoformat(period["to"]) >= self.accrual_from:
            unit = self.policy["worked_minutes_per_accrued_minute"] * self.policy["step_minutes"]
            steps, self.remainder = divmod(self.remainder + period["worked_minutes"], unit)
            accrued = steps * self.policy["step_minutes"]
            left = self.policy.get("accrual_cap_minutes", float("inf")) - year["accrued_minutes"]
            if accrued >= left:
                accrued, self.remainder = left, 0
        year["accrued_minutes"] += accrued
        early = self.policy["credited"] == "within-period"
        self.balance += accrued if early else 0
        for use in period["used"]:
            self.use(index, use, year)
        self.balance += 0 if early else accrued

    def use(self, index, use, year):
        minutes = use["minutes"]
        found = {"period": index, "on": use["on"]}
        if (date.fromisoformat(use["on"]) - self.hired).days < self.policy["waiting_days"]:
            self.findings.append({"code": "use-in-waiting-period", **found, "minutes": minutes})
        if minutes > self.balance:
            self.findings.append({"code": "use-beyond-balance", **found, "minutes": minutes - self.balance})
        year["used_minutes"] += minutes
        over = min(year["used_minutes"] - self.policy["use_cap_minutes"], minutes)
        if over > 0:
            self.findings.append({"code": "use-beyond-cap", **found, "minutes": over})
        self.balance = max(0, self.balance - minutes)


@st.composite
def payrolls(draw):
    """Think up a policy and periods that respect the rules of order, through several years and leap days."""
    minutes = st.integers(0, 6_000)
    policy = {
        "method": draw(st.sampled_from(["accrual", "accrual", "frontload"])),
        "worked_minutes_per_accrued_minute": draw(st.integers(1, 60)),
        "use_cap_minutes": draw(minutes),
        "carryover_cap_minutes": draw(minutes),
        "frontload_minutes": draw(minutes),
        "waiting_days": draw(st.integers(0, 200)),
        "step_minutes": draw(st.sampled_from([1, 15, 60])),
        "credited": draw(st.sampled_from(["within-period", "at-period-end"])),
        "year_starts": draw(st.sampled_from(["01-01", "07-01", "02-28", "12-31", "03-01"])),
    }
    if draw(st.booleans()):
        policy["accrual_cap_minutes"] = draw(minutes)
    hired = draw(st.dates(date(1999, 1, 1), date(2030, 1, 1)))
    accrual_from = hired + timedelta(days=draw(st.integers(0, 400)))
    month, month_day = map(int, policy["year_starts"].split("-"))
    periods = []
    day = hired
    for _ in range(draw(st.integers(0, 12))):
        day += timedelta(days=draw(st.sampled_from([0, 0, 0, 1, 40, 700])))
        following = date(year_start(day, month, month_day).year + 1, month, month_day)
        last = min(day + timedelta(days=draw(st.integers(0, 40))), following - timedelta(days=1))
        if day < accrual_from <= last:
            last = accrual_from - timedelta(days=1)
        length = (last - day).days + 1
        days = sorted(draw(st.lists(st.integers(0, length - 1), max_size=3)))
        uses = [{"on": (day + timedelta(days=each)).isoformat(), "minutes": draw(st.integers(1, 600))} for each in days]
        worked = draw(st.integers(0, length * 1440))
        periods.append({"from": day.isoformat(), "to": last.isoformat(), "worked_minutes": worked, "used": uses})
        day = last + timedelta(days=1)
    employment = {"hired": hired.isoformat(), "accrual_from": accrual_from.isoformat()}
    return {"policy": policy, "employment": employment, "periods": periods}


def test_its_own_cases_pass(engine):
    """Wrong if a worked case of the law comes out otherwise."""
    manifest = json.loads((FOLDER / "module.json").read_text())
    guest = engine.load((FOLDER / "esta-accrual.wasm").read_bytes())
    report = run_cases(manifest, (FOLDER / "cases.json").read_bytes(), guest, engine, BUDGET)
    assert report.failed == ()
    assert report.untried == ()
    assert report.cases >= 25


@settings(max_examples=300, deadline=None)
@given(value=payrolls())
def test_two_reckonings_agree_on_any_payroll(call, value):
    """Wrong if the module or the reckoning loses a minute somewhere."""
    assert call(value) == Reckoning(value).run(value["periods"])


@settings(max_examples=100, deadline=None)
@given(value=payrolls())
def test_no_minute_is_lost_or_made(call, value):
    """Wrong if worked minutes and accrued ones do not balance, or a year does not hand on what it has."""
    done = call(value)
    policy = value["policy"]
    if policy["method"] == "accrual":
        start = value["employment"]["accrual_from"]
        worked = sum(each["worked_minutes"] for each in value["periods"] if each["to"] >= start)
        accrued = sum(year["accrued_minutes"] for year in done["years"])
        spent = accrued * policy["worked_minutes_per_accrued_minute"] + done["remainder_worked_minutes"]
        assert spent == worked if "accrual_cap_minutes" not in policy else spent <= worked
    for year in done["years"]:
        assert year["accrued_minutes"] <= policy.get("accrual_cap_minutes", year["accrued_minutes"])
        assert year["carried_minutes"] <= policy["carryover_cap_minutes"]
    assert done["usable_minutes"] <= min(done["balance_minutes"], policy["use_cap_minutes"])


@settings(max_examples=100, deadline=None)
@given(value=payrolls(), more=st.integers(1, 500))
def test_working_more_never_gives_less(call, value, more):
    """Wrong if the arithmetic is not monotone."""
    if not value["periods"] or value["periods"][-1]["used"]:
        return
    last = value["periods"][-1]
    days = (date.fromisoformat(last["to"]) - date.fromisoformat(last["from"])).days + 1
    before = call(value)["balance_minutes"]
    last["worked_minutes"] = min(days * 1440, last["worked_minutes"] + more)
    assert call(value)["balance_minutes"] >= before


def good():
    """Give a small payroll that is in order."""
    return {
        "policy": {
            "method": "accrual",
            "worked_minutes_per_accrued_minute": 30,
            "use_cap_minutes": 4320,
            "carryover_cap_minutes": 4320,
            "frontload_minutes": 0,
            "waiting_days": 0,
            "step_minutes": 1,
            "credited": "within-period",
            "year_starts": "01-01",
        },
        "employment": {"hired": "2026-01-01", "accrual_from": "2026-01-01"},
        "periods": [{"from": "2026-01-01", "to": "2026-01-31", "worked_minutes": 9600, "used": []}],
    }


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("policy", "method"), "both", "method"),
        (("policy", "worked_minutes_per_accrued_minute"), 0, "minutes"),
        (("policy", "use_cap_minutes"), -1, "minutes"),
        (("policy", "use_cap_minutes"), 10_000_001, "minutes"),
        (("policy", "use_cap_minutes"), 10**30, "minutes"),
        (("policy", "use_cap_minutes"), "4320", "minutes"),
        (("policy", "credited"), "never", "credited"),
        (("policy", "year_starts"), "13-01", "date"),
        (("policy", "year_starts"), "1-1", "date"),
        (("employment", "hired"), "2026-02-29", "date"),
        (("employment", "hired"), "2026-2-1", "date"),
        (("employment", "hired"), 202602010000, "date"),
        (("employment", "hired"), None, "date"),
        (("periods",), {}, "periods"),
        (("periods",), [7], "date"),
        (("periods", 0, "used"), None, "used"),
        (("periods", 0, "used"), [[]], "date"),
        (("periods", 0, "to"), "2025-12-31", "period-order"),
    ],
)
def test_input_that_no_schema_checked_is_still_refused(call, path, value, code):
    """Wrong if the guest, called without the host's check, reads what is not there."""
    given_value = good()
    place = given_value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    answer = call(given_value)
    assert isinstance(answer, Refusal)
    assert answer.code == code


def test_more_than_its_limits_is_refused(call):
    """Wrong if six hundred and one periods, or a century of years, overran its memory."""
    long = good()
    start = date(2026, 1, 1)
    long["periods"] = [
        {
            "from": (start + timedelta(days=each)).isoformat(),
            "to": (start + timedelta(days=each)).isoformat(),
            "worked_minutes": 0,
            "used": [],
        }
        for each in range(365)
    ]
    assert call(long)["balance_minutes"] == 0
    far = good()
    far["periods"].append({"from": "2126-01-01", "to": "2126-01-31", "worked_minutes": 0, "used": []})
    assert call(far).code == "years"
    many = good()
    many["periods"] = [
        {"from": f"20{26 + each}-01-01", "to": f"20{26 + each}-01-01", "worked_minutes": 0, "used": []}
        for each in range(60)
    ] * 11
    assert call(many).code in ("period-order", "periods")
