"""Which versions of bailiwick may decide by a pack: a few comparisons, all of which must hold."""

from __future__ import annotations

import re
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING

from bailiwick import __version__
from bailiwick.errors import PackRefused, Violation

if TYPE_CHECKING:
    from bailiwick.packs.format.pack import Pack

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


def check_kernel(pack: Pack) -> None:
    """Refuse to decide anew by a pack that was written for other versions of bailiwick; replay goes on.

    Raises:
        PackRefused: this version is not in its range (code ``pack-kernel``).
    """
    if pack.kernel is not None and not is_in_range(__version__, pack.kernel):
        message = told_kernel(pack.kernel)
        raise PackRefused(
            f"pack {pack.name} {pack.version} decides nothing here: {message}",
            hint="use a version of the pack that was written for this one; what was decided by it can be replayed",
            violations=[Violation(path="pack.yaml#/kernel", rule="kernel", message=message, value=pack.kernel)],
            code="pack-kernel",
        )


def told_kernel(span: str) -> str:
    """Say that a pack is for other versions."""
    return f"the pack is for bailiwick {span}, and this is {__version__}"


def _holds(version: tuple[int, ...], comparison: str) -> bool:
    found = _COMPARISON.match(comparison)
    return found is not None and bool(_OPERATORS[found[1]](version, _triple(found, 2)))


def _triple(found: re.Match[str], first: int) -> tuple[int, ...]:
    return tuple(int(found[group]) for group in range(first, first + 3))
