"""A document of a foreign contract becomes facts: checked as its owner checks it, then taken value by value, exactly.

Numbers come as they were written (an integer, or a ``Decimal`` of their very digits) and leave as integers of the unit
that the pack states. What cannot be represented as the pack says is refused; nothing is guessed, nothing is a float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias

from bailiwick.errors import InputRefused, SchemaViolated, Violation
from bailiwick.model import INTEGER_MAX, JsonValue
from bailiwick.packs.format.foreign import FactRule, Facts, Scale, Tolerance
from bailiwick.packs.language.dates import DATE_PATTERN, is_date

PLACES_MAX = 10_000
"""Most places of one document that one fact looks at."""
ITEMS_MAX = 1_000
"""Most values of a fact that is a list: as many as an expression may give."""
TEXT_CHARACTERS_MAX = 10_000
"""Longest text that is a fact, in characters."""

EACH: Final = "*"
INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")
"""A place in a list, as a JSON Pointer writes it (RFC 6901, section 4)."""
Place: TypeAlias = "str | tuple[Place, str | int]"
"""Where something stands: the text of a JSON Pointer, or a place and a part below it."""
Spot: TypeAlias = tuple[Place, Any]
"""A place and the value that stands there."""
_TYPE_WORDS = {
    bool: "true or false",
    int: "a number",
    Decimal: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def facts_from(documents: Sequence[Facts], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the facts of an input that is, or holds, a foreign document; any other input is facts already.

    An input with a member called as a document holds that document, and its other members are further facts. An input
    without one is itself the first document of whose marks it has one.

    Args:
        documents: What the pack reads, in order.
        given: A JSON object as ``parse_document`` gives it.

    Raises:
        SchemaViolated: the document breaks its contract; carries every violation that the pack does not tolerate.
        InputRefused: ``fact-type``, ``fact-fraction``, ``fact-inexact``, ``fact-overflow``, ``fact-day``,
            ``fact-several``, ``fact-places``, ``fact-twice``, ``document-twice``.
        NotFound: the contract is an attachment that nobody supplied (``attachment-missing``).

    Cost: the contract once, and for each fact at most ``PLACES_MAX`` places.
    """
    held = [each for each in documents if each.id in given]
    if len(held) > 1:
        raise InputRefused(
            f"the input holds {held[0].id} and {held[1].id}; a decision is about one document",
            hint="send one input for each document",
            code="document-twice",
        )
    if held:
        rest = {name: value for name, value in given.items() if name != held[0].id}
        return _joined(rest, take_facts(held[0], given[held[0].id], f"/{held[0].id}"))
    for each in documents:
        if any(mark in given for mark in each.marks):
            return take_facts(each, given)
    return dict(given)


def take_facts(document: Facts, value: Any, place: str = "") -> dict[str, Any]:
    """Check one document against its contract and take its facts; ``place`` is where it stands in the input."""
    _check_contract(document, value, place)
    facts: dict[str, Any] = {}
    for rule in document.rules:
        taken = _take(rule, value, place)
        if taken is not None:
            _put(facts, rule.keys, taken)
    return facts


def _check_contract(document: Facts, value: Any, place: str) -> None:
    found = document.document_contract().violations(value)
    violations = [each for each in found if not any(_is_tolerated(each, one) for one in document.tolerated)]
    if not violations:
        return
    first = violations[0]
    count = "1 violation" if len(violations) == 1 else f"{len(violations)} violations"
    raise SchemaViolated(
        f"the {document.id} breaks the contract {document.contract_path} in {count}; the first, at "
        f"{place + first.path or 'the top'}: {first.message}",
        hint="the contract is its owner's: change the values at these paths, or send what the contract allows",
        violations=[
            Violation(path=place + each.path, rule=each.rule, message=each.message, value=each.value)
            for each in violations
        ],
    )


def _is_tolerated(violation: Violation, tolerance: Tolerance) -> bool:
    """Say whether a pack tolerates a violation: the same rule, at a place that its pointer leads to."""
    if violation.rule != tolerance.rule:
        return False
    wanted, given = parts_of(tolerance.pointer), parts_of(violation.path)
    return len(wanted) == len(given) and all(want in (EACH, part) for want, part in zip(wanted, given, strict=True))


# --- places -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4_096)
def parts_of(pointer: str) -> tuple[str, ...]:
    """Give the parts of a JSON Pointer (RFC 6901); ``*`` stands for each item of a list.

    >>> parts_of("/wastes/*/a~1b")
    ('wastes', '*', 'a/b')
    """
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _found(rule: FactRule, document: Any, place: Place) -> list[Spot]:
    """List the places that a rule leads to, by the first of its pointers that leads anywhere."""
    for pointer in (rule.pointer, *rule.others):
        if found := _found_by(pointer, rule, document, place):
            return found
    return []


