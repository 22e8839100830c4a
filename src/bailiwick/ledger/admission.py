"""What may stand in a record: fields by the type's contract, text of the form that it gives, nothing personal.

The contract of a type is the JSON Schema in ``contracts/schemas`` whose title is ``Detail of`` and the type. Of it,
admission asks fields, types and forms of text; ranges and what is required are the business of whoever drafts. A
refusal names the field and never the value.

    Admission.of_product().check(draft)
    Admission.of_product().extended({"payroll.paid": {"type": "object", "properties": {...}}})
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from bailiwick.errors import RecordRefused
from bailiwick.ledger.sensitive import find_sensitive
from bailiwick.model import Draft

TITLE = "Detail of "
KNOWN_MAX = 1_024
"""Values of one field that are remembered as harmless, in number: most fields say the same few words all the time."""

Guard = Callable[[Draft], None]
"""Refuses a draft that must not become a record, by raising ``RecordRefused``."""

_Check = Callable[[Any], None]
_FORM = "record-field"

# Fields of these forms hold digests, keyed names and times: nothing else fits, and no two are alike.
_OPAQUE = (
    "^sha256:[0-9a-f]{64}$",
    "^hmac-sha256:[0-9a-f]{64}$",
    "^[0-9a-f]{64}$",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$",
    "^outbox/[0-9a-f]{64}\\.json$",
)
_OPAQUE_RESOURCE = re.compile(r"[a-z]+(?:-[a-z]+)*/[0-9a-f]{32}").fullmatch


class Admission:
    """Checks drafts by the contracts of their types. Immutable but for its memory of harmless words; thread-safe."""

    def __init__(self, contracts: Mapping[str, Any]) -> None:
        """Compile the contracts.

        Args:
            contracts: JSON Schema of the detail, by type of event.
        """
        self._contracts = dict(contracts)
        self._checks = {kind: _compile(schema, schema.get("$defs", {})) for kind, schema in contracts.items()}
        self._word = _Text({})
        self._actors: set[Any] = set()

    @classmethod
    def of_product(cls) -> Admission:
        """Give the admission of every type that the product writes; read once, kept for the process."""
        return _of_product()

    def extended(self, contracts: Mapping[str, Any]) -> Admission:
        """Give an admission that knows further types: those of another room, or of a test."""
        return Admission({**self._contracts, **contracts})

    def types(self) -> list[str]:
        """List the types that are known, sorted."""
        return sorted(self._contracts)

    def check(self, draft: Draft) -> None:
        """Refuse what must not stand in a record.

        Raises:
            RecordRefused: the type is unknown, or a field is not in its contract or not of its form (``record-field``);
                text holds a personal datum (``record-personal-data``) or a secret (``record-secret``).

        Cost: about 4 µs for a decision.
        """
        check = self._checks.get(draft.event_type)
        if check is None:
            raise RecordRefused(
                f"nothing says what a record of type {draft.event_type[:80]!r} may hold",
                hint="give the type a contract: a schema whose title is 'Detail of' and the type",
                code=_FORM,
            )
        place = "detail"
        try:
            check(draft.detail)
            place = "resource"
            resource, actor = draft.resource, draft.actor
            if not _OPAQUE_RESOURCE(resource):
                self._word(resource)
            if (actor.id, actor.role) not in self._actors:
                place = "actor.id"
                self._word(actor.id)
                place = "actor.role"
                self._word(actor.role)
                _remember(self._actors, (actor.id, actor.role))
        except _Misfit as misfit:
            raise misfit.refusal(draft.event_type, place) from None


@lru_cache(maxsize=1)
def _of_product() -> Admission:
    folder = files("bailiwick") / "contracts" / "schemas"
    found = [msgspec.json.decode(each.read_bytes()) for each in folder.iterdir() if each.name.endswith(".json")]
    return Admission({each["title"][len(TITLE) :]: each for each in found if each["title"].startswith(TITLE)})


class _Misfit(Exception):
    """What does not fit, and where: the path grows on its way out. It never carries the value."""

    def __init__(self, why: str, *, code: str = _FORM) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.path: list[str] = []

    def refusal(self, event_type: str, place: str) -> RecordRefused:
        where = ".".join([place, *reversed(self.path)])
        if self.code == _FORM:
            hint = f"see the contract of {event_type}; facts belong into blobs, and their digest into the record"
        else:
            hint = "a record is kept for years: put the value into a blob, and its digest or a keyed name here"
        return RecordRefused(f"{where} of a record of type {event_type} {self.why}", hint=hint, code=self.code)


def check_no_secret(name: str, text: str | None) -> None:
    """Refuse text from a caller that holds a personal datum or a secret, outside of any contract.

    Raises:
        RecordRefused: ``record-personal-data`` or ``record-secret``, under the name and without the text.
    """
    if text is not None and (found := find_sensitive(text)):
        raise RecordRefused(f"{name} holds {found[1]}", hint="use an opaque name", code=found[0])


# --- contracts, compiled --------------------------------------------------------------------------------------------


def _compile(schema: Any, names: Mapping[str, Any]) -> _Check:
    """Make a check of the part of JSON Schema that our contracts use."""
    if "$ref" in schema:
        return _compile(names[schema["$ref"].removeprefix("#/$defs/")], names)
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return _either([_compile(branch, names) for branch in branches])
    if "const" in schema or "enum" in schema:
        return _one_of(schema["enum"] if "enum" in schema else [schema["const"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _either([_compile({**schema, "type": each}, names) for each in kind])
    made: dict[Any, Callable[[], _Check]] = {
        "object": lambda: _object(schema, names),
        "array": lambda: _array(_compile(schema.get("items", {}), names)),
        "string": lambda: _Text(schema),
        "integer": lambda: _scalar(int, "integer"),
        "boolean": lambda: _scalar(bool, "boolean"),
        "null": lambda: _scalar(type(None), "null"),
    }
    return made.get(kind, lambda: _any_value(_Text({})))()


def _scalar(kind: type, name: str) -> _Check:
    """Make a check of one type, and of none below it: True is no number here."""

    def check(value: Any) -> None:
        if type(value) is not kind:
            raise _Misfit(f"is no {name}")

    return check


def _one_of(values: list[Any]) -> _Check:
    """Make a check of values that are listed, with their types."""

    def check(value: Any) -> None:
        if not any(type(value) is type(each) and value == each for each in values):
            raise _Misfit("is none of the values that its contract lists")

    return check


def _either(checks: list[_Check]) -> _Check:
    """Make a check of values that may pass any of several; where none passes, a datum is told before a form."""

    def check(value: Any) -> None:
        misfit = None
        for each in checks:
            try:
                return each(value)
            except _Misfit as error:
                misfit = error if misfit is None or error.code != _FORM else misfit
        assert misfit is not None
        raise misfit

    return check


def _array(item: _Check) -> _Check:
    """Make a check of a list whose members all pass one check."""

    def check(value: Any) -> None:
        if type(value) is not list and type(value) is not tuple:
            raise _Misfit("is no list")
        for position, each in enumerate(value):
            try:
                item(each)
            except _Misfit as misfit:
                misfit.path.append(str(position))
                raise

    return check


def _object(schema: Any, names: Mapping[str, Any]) -> _Check:
    """Make a check of an object: each field by its own schema, others by what the schema says of them."""
    fields = {key: _compile(each, names) for key, each in schema.get("properties", {}).items()}
    further = schema.get("additionalProperties", True)
    rest = None if further is False else _any_value(_Text({})) if further is True else _compile(further, names)
    name = _compile(schema.get("propertyNames", {"type": "string"}), names)
    find = fields.get
    surely = {key: each.surely for key, each in fields.items() if isinstance(each, _Text)}.get

    def check(value: Any) -> None:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise _Misfit("is no object")
        key = ""
        try:
            for key, item in value.items():
                if type(item) is str and (fits := surely(key)) is not None and fits(item):
                    continue
                (find(key) or _unlisted(key, rest, name))(item)
        except _Misfit as misfit:
            misfit.path.append(key if key in fields else "(a field)")
            raise

    return _remembered(check) if _is_repeated(schema, names) else check


def _is_repeated(schema: Any, names: Mapping[str, Any]) -> bool:
    """Say whether an object holds text alone, and no keyed names: such objects come again and again."""
    further = schema.get("additionalProperties", True)
    members = [*schema.get("properties", {}).values(), *([further] if further is not False else [])]
    resolved = [
        names[each["$ref"].removeprefix("#/$defs/")] if "$ref" in each else each for each in members if each is not True
    ]
    texts = [each for each in resolved if each.get("type") == "string" and "hmac" not in each.get("pattern", "")]
    return bool(members) and len(texts) == len(members)


def _remembered(check: _Check) -> _Check:
    """Remember objects that passed. Text never equals anything but the same text, so equal objects pass alike."""
    known: set[Any] = set()

    def recall(value: Any) -> None:
        try:
            same = (*value, *value.values())
            if same in known:
                return
        except (TypeError, AttributeError):
            return check(value)  # no object, or with members that are no text
        check(value)
        _remember(known, same)

    return recall


def _remember(known: set[Any], harmless: Any) -> None:
    if len(known) < KNOWN_MAX:
        known.add(harmless)


def _unlisted(key: str, rest: _Check | None, name: _Check) -> _Check:
    """Give the check of a field that the contract does not name. The name may be the very datum: it is not told."""
    if rest is None:
        raise _Misfit("is not among the fields that its contract lists")
    name(key)
    return rest


def _any_value(text: _Check) -> _Check:
    """Make a check of values that a contract leaves open: their text is looked at all the same."""

    def check(value: Any) -> None:
        if type(value) is str:
            text(value)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                text(key)
                check(item)
        elif isinstance(value, list | tuple):
            for item in value:
                check(item)

    return check


class _Text:
    """A check of text: the contract's form first, then the lint, whose answer is remembered.

    ``surely`` says of a text, in one call, that it passes; where it does not say so, the check decides.
    """

    __slots__ = ("_characters_max", "_fits", "_is_opaque", "_known", "surely")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        pattern = schema.get("pattern", "")
        form = re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)
        self._fits = form.match if pattern.startswith("^") else form.search
        self._is_opaque = pattern in _OPAQUE
        self._characters_max = schema.get("maxLength", 1 << 16)
        self._known: set[str] = set()
        self.surely: Callable[[str], object] = self._fits if self._is_opaque else self._known.__contains__

    def __call__(self, value: Any) -> None:
        if type(value) is not str:
            raise _Misfit("is no text")
        if self._is_opaque:
            if not self._fits(value):
                raise _Misfit("does not have the form that its contract gives")
            return
        if value in self._known:
            return
        if len(value) > self._characters_max or not self._fits(value):
            raise _Misfit("does not have the form that its contract gives")
        if found := find_sensitive(value):
            code, what = found
            raise _Misfit(f"holds {what}", code=code)
        _remember(self._known, value)
