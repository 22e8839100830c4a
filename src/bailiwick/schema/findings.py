"""From what the validator found to violations that people read: bounded, in document order, with the nearest branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from bailiwick.errors import Violation
from bailiwick.schema.text import pointer, printable, value_text

MESSAGE_CHARACTERS_MAX = 300
"""Longest message of one violation, in characters."""

MASK = "the value"
"""Stands for the value in messages: the violation shows it beside the message, bounded."""


class Finding(Protocol):
    """One error as the validator reports it."""

    message: str
    instance_path: list[str | int]

    @property
    def kind(self) -> Any:
        """What failed, with the keyword as ``name``."""
        ...


def violations_of(findings: Sequence[Finding], value: Any, count_max: int) -> tuple[list[Violation], int]:
    """Give the first findings in document order, as violations, and how many there are besides.

    The same rule broken in the same words at the same place counts once, however many ways of the schema lead there. At
    one place rules stand in the order of their names, so that the order is the same in every version of the validator.
    """
    order = _Order(value)
    different: dict[tuple[tuple[int, ...], str, str], Finding] = {}
    for finding in findings:
        different.setdefault((order.place(finding.instance_path), finding.kind.name, finding.message), finding)
    ordered = sorted(different.items(), key=lambda item: item[0])
    return [_violation(finding, value) for _, finding in ordered[:count_max]], max(0, len(ordered) - count_max)


def _violation(finding: Finding, value: Any) -> Violation:
    path = finding.instance_path
    message = finding.message + _nearest(finding)
    return Violation(
        path=pointer(path),
        rule=finding.kind.name,
        message=printable(message, MESSAGE_CHARACTERS_MAX),
        value=value_text(_at(value, path)),
    )


def _nearest(finding: Finding) -> str:
    """Say how the branch that came nearest failed, where no branch of anyOf or oneOf held."""
    branches = [branch for branch in getattr(finding.kind, "context", []) if branch]
    if not branches:
        return ""
    # The branch that got deepest into the document is the one that was meant; of those, the one with the fewest faults.
    nearest = min(branches, key=lambda branch: (-max(len(each.instance_path) for each in branch), len(branch)))
    first = nearest[0]
    return f"; nearest: {first.message} (at {pointer(first.instance_path) or 'the top'})"


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """Give what stands at a path of the document."""
    for part in path:
        value = value[part]
    return value


class _Order:
    """Places of a document, comparable: the position of each member within its container."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self._positions: dict[int, dict[str, int]] = {}

    def place(self, path: Sequence[str | int]) -> tuple[int, ...]:
        """Give the positions along a path; a container comes before what it holds."""
        places: list[int] = []
        value = self._value
        for part in path:
            if isinstance(value, dict):
                places.append(self._of(value)[str(part)])
            else:
                places.append(int(part))
            value = value[part]
        return tuple(places)

    def _of(self, container: dict[str, Any]) -> dict[str, int]:
        """Give the position of each key, counted once for each object."""
        known = self._positions.get(id(container))
        if known is None:
            known = self._positions[id(container)] = {key: position for position, key in enumerate(container)}
        return known
