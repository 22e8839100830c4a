"""YAML as a pack may write it: one document of plain JSON values, read from its events, with nothing resolved by guess.

Refused: anchors and aliases (so no bombs), tags, merge keys, duplicate keys, several documents, floats, and every plain
word that one version of YAML takes for a boolean or a number and another for text. A date stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import Violation
from bailiwick.model import INTEGER_MAX, JsonValue

FILE_BYTES_MAX = 256 << 10
"""Largest file of a pack, in bytes."""
DEPTH_MAX = 12
"""Deepest nesting of a document, in levels."""
VALUES_MAX = 20_000
"""Most values in one document."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})\Z")
_NUMERIC = re.compile(r"[-+]?(\.[0-9]|[0-9])[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?\Z|[-+]?0[xob][0-9a-fA-F_]+\Z")
_SIXTY = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\Z")
_DOUBTFUL = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".inf", "-.inf", ".nan"})
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None, "": None}


class DocumentFault(ValueError):
    """A file that is no document of a pack. ``violation`` says where and why; its path is the line."""

    def __init__(self, file: str, line: int | None, rule: str, message: str, value: str = "") -> None:
        super().__init__(message)
        where = file if line is None else f"{file}:{line}"
        self.violation = Violation(path=where, rule=rule, message=message, value=value[:80])


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read."""

    value: dict[str, JsonValue] | list[JsonValue]
    key: str | None = None
    keys: set[str] = field(default_factory=set)


def read_yaml(file: str, raw: bytes) -> JsonValue:
    """Read one YAML file of a pack.

    Raises:
        DocumentFault: not UTF-8, too large, too deep, not YAML, or more than plain JSON values.

    >>> read_yaml("p.yaml", b"from: 2015-01-01")
    {'from': '2015-01-01'}
    >>> read_yaml("p.yaml", b"a: &x 1")
    Traceback (most recent call last):
    ...
    bailiwick.packs.format.documents.DocumentFault: an anchor: write the value out where it is meant
    """
    import yaml

    _check_bytes(file, raw)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    reader = _Reader(file)
    try:
        for event in yaml.parse(raw, Loader=loader):
            reader.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise DocumentFault(file, mark.line + 1 if mark else None, "yaml", str(problem)[:200]) from error
    return reader.finish()


def lines_of(raw: bytes) -> dict[str, int]:
    """Give the line, from 1, on which each value of a document begins (its key, where it has one), by JSON Pointer.

    Args:
        raw: A document that ``read_yaml`` accepts.

    >>> lines_of(b"rows:\\n- id: a\\n  when: x")["/rows/0/when"]
    3
    """
    import yaml

    found: dict[str, int] = {}
    waiting: list[tuple[str, Any, int]] = []
    root = yaml.compose(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if root is not None:
        waiting.append(("", root, root.start_mark.line))
    while waiting:
        pointer, node, line = waiting.pop()
        found[pointer] = line + 1
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = str(key.value).replace("~", "~0").replace("/", "~1")
                waiting.append((f"{pointer}/{name}", value, key.start_mark.line))
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                waiting.append((f"{pointer}/{position}", value, value.start_mark.line))
    return found


def _check_bytes(file: str, raw: bytes) -> None:
    if len(raw) > FILE_BYTES_MAX:
        raise DocumentFault(file, None, "size", f"{len(raw)} bytes; a file of a pack has at most {FILE_BYTES_MAX}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentFault(file, None, "encoding", f"not UTF-8 at byte {error.start}") from error
    if "\x00" in text:
        raise DocumentFault(file, None, "encoding", "holds NUL")


class _Reader:
    """Builds the value from events on a stack of its own: no recursion, every limit met as it is passed."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[_Open] = []
        self.documents = 0
        self.count = 0
        self.root: JsonValue = None

    def take(self, event: Any) -> None:
        """Take one event of the parser."""
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "DocumentStartEvent":
            self._start_document(event, line)
        elif kind == "AliasEvent":
            raise self._fault(line, "alias", "an alias: write the value out where it is meant")
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._check_bare(event, line)
            self._put({} if kind == "MappingStartEvent" else [], line, opens=True)
        elif kind == "ScalarEvent":
            self._check_bare(event, line)
            self._scalar(event, line)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.stack.pop()

    def finish(self) -> JsonValue:
        """Give the value of the one document."""
        if self.documents == 0:
            raise DocumentFault(self.file, None, "empty", "the file holds no document")
        return self.root

    def _start_document(self, event: Any, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._fault(line, "documents", "a second document; a file of a pack holds one")
        if event.tags or event.version:
            raise self._fault(line, "directive", "a directive: a pack's YAML has none")

    def _check_bare(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise self._fault(line, "anchor", "an anchor: write the value out where it is meant")
        if event.tag is not None:
            raise self._fault(line, "tag", f"the tag {event.tag[:40]}: a pack's YAML has none")

    def _scalar(self, event: Any, line: int) -> None:
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._key(parent, event.value, line)
            return
        value = self._plain(event.value, line) if not event.style else event.value
        self._put(value, line, opens=False)

    def _key(self, parent: _Open, key: str, line: int) -> None:
        if key in parent.keys:
            raise self._fault(line, "duplicate-key", f"the key {key[:80]!r} stands twice in one mapping")
        if key == "<<":
            raise self._fault(line, "merge-key", "a merge key: write the values out where they are meant")
        parent.keys.add(key)
        parent.key = key

    def _plain(self, text: str, line: int) -> JsonValue:
        """Read a plain scalar: an integer, true, false, null, or text that is beyond doubt."""
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text) and text != "-0":
            number = int(text)
            if abs(number) > INTEGER_MAX:
                raise self._fault(line, "integer", f"{text} is beyond 2^53-1", text)
            return number
        if _NUMERIC.match(text) or _SIXTY.match(text):
            raise self._fault(line, "number", f"{text[:40]} is no plain integer: quote it if it is text", text)
        if text.lower() in _DOUBTFUL:
            raise self._fault(line, "doubtful", f"{text} is a word that YAML reads in two ways: quote it", text)
        return text

    def _put(self, value: JsonValue, line: int, *, opens: bool) -> None:
        self.count += 1
        if self.count > VALUES_MAX:
            raise self._fault(line, "values", f"more than {VALUES_MAX} values")
        if not self.stack:
            self.root = value
        else:
            self._place(self.stack[-1], value, line)
        if opens:
            if len(self.stack) >= DEPTH_MAX:
                raise self._fault(line, "depth", f"nested deeper than {DEPTH_MAX} levels")
            assert isinstance(value, dict | list)
            self.stack.append(_Open(value))

    def _place(self, parent: _Open, value: JsonValue, line: int) -> None:
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            raise self._fault(line, "key", "a key that is a list or a mapping")
        else:
            parent.value[parent.key] = value
            parent.key = None

    def _fault(self, line: int, rule: str, message: str, value: str = "") -> DocumentFault:
        return DocumentFault(self.file, line, rule, message, value)


class Faults:
    """Everything that is wrong with a pack, collected so that its author sees all of it at once."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, file: str, pointer: str, rule: str, message: str, value: object = "") -> None:
        """Note one fault: the file, the JSON Pointer in it, one word for the rule, and a sentence."""
        path = f"{file}#{pointer}" if pointer else file
        self.found.append(Violation(path=path, rule=rule, message=message, value=str(value)[:80]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file of a pack as JSON, and the places in it that its schema refuses (JSON Pointers)."""

    file: str
    value: dict[str, Any]
    broken: tuple[str, ...] = ()

    def items(self, key: str) -> list[tuple[str, dict[str, Any]]]:
        """List the objects under a key with their pointers, in order; broken ones too (see ``is_sound``)."""
        found = self.value.get(key)
        if not isinstance(found, list):
            return []
        return [(f"/{key}/{position}", item) for position, item in enumerate(found) if isinstance(item, dict)]

    def is_sound(self, pointer: str) -> bool:
        """Say whether the schema refuses nothing at or below a place, nor a place that holds it."""
        below = pointer + "/"
        return not any(
            each == pointer or each.startswith(below) or pointer.startswith(each + "/") for each in self.broken
        )
