"""Every place of a pack where an expression stands, by the rule's name, and the pack with another expression there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bailiwick.packs.format.pack import Assumption, Call, EffectRule, ImpactRow, Measure, Pack, Table, TableRow
from bailiwick.packs.language.expressions import Expression

Swap: TypeAlias = Callable[[Expression], Pack]
"""Gives the pack with another expression in one place; the pack itself stays as it is."""

Rule: TypeAlias = Measure | Table | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One expression of a pack: the rule it belongs to, as coverage names it, and which part of the rule it is.

    ``is_raw`` marks expressions that see facts as they were given, before any assumption stands for one.
    """

    rule: str
    part: str
    expression: Expression
    is_raw: bool = False
    swap: Swap = field(repr=False, compare=False)


def sites_of(pack: Pack) -> Iterator[Site]:
    """List the expressions of a pack, in the order in which rules are judged."""
    for number, assumption in enumerate(pack.assumptions):
        yield from _assumption_sites(pack, number, assumption)
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Measure):
            yield _measure_site(pack, rule)
        elif isinstance(rule, Table):
            for number, row in enumerate(rule.rows):
                yield from _table_row_sites(pack, rule, number, row)
        else:
            yield from _call_sites(pack, rule)
    for number, impact in enumerate(pack.rows):
        yield from _impact_sites(pack, number, impact)
    for number, effect in enumerate(pack.effects):
        yield from _effect_sites(pack, number, effect)


def leaves_of(expression: Expression) -> Iterator[Expression]:
    """Give the conditions that an expression joins by ``&&`` and ``||``; itself where it joins none."""
    if not expression.parts:
        yield expression
    for part in expression.parts:
        yield from leaves_of(part)


def with_rule(pack: Pack, old: Rule, new: Rule) -> Pack:
    """Give the pack with one measure, table or call exchanged; it reads what the old one read."""
    levels = tuple(
        replace(level, rules=tuple(new if rule is old else rule for rule in level.rules)) for level in pack.levels
    )
    return replace(pack, levels=levels)


def with_table_rows(pack: Pack, table: Table, rows: tuple[TableRow, ...]) -> Pack:
    """Give the pack with other rows in one table."""
    return with_rule(pack, table, replace(table, rows=rows))


def with_rows(pack: Pack, rows: tuple[ImpactRow, ...]) -> Pack:
    """Give the pack with other impact rows."""
    return replace(pack, rows=rows)


def with_assumptions(pack: Pack, assumptions: tuple[Assumption, ...]) -> Pack:
    """Give the pack with other assumptions."""
    return replace(pack, assumptions=assumptions)


# --- one kind of rule each --------------------------------------------------------------------------------------------


def _measure_site(pack: Pack, measure: Measure) -> Site:
    return Site(
        rule=f"measure {measure.id}",
        part="expr",
        expression=measure.expression,
        swap=lambda new: with_rule(pack, measure, replace(measure, expression=new)),
    )


def _call_sites(pack: Pack, call: Call) -> Iterator[Site]:
    for name, expression in call.input.items():
        yield Site(
            rule=f"call {call.id}",
            part=f"input/{name}",
            expression=expression,
            swap=lambda new, name=name: with_rule(  # type: ignore[misc]
                pack, call, replace(call, input={**call.input, name: new})
            ),
        )


def _table_row_sites(pack: Pack, table: Table, number: int, row: TableRow) -> Iterator[Site]:
    def swapped(new: TableRow) -> Pack:
        """Give the pack with another row in this one's place."""
        return with_table_rows(pack, table, (*table.rows[:number], new, *table.rows[number + 1 :]))

    rule = f"table row {table.id}.{row.id}"
    yield Site(rule=rule, part="when", expression=row.when, swap=lambda new: swapped(replace(row, when=new)))
    yield Site(rule=rule, part="value", expression=row.value, swap=lambda new: swapped(replace(row, value=new)))


def _assumption_sites(pack: Pack, number: int, assumption: Assumption) -> Iterator[Site]:
    def swapped(new: Assumption) -> Pack:
        """Give the pack with another assumption in this one's place."""
        return with_assumptions(pack, (*pack.assumptions[:number], new, *pack.assumptions[number + 1 :]))

    rule = f"assumption {assumption.id}"
    yield Site(
        rule=rule,
        part="when",
        expression=assumption.when,
        is_raw=True,
        swap=lambda new: swapped(replace(assumption, when=new)),
    )
    if assumption.value is not None:
        yield Site(
            rule=rule,
            part="value",
            expression=assumption.value,
            is_raw=True,
            swap=lambda new: swapped(replace(assumption, value=new)),
        )


def _impact_sites(pack: Pack, number: int, row: ImpactRow) -> Iterator[Site]:
    def swapped(new: ImpactRow) -> Pack:
        """Give the pack with another row in this one's place."""
        return with_rows(pack, (*pack.rows[:number], new, *pack.rows[number + 1 :]))

    yield Site(rule=f"row {row.id}", part="when", expression=row.when, swap=lambda new: swapped(replace(row, when=new)))
    for position, duty in enumerate(row.duties):
        before, after = row.duties[:position], row.duties[position + 1 :]
        yield Site(
            rule=f"obligation {row.id}/{duty.id}",
            part="within",
            expression=duty.within,
            swap=lambda new, duty=duty, before=before, after=after: swapped(  # type: ignore[misc]
                replace(row, duties=(*before, replace(duty, within=new), *after))
            ),
        )


def _effect_sites(pack: Pack, number: int, effect: EffectRule) -> Iterator[Site]:
    def swapped(new: EffectRule) -> Pack:
        """Give the pack with another effect in this one's place."""
        return replace(pack, effects=(*pack.effects[:number], new, *pack.effects[number + 1 :]))

    rule = f"effect {effect.id}"
    if effect.when is not None:
        yield Site(rule=rule, part="when", expression=effect.when, swap=lambda new: swapped(replace(effect, when=new)))
    if effect.key is not None:
        yield Site(rule=rule, part="key", expression=effect.key, swap=lambda new: swapped(replace(effect, key=new)))
    for name, expression in effect.parameters.items():
        yield Site(
            rule=rule,
            part=f"parameters/{name}",
            expression=expression,
            swap=lambda new, name=name: swapped(  # type: ignore[misc]
                replace(effect, parameters={**effect.parameters, name: new})
            ),
        )
