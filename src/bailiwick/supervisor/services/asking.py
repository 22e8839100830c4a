"""Reading what a guest asks with: it comes from anybody, so every member is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.engine import HostRefused
from bailiwick.errors import UsageRefused
from bailiwick.model import JsonValue

UNREADABLE = "unreadable"
"""Code of the answer to a question that does not have the form of its interface."""


def member(input: JsonValue, name: str, kind: type) -> Any:  # noqa: A002 the ABI's own word
    """Give one argument of a question.

    Raises:
        HostRefused: it is missing or of another kind (code ``unreadable``).
    """
    if not isinstance(input, dict) or type(input.get(name)) is not kind:
        raise HostRefused(UNREADABLE, f"{name} has to be given, as {_WORDS[kind]}")
    return input[name]


def no_arguments(input: JsonValue) -> None:  # noqa: A002 the ABI's own word
    """Refuse arguments where there are none to give.

    Raises:
        HostRefused: there are some (code ``unreadable``).
    """
    if input not in (None, {}):
        raise HostRefused(UNREADABLE, "this function takes nothing")


def check_members(scope: JsonValue, allowed: Mapping[str, str], interface: str) -> Mapping[str, Any]:
    """Give a scope back if it is an object with no other members than those allowed.

    Raises:
        UsageRefused: it is not (code ``grant-scope``).
    """
    if not isinstance(scope, dict) or scope.keys() - allowed.keys():
        able = "; ".join(f"{name}: {what}" for name, what in allowed.items()) or "nothing, {}"
        raise scope_refused(interface, f"it can hold {able}")
    return scope


def names(scope: Mapping[str, Any], name: str, interface: str) -> list[str]:
    """Give a list of names or patterns of a scope, not empty.

    Raises:
        UsageRefused: it is none (code ``grant-scope``).
    """
    value = scope.get(name)
    if not isinstance(value, list) or not value or len(value) > SCOPE_NAMES_MAX:
        raise scope_refused(interface, f"{name} has to list 1 to {SCOPE_NAMES_MAX} names; * at an end stands for any")
    for each in value:
        if not isinstance(each, str) or not each or len(each) > SCOPE_NAME_CHARACTERS_MAX or "*" in each[:-1]:
            raise scope_refused(interface, f"{name} holds {str(each)[:80]!r}; * can stand at the end only")
    return value


SCOPE_NAMES_MAX = 100
"""Most names that one member of a scope lists."""
SCOPE_NAME_CHARACTERS_MAX = 200
"""Longest name in a scope, in characters."""


def is_named(name: str, patterns: list[str]) -> bool:
    """Say whether a name is among names, where ``*`` at the end of one stands for anything.

    >>> is_named("payroll.corrected", ["payroll.*"])
    True
    """
    return any(name == each or (each.endswith("*") and name.startswith(each[:-1])) for each in patterns)


def scope_refused(interface: str, why: str) -> UsageRefused:
    """Give the error for a scope that means nothing."""
    return UsageRefused(
        f"that is no scope of {interface}: {why}",
        hint="give one with --scope JSON; docs/formats/module.md has the scope of each interface",
        code="grant-scope",
    )


_WORDS = {str: "text", int: "a whole number", dict: "a record", list: "a list", bool: "a boolean"}
