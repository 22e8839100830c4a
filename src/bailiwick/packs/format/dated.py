"""Parameters as a pack writes them become parameters as rules read them: dated, cited, one for each case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bailiwick.model import JsonValue, Read
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import DatedValue, Parameter
from bailiwick.packs.language.expressions import is_of_type

if TYPE_CHECKING:
    from bailiwick.packs.format.declarations import Declarations

_FAR = "9999-12-31"


def parameters_of(declared: Declarations) -> Iterator[Parameter]:
    """Declare every parameter of the pack and build those that are sound; what is wrong is noted."""
    seen: set[str] = set()
    for document in declared.folder("parameters/"):
        for pointer, item in document.items("parameters"):
            name = item.get("id")
            if isinstance(name, str) and name in seen:
                declared.fault(document, f"{pointer}/id", "duplicate", f"{name} is declared twice", name)
            else:
                _declare(declared, document, pointer, item)
            seen.add(str(name))
            if document.is_sound(pointer):
                yield from _built(declared, document, pointer, item)


def _declare(declared: Declarations, document: Document, pointer: str, item: Mapping[str, Any]) -> None:
    cases = item.get("by")
    if not isinstance(cases, list):
        declared.declare(document, pointer, item, "p")
        return
    for case in cases:
        declared.declare(document, pointer, {**item, "id": f"{item.get('id')}.{case}"}, "p")


def _built(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> Iterator[Parameter]:
    declared.check_unit(document, f"{pointer}/unit", item.get("unit"))
    _check_dates(declared, document, pointer, item)
    if "by" not in item:
        yield _parameter(declared, document, pointer, item, None)
        return
    for position, each in enumerate(item["values"]):
        if not isinstance(each["value"], dict):
            message = f"an object with a value for each of {', '.join(item['by'])} is called for"
            declared.fault(document, f"{pointer}/values/{position}/value", "type", message, each["value"])
            return
        for case in each["value"].keys() - set(item["by"]):
            message = f"{case} is none of the cases: {', '.join(item['by'])}"
            declared.fault(document, f"{pointer}/values/{position}/value/{case}", "name", message, case)
    for case in item["by"]:
        parameter = _parameter(declared, document, pointer, item, case)
        if parameter.values:
            yield parameter
        else:
            declared.fault(document, f"{pointer}/values", "missing", f"{case} has no value at any date", case)


def _check_dates(declared: Declarations, document: Document, pointer: str, item: dict[str, Any]) -> None:
    before = ""
    for position, each in enumerate(item["values"]):
        place = f"{pointer}/values/{position}"
        _check_validity(declared, document, place, each)
        if each["from"] <= before:
            message = f"{each['from']} does not come after {before}"
            declared.fault(document, f"{place}/from", "order", message, each["from"])
        before = each["from"]


def _parameter(
    declared: Declarations, document: Document, pointer: str, item: dict[str, Any], case: str | None
) -> Parameter:
    name = item["id"] if case is None else f"{item['id']}.{case}"
    values: list[DatedValue] = []
    for position, each in enumerate(item["values"]):
        place = f"{pointer}/values/{position}/value" + ("" if case is None else f"/{case}")
        value = each["value"] if case is None else each["value"].get(case)
        if case is not None and value is None:
            if values:
                message = f"{case} has had a value since {values[0].valid_from}: write what it is from {each['from']}"
                declared.fault(document, place, "order", message, value)
            continue
        if not is_of_type(value, item["type"]):
            message = f"the value is no {item['type']}, which {item['id']} is declared to be"
            declared.fault(document, place, "type", message, value)
        values.append(_dated(f"p.{name}", item.get("unit"), each, value))
    return Parameter(
        id=name,
        type=item["type"],
        unit=item.get("unit"),
        title=item["title"],
        values=tuple(values),
        of=None if case is None else item["id"],
        case=case,
    )


def _check_validity(declared: Declarations, document: Document, place: str, value: Mapping[str, Any]) -> None:
    """Note a value that begins when its source was not, or no more, in force."""
    source = declared.check_cite(document, f"{place}/cite", value["cite"])
    if source is None:
        return
    start, stop = source.valid_from or "", source.valid_to or _FAR
    if not start <= value["from"] <= stop:
        span = f"{source.valid_from or 'the beginning'} to {source.valid_to or 'now'}"
        message = f"{value['from']} is outside of {source.citation}, in force from {span}"
        declared.fault(document, f"{place}/from", "date", message, value["from"])


def _dated(path: str, unit: str | None, dated: Mapping[str, Any], value: JsonValue) -> DatedValue:
    start, cite = dated["from"], dated["cite"]
    read = Read(path=path, value=value, unit=unit, in_force_from=start, cite=cite)
    return DatedValue(valid_from=start, value=value, cite=cite, read=read)
