"""Inputs that nobody wrote: drawn from a seed, from the input schema, and from the numbers and words of the rules.

The same seed gives the same inputs on every machine. Values lie where law turns: at the numbers that rules compare
with, one beside them, at the limits of the schema, and at the first and last days of each version of the law.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bailiwick.errors import InputRefused, UsageRefused
from bailiwick.model import INTEGER_MAX, JsonValue
from bailiwick.packs.format.inputs import fields_of
from bailiwick.packs.format.pack import InputField, Pack
from bailiwick.packs.language.dates import is_date
from bailiwick.packs.language.expressions import Expression
from bailiwick.packs.language.syntax import pieces
from bailiwick.packs.trying.known import Decider, Known, decide, known_of, legal_date_of
from bailiwick.packs.trying.sites import sites_of

INPUTS_MAX = 100_000
"""Most inputs that are generated in one go."""
VALUES_MAX = 400
"""Most values of one fact that are drawn from."""
PRODUCTS_MAX = 24
"""Most numbers of the rules that are multiplied with one another, to reach bounds behind a division."""
TRIES_MAX = 20
"""Draws after which an input that the schema refuses is given up."""
MONTH_ENDS = ("2023-12-31", "2024-01-31", "2024-02-29", "2025-02-28", "2025-08-31")
"""Days from which a count of months may need rounding."""

_WORD = (1 << 64) - 1


class Dice:
    """Numbers from a seed, equally spread (SplitMix64, Steele, Lea and Flood 2014); for trying, never for secrets."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _WORD

    def below(self, bound: int) -> int:
        """Give a number from 0 to before ``bound``; for bounds far below 2^64.

        >>> dice = Dice(7)
        >>> [dice.below(10) for _ in range(5)]
        [7, 4, 6, 3, 4]
        """
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
        return (mixed ^ (mixed >> 31)) % bound

    def pick(self, values: Sequence[Any]) -> Any:
        """Give one of some values."""
        return values[self.below(len(values))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The values that one fact is drawn from; ``keys`` lead to it."""

    path: str
    keys: tuple[str, ...]
    values: tuple[JsonValue, ...]


def generated(pack: Pack, count: int, seed: int, decider: Decider = decide) -> Iterator[Known]:
    """Decide inputs drawn from a seed; fewer than ``count`` where the schema refuses most that is drawn.

    Args:
        pack: Its cases are what the inputs start from.
        count: How many; at most ``INPUTS_MAX``.
        seed: The same one gives the same inputs.
        decider: Decides; a pack that calls modules needs one that can.

    Raises:
        UsageRefused: too many (code ``inputs-count``).
    """
    if not 0 < count <= INPUTS_MAX:
        raise UsageRefused(
            f"{count} inputs cannot be drawn",
            hint=f"ask for 1 to {INPUTS_MAX}",
            code="inputs-count",
        )
    for facts, legal_date in drawn(pack, count, seed):
        yield known_of(pack, facts, legal_date, decider)


def drawn(pack: Pack, count: int, seed: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Draw inputs with the day to judge each by, as the schema allows them."""
    dice = Dice(seed)
    choices = choices_of(pack)
    starts = [case.input for case in pack.cases if _is_allowed(pack, case.input)] or [{}]
    days = days_of(pack)
    for _ in range(count):
        for _ in range(TRIES_MAX):
            facts = _draw(dice, dice.pick(starts), choices)
            if _is_allowed(pack, facts):
                yield facts, pack.legal_date_in(facts) or dice.pick(days)
                break


def _draw(dice: Dice, start: Mapping[str, JsonValue], choices: Sequence[Choice]) -> dict[str, Any]:
    """Change a few facts of an input, or (one time in four) every one."""
    facts: dict[str, Any] = _copied(start)
    changes = len(choices) if dice.below(4) == 0 else 1 + dice.below(4)
    turned = choices if changes >= len(choices) else [dice.pick(choices) for _ in range(changes)]
    for choice in turned:
        _put(facts, choice.keys, None if dice.below(8) == 0 else dice.pick(choice.values))
    return facts


def _copied(value: Any) -> Any:
    return {name: _copied(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def _put(facts: dict[str, Any], keys: Sequence[str], value: JsonValue) -> None:
    """Set one fact, or (None) take it out."""
    place = facts
    for key in keys[:-1]:
        inner = place.get(key)
        if not isinstance(inner, dict):
            if value is None:
                return
            inner = place[key] = {}
        place = inner
    if value is None:
        place.pop(keys[-1], None)
    else:
        place[keys[-1]] = value


def _is_allowed(pack: Pack, facts: Mapping[str, JsonValue]) -> bool:
    try:
        pack.check_input(facts)
    except InputRefused:
        return False
    return True


# --- where law turns --------------------------------------------------------------------------------------------------


def days_of(pack: Pack) -> list[str]:
    """List the days on which law turns: the first of each value and of each source, those beside it, those of cases."""
    turning = {pack.law.valid_from, pack.law.valid_to}
    turning.update(day for source in pack.sources for day in (source.valid_from, source.valid_to))
    turning.update(dated.valid_from for parameter in pack.parameters for dated in parameter.values)
    days = {day for case in pack.cases if (day := legal_date_of(pack, case)) is not None and is_date(day)}
    for day in turning:
        if day is not None:
            days.update(beside(day))
    return sorted(days)


def beside(day: str) -> list[str]:
    """Give a day with the one before and the one after.

    >>> beside("2024-02-29")
    ['2024-02-28', '2024-02-29', '2024-03-01']
    """
    found = date.fromisoformat(day)
    steps = [step for step in (-1, 0, 1) if date.min.toordinal() <= found.toordinal() + step <= date.max.toordinal()]
    return [(found + timedelta(days=step)).isoformat() for step in steps]


def choices_of(pack: Pack) -> tuple[Choice, ...]:
    """Give, for each fact that rules read, the values it is drawn from: those of cases, and where the rules turn."""
    reached = _reached_by(pack)
    found = []
    for each in _drawn_fields(pack):
        rule = rule_of(pack.input_schema, each.keys)
        values = [*_from_cases(pack, each), *_from_schema(rule, each.type)]
        values += _from_rules(pack, each, reached.get(each.path, ()))
        kept = tuple(dict.fromkeys(map(_frozen, values)))[:VALUES_MAX]
        if kept:
            found.append(Choice(path=each.path, keys=each.keys, values=tuple(map(_thawed, kept))))
    return tuple(found)


def _drawn_fields(pack: Pack) -> list[InputField]:
    """List the facts that rules read, and the one that says by the law of which day."""
    read = {each.path for each in pack.inputs}
    dated = [each for each in fields_of(pack.input_schema) if each.path == pack.legal_date_path]
    return [*pack.inputs, *(each for each in dated if each.path not in read)]


def _frozen(value: Any) -> Any:
    """Make a value one that a set can hold, apart from equal ones of other types."""
    return (type(value), tuple(value) if isinstance(value, list) else value)


def _thawed(value: Any) -> Any:
    kind, content = value
    return list(content) if kind is list else content


def _reached_by(pack: Pack) -> dict[str, list[Expression]]:
    """Give, for each fact, the expressions that read it, or that read a measure which reads it, and so on."""
    sites = list(sites_of(pack))
    expressions = [site.expression for site in sites]
    owners = [f"m.{site.rule.split()[-1].partition('.')[0]}" for site in sites]
    found: dict[str, list[Expression]] = {}
    for each in pack.inputs:
        paths = {each.path}
        for expression, owner in zip(expressions, owners, strict=True):
            if paths.intersection(expression.reads):
                paths.add(owner)
        found[each.path] = [expression for expression in expressions if paths.intersection(expression.reads)]
    return found


def _from_cases(pack: Pack, each: InputField) -> list[JsonValue]:
    found = []
    for case in pack.cases:
        value: Any = case.input
        for key in each.keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            found.append(value)
    return found


def rule_of(schema: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """Give what an input schema says of one fact; nothing where it says nothing."""
    for key in keys:
        schema = schema.get("properties", {}).get(key, {}) if isinstance(schema, Mapping) else {}
    return schema if isinstance(schema, Mapping) else {}


def _from_schema(rule: Mapping[str, Any], kind: str) -> list[JsonValue]:
    words = rule.get("enum", [rule["const"]] if "const" in rule else [])
    if words:
        return [word for word in words if word is not None]
    if kind == "boolean":
        return [True, False]
    if kind == "integer":
        bounds = [rule[name] for name in ("minimum", "maximum") if isinstance(rule.get(name), int)]
        return [0, 1, *(bound + step for bound in bounds for step in (-1, 0, 1))]
    if kind == "string" and not {"pattern", "format"} & rule.keys():
        return ["one", "another"]
    if kind.endswith("s"):
        items = _from_schema(rule.get("items", {}), kind.removesuffix("s"))
        return [[], *([item] for item in items), items[:3]]
    return []


def _from_rules(pack: Pack, each: InputField, expressions: Sequence[Expression]) -> list[JsonValue]:
    """Give values at which the rules that a fact reaches may turn."""
    values = _constants(pack, expressions)
    if each.type in ("integer", "integers"):
        numbers = [value for value in values if type(value) is int]
        few = sorted(set(numbers))[:PRODUCTS_MAX]
        numbers += [one * other for one in few for other in few]
        near = [number + step for number in numbers for step in (-1, 0, 1) if abs(number) < INTEGER_MAX]
        return list(near) if each.type == "integer" else [[number] for number in near]
    words = [value for value in values if isinstance(value, str)]
    if any(is_date(word) for word in words) or _is_day(pack, each):
        words += [day for word in words if is_date(word) for day in beside(word)] + days_of(pack)
        words += MONTH_ENDS
    if each.type == "string":
        return list(words)
    return [[word] for word in words] if each.type == "strings" else []


def _is_day(pack: Pack, each: InputField) -> bool:
    return rule_of(pack.input_schema, each.keys).get("format") == "date" or each.path == pack.legal_date_path


def _constants(pack: Pack, expressions: Sequence[Expression]) -> list[JsonValue]:
    """Give the numbers and words that expressions are written with, and every value of the parameters they read."""
    parameters = {parameter.path: parameter for parameter in pack.parameters}
    found: list[JsonValue] = []
    for expression in expressions:
        for kind, text, _, _ in pieces(expression.text):
            if kind == "integer":
                found.append(int(text, 0))
            elif kind == "text":
                found.append(text[1:-1])
        for path in expression.reads:
            if path in parameters:
                for dated in parameters[path].values:
                    found += dated.value if isinstance(dated.value, list) else [dated.value]
    return found