def _found_by(pointer: str, rule: FactRule, document: Any, place: Place) -> list[Spot]:
    """List the places of one pointer where a value stands and the rule's conditions hold; at most ``PLACES_MAX``."""
    parts = parts_of(pointer)
    split = len(parts) - parts[::-1].index(EACH) if EACH in parts else 0
    items = _walk([(place, document)], parts[:split])
    if rule.where:
        items = [spot for spot in items if all(_holds(spot, where, value) for where, value in rule.where.items())]
    found = _walk(items, parts[split:])
    return found if rule.pattern is None else [spot for spot in found if rule.pattern.is_met(spot[1])]


def _walk(spots: list[Spot], parts: tuple[str, ...]) -> list[Spot]:
    """Give every place that the parts lead to from some places, in order; what is absent or null leads nowhere."""
    for part in parts:
        following: list[Spot] = []
        for place, value in spots:
            if type(value) is dict and part != EACH:
                following.append(((place, part), value.get(part)))
            elif type(value) is list and part == EACH:
                _check_places(len(following) + len(value), place)
                following += [((place, position), item) for position, item in enumerate(value)]
            elif type(value) is list and INDEX.match(part):
                position = int(part)
                following.append(((place, part), value[position] if position < len(value) else None))
            elif value is not None:
                raise _mistyped(place, value, "a list" if part == EACH else "an object")
        spots = following
    return [spot for spot in spots if spot[1] is not None]


def _check_places(count: int, place: Place) -> None:
    if count > PLACES_MAX:
        raise InputRefused(
            f"a fact would look at {count} places below {_told(place)}; it looks at {PLACES_MAX} at most",
            hint="split the document; a decision is about one case",
            code="fact-places",
        )


def _holds(spot: Spot, pointer: str, wanted: JsonValue) -> bool:
    """Say whether a condition holds: exactly this value stands there; true is not 1."""
    return any(type(value) is type(wanted) and value == wanted for _, value in _walk([spot], parts_of(pointer)))


def _told(place: Place) -> str:
    """Write a place as a JSON Pointer; it is only kept as its parts, for hardly one is ever told."""
    parts: list[str | int] = []
    while not isinstance(place, str):
        place, part = place
        parts.append(part)
    below = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in reversed(parts))
    return place + below or "the document"


# --- values -----------------------------------------------------------------------------------------------------------


def _take(rule: FactRule, document: Any, place: Place) -> Any:
    """Make one fact of the places that its rule leads to; None where there is nothing to take."""
    found = _found(rule, document, place)
    if rule.take == "exists":
        return bool(found)
    if rule.take == "count":
        return len(found)
    values = [_value(rule, spot, value) for spot, value in found]
    if rule.take == "sum":
        return _within(sum(values), rule.pointer)
    if rule.take == "values":
        return _listed(rule, values)
    if len(values) > 1:
        raise InputRefused(
            f"{rule.pointer} leads to {len(values)} values, and {rule.path} takes the only one",
            hint="send one, or take values, count or sum in rules/facts.yaml",
            code="fact-several",
        )
    return values[0] if values else None


def _listed(rule: FactRule, values: list[Any]) -> list[Any]:
    if len(values) > ITEMS_MAX:
        raise InputRefused(
            f"{rule.pointer} leads to {len(values)} values; a list of facts has at most {ITEMS_MAX}",
            hint="split the document; a decision is about one case",
            code="fact-places",
        )
    return values


def _value(rule: FactRule, place: Place, value: Any) -> Any:
    """Give one value in the type that the pack declares, or refuse it."""
    kind = rule.type.removesuffix("s")
    if kind == "integer" and type(value) in (int, Decimal):
        told = _told(place)
        return _within(_whole(value, told) if rule.scale is None else scaled(value, rule.scale, told), told)
    if kind == "string" and type(value) is str and len(value) <= TEXT_CHARACTERS_MAX:
        return day_of(value, rule.days, _told(place)) if rule.days else value
    if kind == "boolean" and type(value) is bool:
        return value
    raise _mistyped(place, value, {"integer": "a number", "boolean": "true or false"}.get(kind, "text"))


def _whole(value: int | Decimal, place: str) -> int:
    units, remainder = _divided(value, 0)
    if remainder:
        raise InputRefused(
            f"{place} is {value}, and the pack takes a whole number there",
            hint="state decimal places in rules/facts.yaml, or send a whole number",
            code="fact-fraction",
        )
    return units


