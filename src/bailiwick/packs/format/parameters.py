"""Law in time: what each parameter is by the law of one day."""

from __future__ import annotations

from bisect import bisect_right

from bailiwick.packs.format.pack import DatedValue, Parameter


def in_force(parameter: Parameter, legal_date: str) -> DatedValue | None:
    """Give the value of a parameter by the law of a day; None before its first date.

    Args:
        parameter: Its values ascend by date.
        legal_date: ``YYYY-MM-DD``; such texts sort as the days do. The first day of a value belongs to it.
    """
    position = bisect_right(parameter.values, legal_date, key=_valid_from)
    return parameter.values[position - 1] if position else None


def not_yet(parameter: Parameter, legal_date: str) -> str:
    """Say that the law had no such parameter yet, as the cause of an answer that cannot be given."""
    return f"law-not-yet: p.{parameter.id} begins {parameter.values[0].valid_from}, the legal date is {legal_date}"


def _valid_from(value: DatedValue) -> str:
    return value.valid_from
