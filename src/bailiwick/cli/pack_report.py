"""What is said to an author of a pack, as lines: a trial, a lint, a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bailiwick.model import JsonValue
    from bailiwick.packs import LintReport, PackDifference, Trial

VALUE_CHARACTERS_MAX = 160
"""Most characters of one value that are shown; ``--json`` gives all."""


def trial_lines(trial: Trial) -> list[str]:
    """Tell how a pack did."""
    return [*_case_lines(trial), *_property_lines(trial), *_coverage_lines(trial), *_mutation_lines(trial)]


def _case_lines(trial: Trial) -> Iterator[str]:
    yield f"{_counted(trial.cases.cases, 'case')}, {len(trial.cases.failed)} failed"
    for failure in trial.cases.failed:
        yield f"  {trial.places.of(f'case {failure.name}')}: {failure.name}"
        yield from (f"    {difference}" for difference in failure.differences)


def _property_lines(trial: Trial) -> Iterator[str]:
    report = trial.properties
    if report is None:
        return
    properties = "1 property" if len(report.judged) == 1 else f"{len(report.judged)} properties"
    yield f"{properties} on {_counted(report.inputs, 'input')} (seed {trial.seed}), {len(report.failed)} failed"
    for failure in report.failed:
        yield f"  {trial.places.of(f'property {failure.id}')}: {failure.text}"
        yield f"    {failure.because}"
        yield f"    for {told(dict(failure.facts))} by the law of {failure.legal_date}"
    for name, count in report.judged.items():
        if count == 0:
            yield f"  {trial.places.of(f'property {name}')}: {name} was never judged: no input made it true or false"


def _coverage_lines(trial: Trial) -> Iterator[str]:
    found = trial.coverage
    if found is None:
        return
    shown = found.sides - found.sides_missing
    yield (
        f"coverage: {found.rules - len(found.untouched)} of {found.rules} rules, "
        f"{shown} of {found.sides} sides of conditions"
    )
    yield from (f"  {trial.places.of(name)}: no case tries {name}" for name in found.untouched)
    yield from (f"  {trial.places.of(each.rule)}: {each}" for each in found.conditions)


def _mutation_lines(trial: Trial) -> Iterator[str]:
    found = trial.mutation
    if found is None:
        return
    yield f"mutation: {found.killed} of {found.mutants} killed, score {found.score}"
    for each in found.survived:
        mutant = each.mutant
        yield f"  {trial.places.of(mutant.rule)}: no case notices {mutant.rule} ({mutant.kind})"
        yield f"    before  {short(mutant.before)}"
        yield f"    after   {short(mutant.after)}"
        if each.facts is None:
            yield "    no input that was tried tells them apart"
        else:
            name = next(iter(each.before))
            turn = f"{name} {told(each.before[name])} becomes {told(each.after[name])}"
            yield f"    told apart by {told(dict(each.facts))} by the law of {each.legal_date}: {turn}"


def lint_lines(report: LintReport) -> list[str]:
    """Tell what a lint found."""
    advice = len(report.findings) - report.faults
    counts = f"{_counted(report.faults, 'fault')}, {_counted(advice, 'piece')} of advice"
    lines = [f"{counts} ({_counted(report.inputs, 'input')}, seed {report.seed})"]
    for finding in report.findings:
        remark = finding.remark
        lines.append(f"  {finding.place}: {remark.level}, {remark.check}, {remark.subject}: {remark.message}")
        lines.append(f"    try: {remark.hint}")
    return lines


def difference_lines(found: PackDifference) -> list[str]:
    """Tell by what two packs differ."""
    lines = [f"{found.old['name']} {found.old['version']} -> {found.new['name']} {found.new['version']}"]
    if found.is_same:
        return [*lines, f"they mean the same; {found.tried} cases come out alike"]
    section = ""
    for change in found.changes:
        if change.section != section:
            section = change.section
            lines.append(f"{section}:")
        lines.append(f"  {change.kind} {change.name}")
        for name in dict.fromkeys((*(change.before or {}), *(change.after or {}))):
            before, after = (side.get(name) if side is not None else None for side in (change.before, change.after))
            lines += [f"    {name}: {_step(before, after)}"] if before is not None or after is not None else []
    lines.append(f"{len(found.turned)} of {found.tried} cases of both come out otherwise")
    for each in found.turned:
        lines.append(f"  {each.file}: {each.name}")
        lines += [f"    {name}: {_step(each.before[name], each.after.get(name))}" for name in each.before]
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _step(before: JsonValue, after: JsonValue) -> str:
    return f"{told(before)} -> {told(after)}"


def told(value: JsonValue) -> str:
    """Write a value in one bounded line; what is not there is a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return short(value)
    return short(json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list | bool) else str(value))


def short(text: str) -> str:
    """Cut a text that is too long for a line."""
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[: VALUE_CHARACTERS_MAX - 1] + "…"
