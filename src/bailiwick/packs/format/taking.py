"""``rules/facts.yaml`` becomes rules of taking: each is checked against the facts that the input schema declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.foreign import FactRule, Facts, Pattern, Scale, Tolerance
from bailiwick.packs.format.pinned import Attachment
from bailiwick.schema import Contract, parse_document

FACTS_PATH = "rules/facts.yaml"
STARS_MAX = 3
"""Most ``*`` in one pointer: lists within lists that one fact goes through."""

_TAKES = {"count": "integer", "sum": "integer", "exists": "boolean"}


def foreign_documents(
    declared: Declarations, attachments: Mapping[str, Attachment], files: Mapping[str, bytes]
) -> tuple[Facts, ...]:
    """Build what a pack says of foreign documents; every fault is noted.

    Args:
        declared: The pack's names.
        attachments: What the pack pins, by path; one that nobody supplied leaves its contract open.
        files: The pack's own files, for a contract that is one of them.
    """
    found: list[Facts] = []
    seen: set[str] = set()
    for document, pointer, item in declared.sound_items(FACTS_PATH, "documents"):
        declared.check_once(document, f"{pointer}/id", item["id"], seen)
        for mark in (item["id"], *item.get("marks", ())):
            if declared.has_schema and any(field.keys[0] == mark for field in declared.inputs):
                message = f"{mark} is a fact of the input schema, so it cannot tell a document"
                declared.fault(document, f"{pointer}/marks", "name", message, mark)
        found.append(_document(declared, document, pointer, item, attachments=attachments, files=files))
    return tuple(found)


def _document(
    declared: Declarations,
    document: Document,
    pointer: str,
    item: dict[str, Any],
    *,
    attachments: Mapping[str, Attachment],
    files: Mapping[str, bytes],
) -> Facts:
    path, asserted = item["contract"], item["formats"] == "assert"
    attachment = attachments.get(path)
    content = attachment.content if attachment is not None else files.get(path)
    if attachment is None and content is None:
        message = f"{path} is neither an attachment of pack.yaml nor a file of the pack"
        declared.fault(document, f"{pointer}/contract", "name", message, path)
    contract = None
    if content is not None:
        try:
            contract = Contract(parse_document(content), assert_formats=asserted)
        except InputRefused as error:
            declared.fault(document, f"{pointer}/contract", error.code, error.message, path)
    return Facts(
        id=item["id"],
        contract_path=path,
        is_format_asserted=asserted,
        rules=tuple(_rules(declared, document, pointer, item["facts"])),
        marks=tuple(item.get("marks", ())),
        tolerated=tuple(
            Tolerance(rule=each["rule"], pointer=each["path"], because=each["because"])
            for each in item.get("tolerates", ())
        ),
        attachment=attachment,
        contract=contract,
    )


def _rules(declared: Declarations, document: Document, pointer: str, items: list[dict[str, Any]]) -> Iterator[FactRule]:
    seen: set[str] = set()
    for position, item in enumerate(items):
        place = f"{pointer}/facts/{position}"
        declared.check_once(document, f"{place}/name", item["name"], seen)
        declared.check_unit(document, f"{place}/unit", item.get("unit"))
        _check_fact(declared, document, place, item)
        scale = item.get("decimal")
        yield FactRule(
            path="in." + item["name"],
            keys=tuple(item["name"].split(".")),
            pointer=item["path"],
            take=item["take"],
            type=item["type"],
            scale=None if scale is None else Scale(places=scale["places"], rounding=scale["rounding"]),
            unit=item.get("unit"),
            where=item.get("where", {}),
            pattern=_pattern(declared, document, place, item.get("matches")),
            days=tuple(item.get("days", ())),
            others=tuple(item.get("or", ())),
        )


def _check_fact(declared: Declarations, document: Document, place: str, item: dict[str, Any]) -> None:
    """Note a fact that the input schema does not have so, and a rule that cannot give its type."""
    path, kind, take = "in." + item["name"], item["type"], item["take"]
    fields = {field.path: field for field in declared.inputs}
    if declared.has_schema and path not in fields:
        declared.fault(document, f"{place}/name", "name", f"{path} is not in the input schema", path)
    elif path in fields and fields[path].type != kind:
        message = f"{path} is {fields[path].type} in the input schema"
        declared.fault(document, f"{place}/type", "type", message, kind)
    elif path in fields and fields[path].unit != item.get("unit"):
        message = f"{path} is in {fields[path].unit or 'no unit'} in the input schema"
        declared.fault(document, f"{place}/unit", "unit", message, item.get("unit", ""))
    wanted = _TAKES.get(take)
    is_list = kind.endswith("s")
    if (wanted is not None and kind != wanted) or (take == "values") != is_list:
        declared.fault(document, f"{place}/type", "type", f"{take} does not give {kind}", kind)
    for name, inner in (("decimal", "integer"), ("days", "string")):
        if name in item and (kind.removesuffix("s") != inner or take in ("count", "exists")):
            declared.fault(document, f"{place}/{name}", "type", f"{name} is said of {inner} values that are taken")
    for pointer in (item["path"], *item.get("or", ())):
        if pointer.split("/").count("*") > STARS_MAX:
            declared.fault(document, f"{place}/path", "pointer", f"more than {STARS_MAX} lists within lists", pointer)


def _pattern(declared: Declarations, document: Document, place: str, text: str | None) -> Pattern | None:
    if text is None:
        return None
    try:
        contract = Contract({"type": "string", "pattern": text}, assert_formats=True)
    except InputRefused as error:
        declared.fault(document, f"{place}/matches", error.code, error.message, text)
        return None
    return Pattern(text=text, contract=contract)