def scaled(value: int | Decimal, scale: Scale, place: str = "") -> int:
    """Give a number times ten to the ``places`` as an integer, rounded as stated. All of it is integer arithmetic.

    Raises:
        InputRefused: the rounding is ``exact`` and something would be lost (``fact-inexact``).

    >>> scaled(Decimal("737.09"), Scale(places=2, rounding="exact"))
    73709
    >>> [scaled(Decimal("0.125"), Scale(places=2, rounding=each)) for each in ("half-even", "half-up", "down")]
    [12, 13, 12]
    """
    units, twice = _divided(value, scale.places)
    if twice == 0 or scale.rounding == "down":
        return units
    if scale.rounding == "exact":
        raise InputRefused(
            f"{place or 'the number'} is {value}, which has no exact value in {scale.places} decimal places",
            hint="send at most as many decimal places as the unit has",
            code="fact-inexact",
        )
    negative = value < 0
    away = twice > 1 or (twice == 1 and (scale.rounding == "half-up" or units % 2 == 1))
    return units + (-1 if negative else 1) if away else units


def _divided(value: int | Decimal, places: int) -> tuple[int, int]:
    """Give a number times ten to ``places`` towards zero, and what is left: 0 nothing, 1 a half, 2 more, -1 less."""
    sign, digits, exponent = Decimal(value).as_tuple()
    assert isinstance(exponent, int), "documents hold no infinities"
    whole = int("".join(map(str, digits)))
    power = exponent + places
    if power >= 0:
        units, left = whole * 10**power, 0
    else:
        units, remainder = divmod(whole, 10**-power)
        left = 0 if not remainder else _beside_half(2 * remainder, 10**-power)
    return -units if sign else units, left


def _beside_half(twice: int, whole: int) -> int:
    return 1 if twice == whole else 2 if twice > whole else -1


def _within(value: int, place: str) -> int:
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise InputRefused(
            f"{place} is beyond 2^53-1 in the unit that the pack counts in",
            hint="send a smaller number",
            code="fact-overflow",
        )
    return value


def day_of(text: str, forms: Sequence[str], place: str = "") -> str:
    """Give the day that a text names, as it is written there: the offset of a moment is not applied.

    Args:
        text: A date, or a moment that begins with one.
        forms: ``iso`` (2019-04-30, 2019-04-30T…), ``us`` (04/30/2019).
        place: Where it stands, for the refusal.

    Raises:
        InputRefused: it is written in none of the forms, or there is no such day (``fact-day``).

    >>> day_of("2019-05-09T04:00:00.000+0000", ["iso"]), day_of("04/30/2019", ["iso", "us"])
    ('2019-05-09', '2019-04-30')
    """
    if "iso" in forms and is_date(text[:10]) and text[10:11] in ("", "T", "t"):
        return text[:10]
    turned = f"{text[6:]}-{text[:2]}-{text[3:5]}"
    if "us" in forms and text[2:3] == text[5:6] == "/" and DATE_PATTERN.match(turned) and is_date(turned):
        return turned
    raise InputRefused(
        f"{place or 'the text'} is {text[:40]!r}, which names no day as {' or '.join(forms)}",
        hint="write 2019-04-30, or the form that the pack states in rules/facts.yaml",
        code="fact-day",
    )


# --- facts ------------------------------------------------------------------------------------------------------------


def _put(facts: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        facts = facts.setdefault(key, {})
    facts[keys[-1]] = value


def _joined(given: Mapping[str, Any], taken: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Put what the document gives beside what was said besides it; nothing may be said twice."""
    facts = dict(given)
    for name, value in taken.items():
        if name in facts and isinstance(facts[name], dict) and isinstance(value, dict):
            facts[name] = _joined(facts[name], value, f"{path}/{name}")
        elif name in facts:
            raise InputRefused(
                f"{path}/{name} is given beside the document, which gives it too",
                hint="leave it out: the document counts",
                code="fact-twice",
            )
        else:
            facts[name] = value
    return facts


def _mistyped(place: Place, value: Any, wanted: str) -> InputRefused:
    given = (
        "too long a text" if isinstance(value, str) and wanted == "text" else _TYPE_WORDS.get(type(value), "nothing")
    )
    return InputRefused(
        f"{_told(place)} is {given}; the pack takes {wanted} there",
        hint="the contract allows more than the pack can read: send what the pack takes",
        code="fact-type",
    )
