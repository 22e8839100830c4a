"""What can be seen by reading alone: what is declared and not used, words that lack, sources nobody can look up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bailiwick.errors import PackRefused
from bailiwick.packs.format.files import LOCK
from bailiwick.packs.format.inputs import fields_of
from bailiwick.packs.format.lock import EngineName, check_lock, read_lock
from bailiwick.packs.format.pack import FORMAT_2, INDETERMINATE, Measure, Pack, Parameter, Table
from bailiwick.packs.format.texts import missing_texts
from bailiwick.packs.trying.findings import Remark, advice, fault
from bailiwick.packs.trying.generated import beside
from bailiwick.packs.trying.probing import source_of
from bailiwick.packs.trying.sites import sites_of

KNOWN_AT = "in.known_at"
"""The moment of knowing, which no rule reads: obligations count from it."""


def inspect(pack: Pack, files: Mapping[str, bytes]) -> Iterator[Remark]:
    """Look a pack through without deciding anything by it."""
    yield from _unused(pack)
    yield from _sources(pack)
    yield from _values_out_of_force(pack)
    yield from _sentences(pack)
    yield from _questions(pack)
    yield from _languages(pack)
    yield from _lock(pack, files)
    if "README.md" not in files:
        yield advice("no-readme", "pack", "there is no README.md", "say what the pack decides and what it leaves out")


# --- what nobody uses -------------------------------------------------------------------------------------------------


def _unused(pack: Pack) -> Iterator[Remark]:
    read = {path for site in sites_of(pack) for path in site.expression.reads}
    read |= {path for each in pack.properties for part in (each.when, each.holds) if part for path in part.reads}
    for parameter in pack.parameters:
        if parameter.path not in read:
            yield fault("unused", f"parameter {parameter.id}", "no rule reads it", "read it, or take it out")
    unread = [each.path for each in fields_of(pack.input_schema) if each.path not in read]
    given = tuple(path for call in pack.calls for path in call.facts.values())
    unread = [path for path in unread if path not in (KNOWN_AT, pack.legal_date_path, *given)]
    unread = [path for path in unread if not path.startswith(tuple(f"{each}." for each in given))]
    if unread:
        yield advice("unused", "inputs", f"no rule reads {', '.join(unread)}", "read them, or leave them to a reader")
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Measure | Table) and rule.path not in read:
            noun = "measure" if isinstance(rule, Measure) else "table"
            yield advice("unused", f"{noun} {rule.id}", "no rule reads it", "let a rule rest on it, if it decides")
    concluded = {row.outcome for row in pack.rows}
    for outcome in pack.outcomes:
        if outcome not in concluded and outcome != INDETERMINATE:
            yield fault("unused", f"outcome {outcome}", "no row gives this outcome", "give it, or take it out")
    units = {rule.unit for rule in pack.parameters} | {each.unit for each in pack.inputs}
    units |= {getattr(rule, "unit", None) for level in pack.levels for rule in level.rules}
    units |= {each.unit for call in pack.calls for each in call.gives}
    for unit in pack.units:
        if unit not in units:
            yield advice("unused", f"unit {unit}", "nothing is measured in it", "take it out")


# --- sources ----------------------------------------------------------------------------------------------------------


def _sources(pack: Pack) -> Iterator[Remark]:
    cited = {source.id for cite in _cites(pack) if (source := source_of(pack, cite)) is not None}
    for source in pack.sources:
        subject = f"source {source.id}"
        if source.status == "never-in-force":
            continue
        if source.id not in cited:
            yield advice("unused", subject, "nothing cites it", "cite it where a rule rests on it, or take it out")
        if source.valid_from is None:
            yield fault("undated", subject, f"{source.citation} has no day from which it is law", "say it as from")
        if source.status == "superseded" and source.valid_to is None:
            yield fault("undated", subject, f"{source.citation} is superseded, and has no last day", "say it as to")
        if source.url is None:
            yield advice("no-url", subject, f"nobody is told where to read {source.citation}", "give its url")
        if pack.format == FORMAT_2 and (source.retrieved is None or source.sha256 is None):
            hint = "give retrieved and the sha256 of the text that you used"
            yield advice("no-text", subject, f"which text of {source.citation} was read is not said", hint)


def _cites(pack: Pack) -> Iterator[str]:
    yield pack.law.cite
    for parameter in pack.parameters:
        yield from (dated.cite for dated in parameter.values)
    for assumption in pack.assumptions:
        yield from assumption.cite
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            yield from (cite for row in rule.rows for cite in row.cite)
        else:
            yield from rule.cite
    for row in pack.rows:
        yield from row.cite
        yield from (duty.cite for duty in row.duties)
    for effect in pack.effects:
        yield from effect.cite
    for policy in pack.policies:
        yield from (cite for reading in policy.readings for cite in reading.cite)
    for control in pack.controls:
        yield from control.cite
    for question in pack.questions.values():
        yield from question.cite


def _values_out_of_force(pack: Pack) -> Iterator[Remark]:
    """Find values that hold after the source that carries them has ended."""
    for parameter in pack.parameters:
        for position, dated in enumerate(parameter.values):
            source = source_of(pack, dated.cite)
            if source is None or source.valid_to is None:
                continue
            until = _last_day_of(pack, parameter, position)
            if until > source.valid_to:
                last = "today" if until == "9999-12-31" else until
                message = (
                    f"the value from {dated.valid_from} holds until {last}, and {source.citation}, which carries it, "
                    f"ended on {source.valid_to}"
                )
                yield fault("not-in-force", f"parameter {parameter.id}", message, "add the value of the text after it")


def _last_day_of(pack: Pack, parameter: Parameter, position: int) -> str:
    """Give a day until which a value holds: the next one's first, or the last of the pack's law."""
    if position + 1 < len(parameter.values):
        return beside(parameter.values[position + 1].valid_from)[0]
    return pack.law.valid_to or "9999-12-31"


# --- words ------------------------------------------------------------------------------------------------------------


def _sentences(pack: Pack) -> Iterator[Remark]:
    hint = "say in one sentence what it means that it holds"
    for rule in (rule for level in pack.levels for rule in level.rules):
        if isinstance(rule, Table):
            for row in rule.rows:
                if row.says is None:
                    yield advice("unsaid", f"table row {rule.id}.{row.id}", "a reader is told no sentence", hint)
        elif isinstance(rule, Measure) and rule.says is None:
            yield advice("unsaid", f"measure {rule.id}", "a reader is told no sentence", hint)
    for effect in pack.effects:
        if effect.says is None:
            yield advice("unsaid", f"effect {effect.id}", "a reader is told no sentence", hint)


def _questions(pack: Pack) -> Iterator[Remark]:
    """Find facts that an interview could not ask for; a pack without any question has no interview.

    Readings of a policy bring words of their own, and what stands in a document is taken from there.
    """
    if not pack.questions:
        return
    known = {policy.path for policy in pack.policies}
    known |= {rule.path for document in pack.foreign for rule in document.rules}
    for each in pack.inputs:
        if each.path not in pack.questions and each.path not in known:
            message = f"rules read {each.path}, and there is no question for it"
            yield fault(
                "no-question", f"input {each.path}", message, "give its property in schemas/input.json an x-question"
            )
    asked = {path for section in pack.sections for path in section.asks}
    for path in pack.questions:
        if pack.sections and path not in asked:
            message = f"{path} has a question, and no section asks it"
            yield advice("no-section", f"input {path}", message, "name it in the asks of a section in interview/")


def _languages(pack: Pack) -> Iterator[Remark]:
    for language, keys in missing_texts(pack).items():
        for key in keys:
            hint = f"add it to languages/{language}.yaml"
            yield fault("untranslated", f"language {language}", f"{key} is not said in {language}", hint)


# --- the lock ---------------------------------------------------------------------------------------------------------


def _lock(pack: Pack, files: Mapping[str, bytes]) -> Iterator[Remark]:
    """Find what is not as it was locked; the engine's syntax trees are left to whoever verifies the signature."""
    if LOCK not in files:
        return
    hint = f"when it is ready, lock and sign it anew: bailiwick pack sign {pack.name}"
    try:
        check_lock(read_lock(files[LOCK]), pack, files, EngineName(name="none", version="0"))
    except PackRefused as error:
        told = [each.message for each in error.violations] or [error.message]
        for message in told:
            yield fault("lock", "lock", message, hint)
