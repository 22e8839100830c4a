"""What people are asked: a question at a fact of the schema, and sections that put questions in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.files import contract_named
from bailiwick.packs.format.inputs import Place
from bailiwick.packs.format.pack import INPUT_SCHEMA, Question, Section

_KEYWORD = "x-question"
_PII = "none"


def questions_of(declared: Declarations) -> dict[str, Question]:
    """Build the questions by the paths of their facts, in the schema's order."""
    if declared.is_first:
        return {}
    found = (_question(declared, place) for place in declared.places.values() if _KEYWORD in place.rule)
    return {question.path: question for question in found if question is not None}


def _question(declared: Declarations, place: Place) -> Question | None:
    given, pointer = place.rule[_KEYWORD], f"{place.pointer}/{_KEYWORD}"
    violations = contract_named("pack-question").violations(given)
    for each in violations:
        declared.fault(INPUT_SCHEMA, pointer + each.path, each.rule, each.message, each.value)
    if violations:
        return None
    options = given.get("options", {})
    _check_options(declared, f"{pointer}/options", place, options)
    cite = declared.cites(Document(file=INPUT_SCHEMA, value={}), pointer, given) if "cite" in given else ()
    return Question(
        path=place.path,
        ask=given["ask"],
        help=given.get("help"),
        why=given.get("why"),
        cite=cite,
        pii=given.get("pii", _PII),
        options=options,
    )


def _check_options(declared: Declarations, pointer: str, place: Place, options: dict[str, str]) -> None:
    """Note labels of values that the fact cannot have."""
    known = _values(place.rule)
    for name in options:
        if name not in known:
            message = f"{name[:80]} is no value that the schema lists for {place.path}"
            declared.fault(INPUT_SCHEMA, pointer, "option", message, name)


def _values(rule: dict[str, Any]) -> set[str]:
    """List as text the values that a fact may have, where the schema lists them."""
    items = rule.get("items")
    inner = items if rule.get("type") == "array" and isinstance(items, dict) else rule
    listed = inner.get("enum", [inner["const"]] if "const" in inner else [])
    kinds = inner.get("type")
    if not listed and "boolean" in (kinds if isinstance(kinds, list) else [kinds]):
        listed = [True, False]
    return {_text(value) for value in listed if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def sections_of(declared: Declarations) -> Iterator[Section]:
    """Build the sections, in order of their files; a fact is asked for in one of them at most."""
    seen: set[str] = set()
    asked: set[str] = set()
    for folder_document in declared.folder("interview/"):
        for document, pointer, item in declared.sound_items(folder_document.file, "sections"):
            declared.check_once(document, f"{pointer}/id", item["id"], seen)
            for position, path in enumerate(item["asks"]):
                declared.check_fact(document, f"{pointer}/asks/{position}", path)
                declared.check_once(document, f"{pointer}/asks/{position}", path, asked)
            yield Section(id=item["id"], title=item["title"], asks=tuple(item["asks"]))
