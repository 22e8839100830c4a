"""The calendar of rules: every function against the calendar of the standard library, and at its edges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.packs.language.calendar import (
    CALENDAR,
    NoDate,
    add_days,
    add_months,
    date_of,
    days,
    days_between,
    years_between,
)
from bailiwick.packs.language.dates import is_date
from bailiwick.packs.language.expressions import Language
from bailiwick.packs.language.syntax import SyntaxFault

DATES = st.dates().map(date.isoformat)
FIRST, LAST = "0001-01-01", "9999-12-31"


@given(DATES)
def test_a_day_and_its_number_are_the_same_day(day: str):
    """A period would begin on another day than it was counted from."""
    assert date_of(days(day)) == day
    assert days(day) == (date.fromisoformat(day) - date(1970, 1, 1)).days


@given(st.integers(-719_162, 2_932_896))
def test_a_number_and_its_day_are_the_same_number(number: int):
    """Two numbers would name one day."""
    assert days(date_of(number)) == number


@given(DATES, st.integers(-800, 800))
def test_days_are_added_and_taken_off_again(day: str, count: int):
    """A waiting period would end on a day from which counting back misses its start."""
    target = date.fromisoformat(day).toordinal() + count
    if not 1 <= target <= date.max.toordinal():
        with pytest.raises(NoDate):
            add_days(day, count)
        return
    later = add_days(day, count)
    assert (add_days(later, -count), days_between(day, later)) == (day, count)


@given(DATES, DATES)
def test_what_lies_between_two_days_is_the_same_both_ways(first: str, second: str):
    """Who asks from the other end would get another answer."""
    assert days_between(first, second) == -days_between(second, first)
    assert years_between(first, second) == -years_between(second, first)
    assert add_days(first, days_between(first, second)) == second


@given(DATES, DATES)
def test_completed_years_are_those_whose_day_has_come(first: str, second: str):
    """Somebody would be a year too young or too old."""
    first, second = sorted((first, second))
    years = years_between(first, second)
    assert years >= 0
    assert add_months(first, 12 * years, "up") <= second
    if date.fromisoformat(first).year + years + 1 <= 9999:
        assert add_months(first, 12 * (years + 1), "up") > second


@given(DATES, st.integers(-2400, 2400))
def test_months_keep_the_day_or_round_it_as_stated(day: str, count: int):
    """A month would end on a day that does not exist, or be rounded by habit."""
    start = date.fromisoformat(day)
    total = start.year * 12 + start.month - 1 + count
    if not 12 <= total < 120_000:
        for rounding in ("down", "up", "refuse"):
            with pytest.raises(NoDate):
                add_months(day, count, rounding)
        return
    down, up = add_months(day, count, "down"), add_months(day, count, "up")
    landed = date.fromisoformat(down)
    assert landed.year * 12 + landed.month - 1 == total
    if landed.day == start.day:
        assert up == down == add_months(day, count, "refuse")
    else:
        assert date.fromisoformat(up) == landed + timedelta(days=1)
        assert up.endswith("-01")
        with pytest.raises(NoDate):
            add_months(day, count, "refuse")


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True) | DATES)
def test_every_text_is_a_date_here_and_in_the_law_or_in_neither(text: str):
    """A rule would reckon with a day by which nothing can be judged."""
    try:
        days(text)
    except NoDate:
        assert not is_date(text)
    else:
        assert is_date(text)


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "1900-02-29", "2025-13-01", "20250101", "2025-W01-1", "2025-001", "0000-12-31", "", "2025-1-1"],
)
def test_days_that_do_not_exist_have_no_number(text: str):
    """A typing error would become the nearest day."""
    for name, function in CALENDAR.items():
        if function.takes[0] == "string":
            values: list[Any] = [text if kind == "string" else 1 for kind in function.takes]
            if name == "add_months":
                values[2] = "down"
            with pytest.raises(NoDate):
                function.call(*values)


VECTORS: list[tuple[str, Any]] = [
    ("days('1970-01-01')", 0),
    ("days('0001-01-01')", -719162),
    ("days('9999-12-31')", 2932896),
    ("date_of(0)", "1970-01-01"),
    ("date_of(-719162)", FIRST),
    ("date_of(2932896)", LAST),
    ("date_of(-719163)", None),
    ("date_of(2932897)", None),
    ("add_days('2025-02-21', 120)", "2025-06-21"),
    ("add_days('2024-12-31', 1)", "2025-01-01"),
    ("add_days('9999-12-31', 1)", None),
    ("add_days('0001-01-01', -1)", None),
    ("add_days('2025-01-01', 9007199254740991)", None),
    ("add_months('2024-01-31', 1, 'down')", "2024-02-29"),
    ("add_months('2024-01-31', 1, 'up')", "2024-03-01"),
    ("add_months('2024-01-31', 1, 'refuse')", None),
    ("add_months('2024-02-29', 12, 'down')", "2025-02-28"),
    ("add_months('2024-02-29', -48, 'refuse')", "2020-02-29"),
    ("add_months('2025-12-15', 1, 'refuse')", "2026-01-15"),
    ("add_months('2025-01-15', -1, 'refuse')", "2024-12-15"),
    ("add_months('9999-12-31', 1, 'up')", None),
    ("add_months('0001-01-31', -1, 'down')", None),
    ("add_months('9999-10-31', 1, 'up')", "9999-12-01"),
    ("days_between('2024-02-28', '2024-03-01')", 2),
    ("days_between('2023-02-28', '2023-03-01')", 1),
    ("years_between('2008-02-29', '2025-02-28')", 16),
    ("years_between('2008-02-29', '2025-03-01')", 17),
    ("years_between('2025-03-01', '2008-02-29')", -17),
    ("years_between('0001-01-01', '9999-12-31')", 9998),
    ("year('2025-10-01')", 2025),
    ("month('2025-10-01')", 10),
    ("day_of_month('2025-10-01')", 1),
    ("weekday('2025-10-06')", 1),
    ("weekday('2025-10-05')", 7),
    ("weekday('0001-01-01')", 1),
    ("days('2025-02-30')", None),
]


@pytest.fixture(scope="module")
def language() -> Language:
    """Give a language with a fact of each type that the calendar takes."""
    return Language({"in.day": "string", "in.n": "integer"})


@pytest.mark.parametrize(("text", "value"), VECTORS)
def test_the_engine_reckons_as_the_calendar_does(language: Language, text: str, value: Any):
    """A rule would mean another day than its text says."""
    if value is None:
        with pytest.raises(SyntaxFault) as caught:
            language.compile(text, None)
        assert caught.value.rule == "constant"
    else:
        assert language.compile(text, None).constant == (value, ())


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("days(in.day) > 0", "no-date: days(in.day) > 0"),
        ("in.n == 1 && weekday(in.day) > 5", "no-date: weekday(in.day) > 5"),
        ("add_days('2025-01-01', in.n) > in.day", None),
        ("in.n == 2 && weekday(in.day) > 5", None),
    ],
)
def test_a_date_that_does_not_exist_is_a_cause_and_never_false(language: Language, text: str, cause: str | None):
    """A person with a mistyped birthday would count as of no age."""
    scope = language.scope({"i_.day": "2025-02-30", "i_.n": 1})
    value, causes = language.compile(text, "boolean").answer(scope, {})
    assert causes == (() if cause is None else (cause,))
    assert (value is None) == (cause is not None)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("add_months(in.day, 1)", "rounding"),
        ("add_months(in.day, 1, in.day)", "rounding"),
        ("add_months(in.day, 1, 'nearest')", "rounding"),
        ("add_months(in.day, 1, 'down' + 'up')", "rounding"),
        ("in.day.days()", "function"),
        ("days(in.n)", "compile"),
        ("now()", "function"),
        ("today()", "function"),
    ],
)
def test_how_a_month_is_rounded_is_written_out(language: Language, text: str, rule: str):
    """A pack could leave open what becomes of the thirty-first, or let a fact say it."""
    with pytest.raises(SyntaxFault) as caught:
        language.compile(text, None)
    assert caught.value.rule == rule


def test_packs_of_the_first_format_have_no_calendar():
    """A pack would be read otherwise by the kernel that wrote its evidence."""
    with pytest.raises(SyntaxFault) as caught:
        Language({"in.day": "string"}, has_calendar=False).compile("days(in.day)", "integer")
    assert caught.value.rule == "function"
    assert "weekday" not in str(caught.value)


def test_a_pack_of_the_second_format_reckons_with_dates(build: Callable[..., Any], parsed: Callable[[str], Any]):
    """The calendar would be specified and out of reach."""
    from bailiwick.packs import evaluate

    manifest = parsed("pack.yaml") | {"format": "bailiwick-pack/2"}
    measures = parsed("rules/measures.yaml")
    measures["measures"].append(
        {"id": "week_day", "type": "integer", "expr": "weekday(add_days(in.day, 1))", "cite": "ACT 1(2)"}
    )
    pack = build({"pack.yaml": manifest, "rules/measures.yaml": measures})
    for day, value, cause in (("2025-10-04", 7, None), ("2025-02-29", None, "no-date: weekday(add_days(in.day, 1))")):
        found = next(each for each in evaluate(pack, {"day": day}, "2022-01-01").measurements if each.id == "week_day")
        assert (found.value, found.cause) == (value, cause)
