"""The words of a pack that people read, each by the key under which a translation of it stands."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.packs.format.pack import Call, Level, Pack, Table

Text = tuple[str, str | None]
"""A key, and what the pack says there in its own language."""


def own_texts(pack: Pack) -> dict[str, str]:
    """Give every text of a pack in its own language, by its key, in the pack's order.

    Keys: ``title``, ``outcome ID``, ``unit ID``, ``parameter ID``, ``policy ID``, ``reading POLICY/ID``,
    ``assumption ID``, ``measure ID``, ``table ID.ROW``, ``call ID``, ``row ID``, ``obligation ROW/ID``, ``effect ID``,
    ``control ID``, ``question PATH``, ``help PATH``, ``why PATH``, ``option PATH/VALUE``, ``section ID``. A rule that
    says nothing has no key.
    """
    found: dict[str, str] = {"title": pack.title}
    for key, text in (*_of_law(pack), *_of_rules(pack.levels), *_of_impacts(pack), *_of_interview(pack)):
        if text is not None:
            found.setdefault(key, text)
    return found


def missing_texts(pack: Pack) -> dict[str, list[str]]:
    """Give for each further language of a pack the keys that it has no text for, where there are any."""
    keys = own_texts(pack)
    lacking = {
        language: [key for key in keys if key not in pack.texts.get(language, {})] for language in pack.languages[1:]
    }
    return {language: missing for language, missing in lacking.items() if missing}


def _of_law(pack: Pack) -> Iterator[Text]:
    for name, text in pack.outcomes.items():
        yield f"outcome {name}", text
    for name, text in pack.units.items():
        yield f"unit {name}", text
    for parameter in pack.parameters:
        yield f"parameter {parameter.of or parameter.id}", parameter.title
    for policy in pack.policies:
        yield f"policy {policy.id}", policy.title
        for reading in policy.readings:
            yield f"reading {policy.id}/{reading.id}", reading.text
    defaults = {policy.assumption for policy in pack.policies}
    for assumption in pack.assumptions:
        if assumption.id not in defaults:
            yield f"assumption {assumption.id}", assumption.text


def _of_rules(levels: tuple[Level, ...]) -> Iterator[Text]:
    for rule in (rule for level in levels for rule in level.rules):
        if isinstance(rule, Table):
            for row in rule.rows:
                yield f"table {rule.id}.{row.id}", row.says
        elif isinstance(rule, Call):
            yield f"call {rule.id}", rule.says
        else:
            yield f"measure {rule.id}", rule.says


def _of_impacts(pack: Pack) -> Iterator[Text]:
    for row in pack.rows:
        yield f"row {row.id}", row.says
        for duty in row.duties:
            yield f"obligation {row.id}/{duty.id}", duty.text
    for effect in pack.effects:
        yield f"effect {effect.id}", effect.says
    for control in pack.controls:
        yield f"control {control.id}", control.title


def _of_interview(pack: Pack) -> Iterator[Text]:
    for path, question in pack.questions.items():
        yield f"question {path}", question.ask
        yield f"help {path}", question.help
        yield f"why {path}", question.why
        for value, label in question.options.items():
            yield f"option {path}/{value}", label
    for section in pack.sections:
        yield f"section {section.id}", section.title
