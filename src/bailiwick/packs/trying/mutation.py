"""How strong cases are: each rule is bent a little, and some case must come out otherwise.

A bent pack is a *mutant*. A case that no longer comes out as written kills it; a mutant that lives marks law that no
case holds to. Only the bent expression is compiled, and only cases in which it answers otherwise are decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from bailiwick.model import INTEGER_MAX, JsonValue, Read
from bailiwick.packs.format.pack import INDETERMINATE, Case, DatedValue, Pack, Parameter, Table
from bailiwick.packs.language.expressions import Expression
from bailiwick.packs.language.syntax import SyntaxFault, pieces
from bailiwick.packs.trying.cases import differences_of
from bailiwick.packs.trying.known import Decider, Known, decide, known_cases, legal_date_of, summary_of
from bailiwick.packs.trying.sites import Site, sites_of, with_rows, with_table_rows

MUTANTS_MAX = 20_000
"""Most mutants of one pack that are tried."""
TELLING_MAX = 40
"""Most inputs by which a survivor is compared with the pack; those that came to an outcome with few facts go first."""

_BENT = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    "+": "-",
    "*": "/",
    "/": "*",
    "%": "*",
    "true": "false",
    "false": "true",
}
_ROUNDINGS = {"down": "up", "up": "down", "refuse": "down"}
"""Words that ``add_months`` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A pack with one thing bent: in which rule, what (``comparison``, ``boundary`` …), how it reads before and after.

    ``differs`` says whether it may decide a case otherwise: asked closely (True), whether even the causes of an answer
    that is none may differ. ``make`` gives the bent pack. ``measure`` is the one whose own expression is bent: where it
    differs, a case that names it needs no deciding.
    """

    rule: str
    part: str
    kind: str
    before: str
    after: str
    measure: str | None = None
    differs: Callable[[Known, bool], bool] = field(repr=False, compare=False)
    make: Callable[[], Pack] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the mutant as JSON."""
        return {"rule": self.rule, "part": self.part, "kind": self.kind, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A mutant that no case killed, and an input that would: what differs, before and after.

    ``facts`` is None where no input that was tried tells the two apart: they are perhaps the same law.
    """

    mutant: Mutant
    facts: Mapping[str, JsonValue] | None = None
    legal_date: str | None = None
    before: Mapping[str, JsonValue] = field(default_factory=dict)
    after: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the survivor as JSON; ``told_by`` is null where no input tells it from the pack."""
        told_by: JsonValue = None
        if self.facts is not None:
            told_by = {
                "input": dict(self.facts),
                "legal_date": self.legal_date,
                "before": dict(self.before),
                "after": dict(self.after),
            }
        return {**self.mutant.to_json(), "told_by": told_by}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """How many mutants there were, and those that no case killed."""

    mutants: int
    survived: tuple[Survivor, ...]

    @property
    def killed(self) -> int:
        """How many mutants some case killed."""
        return self.mutants - len(self.survived)

    @property
    def score(self) -> int:
        """Killed mutants in a hundred, rounded down; 100 only where all were."""
        return 100 * self.killed // self.mutants if self.mutants else 100


def mutate(
    pack: Pack,
    mutants: Iterable[Mutant],
    drawn: Sequence[Known] = (),
    *,
    decider: Decider = decide,
    advance: Callable[[int], None] | None = None,
) -> Mutation:
    """Try mutants of a pack, and see which of them its cases tell from it.

    Args:
        pack: Cases that do not come out as written today kill nothing.
        mutants: ``mutants_of(pack)``.
        drawn: Inputs that nobody wrote, decided: among them is looked for one that tells a survivor from the pack.
        decider: Decides; a pack that calls modules needs one that can.
        advance: Told each time one mutant was tried.

    Cost: some milliseconds for each mutant; cases that a mutant cannot change cost microseconds.
    """
    cases = [(case, known) for case, known in known_cases(pack, decider) if not differences_of(case, known.decision)]
    cases.sort(key=lambda each: _is_open(each[1]))
    nearest = sorted(drawn, key=lambda known: (_is_open(known), len(str(known.facts))))
    tried = 0
    survived: list[Survivor] = []
    for mutant in islice(mutants, MUTANTS_MAX):
        tried += 1
        if not _is_killed(mutant, cases, decider):
            survived.append(_survivor(mutant, nearest, decider))
        if advance is not None:
            advance(1)
    return Mutation(mutants=tried, survived=tuple(survived))


def mutants_of(pack: Pack) -> Iterator[Mutant]:
    """Give every mutant of a pack: expressions, values and dates of parameters, the order of rows."""
    for site in sites_of(pack):
        if site.part == "when" and site.rule == f"row {pack.rows[-1].id}":
            continue
        for kind, text in (*bent(site.expression.text), *_readings(pack, site)):
            try:
                expression = pack.language.apart().compile(text, site.expression.type)
            except SyntaxFault:
                # What does not compile is no law: an author could not have written it.
                continue
            yield _of_site(site, kind, expression)
    for parameter in pack.parameters:
        yield from _of_parameter(pack, parameter)
    yield from _of_orders(pack)


def bent(text: str) -> Iterator[tuple[str, str]]:
    """Give an expression bent in one place, in every way: what was bent, and the text.

    >>> [each for _, each in bent("in.days > 6 && p.counts")]
    ['in.days >= 6 && p.counts', 'in.days > 5 && p.counts', 'in.days > 7 && p.counts', 'in.days > 6 || p.counts']
    """
    clamp = _clamp(text)
    for kind, word, start, stop in pieces(text):
        for name, changed in _bent_piece(kind, word):
            if start != clamp:
                yield name, text[:start] + changed + text[stop:]


def _clamp(text: str) -> int | None:
    """Find the comparison of ``a < b ? a : b``, which gives the same value with ``<=``; None where there is none.

    >>> _clamp("in.a > p.max ? p.max : in.a"), _clamp("in.a > p.max ? p.max : 0")
    (5, None)
    """
    found = pieces(text)
    signs = [position for position, piece in enumerate(found) if piece[1] in ("<", "<=", ">", ">=", "?", ":")]
    if len(signs) != 3 or [found[each][1] for each in signs[1:]] != ["?", ":"]:
        return None
    compared, asked, otherwise = signs
    sides = [found[:compared], found[compared + 1 : asked], found[asked + 1 : otherwise], found[otherwise + 1 :]]
    first, second, one, other = ([piece[1] for piece in side] for side in sides)
    return found[compared][2] if sorted([first, second]) == sorted([one, other]) else None


def _bent_piece(kind: str, word: str) -> Iterator[tuple[str, str]]:
    if kind == "integer":
        number = int(word, 0)
        for each in (number - 1, number + 1):
            if each >= 0:
                yield "boundary", str(each)
        if number == 0:
            yield "boundary", "(-1)"
    elif kind == "text":
        quote, rounding = word[0], _ROUNDINGS.get(word[1:-1])
        if rounding is not None:
            yield "rounding", f"{quote}{rounding}{quote}"
    elif word in _BENT:
        kinds = {"&&": "joint", "||": "joint", "true": "constant", "false": "constant"}
        name = "comparison" if word[0] in "<>=!" else kinds.get(word, "arithmetic")
        yield name, _BENT[word]
    elif word == "!":
        yield "negation", ""


def _readings(pack: Pack, site: Site) -> Iterator[tuple[str, str]]:
    """Give the other readings that a policy could take where nobody chooses."""
    for policy in pack.policies:
        if site.part == "value" and site.rule == f"assumption {policy.assumption}":
            yield from (("reading", f"'{each.id}'") for each in policy.readings if each.id != policy.default)


def _of_site(site: Site, kind: str, expression: Expression) -> Mutant:
    def differs(known: Known, closely: bool) -> bool:
        """Compare the answers; two that are none may differ in their causes."""
        before, after = (known.value(each, is_raw=site.is_raw) for each in (site.expression, expression))
        return (closely and before is None) or type(before) is not type(after) or before != after

    return Mutant(
        rule=site.rule,
        part=site.part,
        kind=kind,
        before=site.expression.text,
        after=expression.text,
        measure=site.rule.removeprefix("measure ") if site.rule.startswith("measure ") else None,
        differs=differs,
        make=lambda: site.swap(expression),
    )


def _is_open(known: Known) -> bool:
    """Say whether a decision came to nothing: such a one tells little, and is looked at last."""
    return known.decision.impact.outcome == INDETERMINATE


def _is_killed(mutant: Mutant, cases: Sequence[tuple[Case, Known]], decider: Decider) -> bool:
    turned = [case for case, known in cases if mutant.differs(known, False)]
    if any(mutant.measure in case.measures or mutant.measure in case.indeterminate for case in turned):
        return True
    told = [case for case, known in cases if case.because is not None and mutant.differs(known, True)]
    turned += [case for case in told if case not in turned]
    if not turned:
        return False
    pack = mutant.make()
    return any(differences_of(case, decider(pack, case.input, str(legal_date_of(pack, case)))) for case in turned)


def _survivor(mutant: Mutant, drawn: Sequence[Known], decider: Decider) -> Survivor:
    """Look for an input that the pack and its mutant decide otherwise."""
    turned = [known for known in drawn if mutant.differs(known, False)][:TELLING_MAX]
    pack = mutant.make() if turned else None
    for known in turned:
        assert pack is not None
        before, after = summary_of(known.decision), summary_of(decider(pack, known.facts, known.legal_date))
        names = [name for name in before if before[name] != after.get(name)]
        if names:
            return Survivor(
                mutant=mutant,
                facts=known.facts,
                legal_date=known.legal_date,
                before={name: before[name] for name in names},
                after={name: after.get(name) for name in names},
            )
    return Survivor(mutant=mutant)


# --- parameters -------------------------------------------------------------------------------------------------------


def _of_parameter(pack: Pack, parameter: Parameter) -> Iterator[Mutant]:
    for position, dated in enumerate(parameter.values):
        until = parameter.values[position + 1].valid_from if position + 1 < len(parameter.values) else "9999-12-31"
        for value in _values_beside(dated.value):
            yield _of_value(pack, parameter, position, value, until)


def _reading(pack: Pack, parameter: Parameter, value: JsonValue) -> Callable[[Known], bool]:
    """Give a function that says whether some rule that reads a parameter answers otherwise with another value."""
    readers = [site for site in sites_of(pack) if parameter.path in site.expression.reads]

    def differs(known: Known) -> bool:
        """Judge those rules again; what assumptions saw is not kept, so they are taken to differ."""
        if any(site.is_raw for site in readers):
            return True
        scope = pack.language.scope({**known.values, parameter.path: value})
        return any(known.value(each.expression) != each.expression.answer(scope, {})[0] for each in readers)

    return differs


def _of_value(pack: Pack, parameter: Parameter, position: int, value: JsonValue, until: str) -> Mutant:
    dated = parameter.values[position]
    differs = _reading(pack, parameter, value)

    def make() -> Pack:
        """Give the pack with this value of the parameter changed."""
        read = Read(
            path=parameter.path, value=value, unit=parameter.unit, in_force_from=dated.valid_from, cite=dated.cite
        )
        changed = replace(dated, value=value, read=read)
        values = (*parameter.values[:position], changed, *parameter.values[position + 1 :])
        return _with_values(pack, parameter, values)

    return Mutant(
        rule=f"parameter {parameter.id}",
        part=f"values/{position}",
        kind="parameter",
        before=f"{dated.value} from {dated.valid_from}",
        after=f"{value} from {dated.valid_from}",
        differs=lambda known, closely: dated.valid_from <= known.legal_date < until and (closely or differs(known)),
        make=make,
    )


def _with_values(pack: Pack, parameter: Parameter, values: tuple[DatedValue, ...]) -> Pack:
    changed = replace(parameter, values=values)
    return replace(pack, parameters=tuple(changed if each is parameter else each for each in pack.parameters))


def _values_beside(value: JsonValue) -> Iterator[JsonValue]:
    """Give the values one unit beside a value; of a list, with one item so changed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (each for each in (value - 1, value + 1) if abs(each) <= INTEGER_MAX)
    elif isinstance(value, str):
        yield value + "-"
    elif isinstance(value, list):
        for position, item in enumerate(value):
            for other in _values_beside(item):
                yield [*value[:position], other, *value[position + 1 :]]
                break


# --- order ------------------------------------------------------------------------------------------------------------


def _of_orders(pack: Pack) -> Iterator[Mutant]:
    """Exchange neighbours where the first row that holds decides; the last impact row stays last."""
    for table in (rule for level in pack.levels for rule in level.rules if isinstance(rule, Table)):
        if table.hit == "first":
            for position in range(len(table.rows) - 1):
                yield _of_table_order(pack, table, position)
    rows = pack.rows
    for position in range(len(rows) - 2):
        first, second = rows[position : position + 2]
        swapped = (*rows[:position], second, first, *rows[position + 2 :])
        yield Mutant(
            rule=f"row {first.id}",
            part="order",
            kind="order",
            before=f"{first.id}, {second.id}",
            after=f"{second.id}, {first.id}",
            differs=_differ_in_order(first.when, second.when),
            make=lambda swapped=swapped: with_rows(pack, swapped),  # type: ignore[misc]
        )


def _of_table_order(pack: Pack, table: Table, position: int) -> Mutant:
    first, second = table.rows[position : position + 2]
    swapped = (*table.rows[:position], second, first, *table.rows[position + 2 :])
    return Mutant(
        rule=f"table row {table.id}.{first.id}",
        part="order",
        kind="order",
        before=f"{first.id}, {second.id}",
        after=f"{second.id}, {first.id}",
        differs=_differ_in_order(first.when, second.when),
        make=lambda: with_table_rows(pack, table, swapped),
    )


def _differ_in_order(first: Expression, second: Expression) -> Callable[[Known, bool], bool]:
    """Two neighbours exchanged matter only where neither is false."""
    return lambda known, _: known.value(first) is not False and known.value(second) is not False
