"""Which versions of bailiwick may decide by a pack: a few comparisons, all of which must hold."""

from __future__ import annotations

import re
from operator import eq, ge, gt, le, lt

_COMPARISON = re.compile(r"(==|>=|<=|>|<)([0-9]+)\.([0-9]+)\.([0-9]+)\Z")
_NUMBERS = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
_OPERATORS = {"==": eq, ">=": ge, "<=": le, ">": gt, "<": lt}


def is_in_range(version: str, span: str) -> bool:
    """Say whether a version lies in a span such as ``>=0.1.0, <1.0.0``.

    Only the three numbers of the version count: ``0.2.0.dev1`` is taken as ``0.2.0``. A span that is none holds for no
    version.

    >>> is_in_range("0.10.0", ">=0.9.0, <1.0.0"), is_in_range("1.0.0", "<1.0.0")
    (True, False)
    """
    numbers = _NUMBERS.match(version)
    return numbers is not None and all(_holds(_triple(numbers, 1), part.strip()) for part in span.split(","))


def _holds(version: tuple[int, ...], comparison: str) -> bool:
    found = _COMPARISON.match(comparison)
    return found is not None and bool(_OPERATORS[found[1]](version, _triple(found, 2)))


def _triple(found: re.Match[str], first: int) -> tuple[int, ...]:
    return tuple(int(found[group]) for group in range(first, first + 3))
