"""What can be seen only by deciding: rows that nothing reaches, rows that overlap, gaps, and law cited after its end.

Every finding rests on an input that shows it, or on all inputs that were tried; a lint proves no absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bailiwick.model import TraceEntry
from bailiwick.packs.format.pack import ImpactRow, Pack, Source, Table, TableRow
from bailiwick.packs.trying.coverage import cover, rows_of, touched_by
from bailiwick.packs.trying.findings import Remark, advice, example, fault
from bailiwick.packs.trying.known import Known

_CARRIES_NOTHING = (None, False)
_ANSWERS = ("impact", "effect")
"""What a decision answers with; a measure may be worked out on a day on which nothing rests on it."""


def probe(pack: Pack, cases: Sequence[Known], drawn: Sequence[Known]) -> Iterator[Remark]:
    """Look at decisions of a pack for what its rules do to one another.

    Args:
        pack: The pack.
        cases: Its own cases, decided.
        drawn: Inputs that nobody wrote, decided.
    """
    yield from _untried(pack, cases, drawn)
    yield from _conditions(pack, cases)
    everything = [*cases, *drawn]
    for table in (rule for level in pack.levels for rule in level.rules if isinstance(rule, Table)):
        yield from _after_always(f"table row {table.id}.", table.rows if table.hit == "first" else ())
        yield from _overlaps(table, everything)
        yield from _gaps(table, everything)
    yield from _after_always("row ", pack.rows)
    yield from _out_of_force(pack, everything)


def _untried(pack: Pack, cases: Sequence[Known], drawn: Sequence[Known]) -> Iterator[Remark]:
    reached = {name for known in drawn for name in touched_by(known.decision)}
    for name in cover(pack, cases).untouched:
        if name == "indeterminate":
            yield advice(
                "no-case", "pack", "no case is indeterminate", "write a case that lacks a fact which the law asks for"
            )
        elif name in reached:
            yield fault("no-case", name, f"no case tries {name}", "write a case that comes to it")
        else:
            message = f"no case comes to {name}, and none of {len(drawn)} inputs that were tried"
            yield fault("unreached", name, message, "write a case that comes to it, or take it out")


def _conditions(pack: Pack, cases: Sequence[Known]) -> Iterator[Remark]:
    for each in cover(pack, cases).conditions:
        told = " and ".join(str(side).lower() for side in each.never)
        message = f"in no case that comes to it is this {told}: {each.text}"
        yield advice("one-sided", each.rule, message, "write a case that turns it")


def _after_always(prefix: str, rows: Sequence[TableRow | ImpactRow]) -> Iterator[Remark]:
    """Find rows behind one that holds always."""
    always = None
    for row in rows:
        if always is not None:
            message = f"row {always} holds always, so this row never decides"
            yield fault("after-always", prefix + row.id, message, "move it before that row, or take it out")
        elif row.when.constant is not None and row.when.constant[0] is True:
            always = row.id


def _overlaps(table: Table, decided: Sequence[Known]) -> Iterator[Remark]:
    """Find rows that hold at once where only one may."""
    if table.hit != "unique":
        return
    seen: set[tuple[str, str]] = set()
    for known in decided:
        hits = [row.id for row in table.rows if known.value(row.when) is True]
        for first, second in pairwise(hits):
            if (first, second) not in seen:
                seen.add((first, second))
                message = f"rows {first} and {second} hold at once for {example(known.facts, known.legal_date)}"
                yield fault("overlap", f"table row {table.id}.{second}", message, "let one row at most hold")


def _gaps(table: Table, decided: Sequence[Known]) -> Iterator[Remark]:
    """Find an input for which every row is false; a list of nothing is no gap."""
    if table.hit == "collect":
        return
    for known in decided:
        if all(known.value(row.when) is False for row in table.rows):
            message = f"no row holds for {example(known.facts, known.legal_date)}"
            yield fault("gap", f"table {table.id}", message, 'add the rows that lack, or a last one with when: "true"')
            return


# --- law in force -----------------------------------------------------------------------------------------------------


def source_of(pack: Pack, cite: str) -> Source | None:
    """Give the source that a citation is of: the longest that it begins with."""
    found = [each for each in pack.sources if cite.startswith(each.citation)]
    return max(found, key=lambda each: len(each.citation), default=None)


def _out_of_force(pack: Pack, decided: Sequence[Known]) -> Iterator[Remark]:
    """Find rules that carried a decision by the law of a day on which none of their sources was in force."""
    seen: set[str] = set()
    sources: dict[str, Source | None] = {}
    for known in decided:
        day = known.legal_date
        if not pack.law.valid_from <= day <= (pack.law.valid_to or "9999-12-31"):
            continue
        for entry in known.decision.trace:
            name = _name_of(entry)
            if entry.value in _CARRIES_NOTHING or name in seen:
                continue
            sources.update((cite, source_of(pack, cite)) for cite in entry.cite if cite not in sources)
            of_rule = [(cite, source) for cite in entry.cite if (source := sources[cite]) is not None]
            if any(_is_in_force(source, day) for _, source in of_rule):
                continue
            seen.add(name)
            told = "; ".join(
                f"{cite} was in force from {source.valid_from or 'the beginning'} to {source.valid_to or 'now'}"
                for cite, source in of_rule
            )
            message = f"it carried a decision by the law of {day}, and {told}"
            say = fault if entry.kind in _ANSWERS else advice
            yield say("not-in-force", name, message, "cite the text of that day, or let a dated parameter decide")


def _is_in_force(source: Source, day: str) -> bool:
    return (source.valid_from or "") <= day <= (source.valid_to or "9999-12-31")


def _name_of(entry: TraceEntry) -> str:
    if entry.kind == "call":
        return str(entry.because)
    if entry.kind == "measure" and (rows := rows_of(entry.because)):
        return f"table row {entry.rule}.{rows[0]}"
    return f"{'row' if entry.kind == 'impact' else entry.kind} {entry.rule}"
