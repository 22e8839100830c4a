"""The exact JSON reader: slower, without recursion, and able to say what is wrong and where.

It is the authority on what strict JSON is here; ``document.py`` asks it whenever the fast reader has a doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from bailiwick.errors import DocumentRefused
from bailiwick.model import INTEGER_MAX
from bailiwick.schema.limits import DocumentLimits
from bailiwick.schema.text import pointer, quoted

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBER_LIKE = re.compile(r"[-+.0-9A-Za-z]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_WORD = re.compile(r"-?[A-Za-z]+")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_WORDS = {"true": True, "false": False, "null": None}
_NOT_A_NUMBER = {"NaN", "Infinity", "-Infinity", "-NaN", "nan", "inf", "-inf"}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_INTEGER_DIGITS_MAX = len(str(INTEGER_MAX))


class _Open:
    """Marks that a container has been opened or goes on, so that its next member is to be read."""


_OPEN = _Open()


@dataclass(slots=True)
class _Frame:
    """A container being read and the place of its newest member: None while the key of a member is read."""

    container: Any
    key: str | int | None


def scan(raw: bytes, limits: DocumentLimits) -> Any:
    """Read one JSON document, or refuse it naming reason, JSON Pointer, byte, line and column.

    Raises:
        DocumentRefused: see ``document.parse_document``, which checks the length first.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DocumentRefused(
            f"byte {error.start} is not UTF-8 (0x{raw[error.start]:02x})",
            hint="save the document as UTF-8; a half character (surrogate) has no UTF-8 form",
            code="json-encoding",
            byte=error.start,
            line=raw.count(b"\n", 0, error.start) + 1,
        ) from error
    return _Scanner(text, limits).document()


class _Scanner:
    """One reading of one text: where it is, and the containers that are open."""

    def __init__(self, text: str, limits: DocumentLimits) -> None:
        self._text = text
        self._limits = limits
        self._at = 0
        self._frames: list[_Frame] = []

    def document(self) -> Any:
        """Read the whole text as one value."""
        if self._text.startswith("\ufeff"):
            self._refuse("bom", "the document starts with a byte order mark", "save it as UTF-8 without BOM")
        self._skip()
        if self._at == len(self._text):
            self._refuse("empty", "there is no value at all", "send one JSON value")
        value = self._value()
        self._skip()
        if self._at < len(self._text):
            self._refuse(
                "trailing",
                f"{quoted(self._text[self._at : self._at + 20])} follows after the value",
                "send one JSON value and nothing after it; lines of values are JSON Lines",
            )
        return value

    def _value(self) -> Any:
        """Read one value and all that it holds, on a stack of our own."""
        while True:
            value = self._begin()
            while value is not _OPEN:
                if not self._frames:
                    return value
                value = self._attach(value)

    def _begin(self) -> Any:
        """Read a scalar or an empty container, or open a container up to its first member."""
        character = self._peek("a value")
        if character == "{":
            return self._open({}, "}")
        if character == "[":
            return self._open([], "]")
        if character == '"':
            return self._string()
        if character in "-0123456789":
            return self._number()
        return self._word()

    def _open(self, container: Any, end: str) -> Any:
        if len(self._frames) == self._limits.depth_max:
            self._refuse(
                "too-deep",
                f"arrays and objects are nested deeper than {self._limits.depth_max} levels",
                "flatten the document",
            )
        self._at += 1
        self._skip()
        if self._peek(f"a member or {end}") == end:
            self._at += 1
            return container
        self._frames.append(_Frame(container, 0))
        if end == "}":
            self._key()
        return _OPEN

    def _attach(self, value: Any) -> Any:
        """Put a finished value into its container; give the container back when that is finished too."""
        frame = self._frames[-1]
        end = "]"
        if type(frame.container) is dict:
            frame.container[frame.key] = value
            end = "}"
        else:
            frame.container.append(value)
        self._skip()
        character = self._peek(f"a comma or {end}")
        if character == end:
            self._at += 1
            return self._frames.pop().container
        if character != ",":
            self._refuse_syntax(f"a comma or {end}")
        self._at += 1
        self._skip()
        if end == "}":
            self._key()
        else:
            frame.key = len(frame.container)
        return _OPEN

    def _key(self) -> None:
        """Read a key and its colon into the innermost frame."""
        frame = self._frames[-1]
        frame.key = None
        begin = self._at
        if self._peek("a key in double quotes") != '"':
            self._refuse_syntax("a key in double quotes")
        frame.key = key = self._string()
        if key in frame.container:
            self._refuse(
                "duplicate-key",
                f"the key {quoted(key)} stands twice in one object",
                "keep one of the two; readers disagree about which one counts",
                at=begin,
            )
        self._skip()
        if self._peek("a colon") != ":":
            self._refuse_syntax("a colon")
        self._at += 1
        self._skip()

    def _string(self) -> str:
        parts: list[str] = []
        begin = self._at
        self._at += 1
        while True:
            plain = _PLAIN.match(self._text, self._at)
            assert plain is not None
            parts.append(plain.group())
            self._at = plain.end()
            character = self._peek("the end of the string that began here", at=begin)
            if character == '"':
                self._at += 1
                return "".join(parts)
            if character != "\\":
                self._refuse(
                    "control-character",
                    f"a string holds the control character U+{ord(character):04X} as it is",
                    "write it as an escape, such as \\n or \\u0000",
                )
            parts.append(self._escape())

    def _escape(self) -> str:
        begin = self._at
        self._at += 1
        letter = self._peek("the rest of an escape")
        if letter != "u":
            if letter not in _ESCAPES:
                self._refuse(
                    "escape",
                    f"{quoted(letter)} after a backslash is not an escape of JSON",
                    'after a backslash JSON knows " \\ / b f n r t and u with four digits',
                    at=begin,
                )
            self._at += 1
            return _ESCAPES[letter]
        unit = self._unit(begin)
        self._at = begin + 6
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit)
        low = self._unit(self._at) if self._text.startswith("\\u", self._at) and unit < 0xDC00 else 0
        if not 0xDC00 <= low <= 0xDFFF:
            self._refuse(
                "surrogate",
                f"\\u{unit:04x} is half a character without its other half",
                "send well-formed Unicode: a high surrogate followed by a low one, or the character itself",
                at=begin,
            )
        self._at += 6
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))

    def _unit(self, at: int) -> int:
        """Read the four hexadecimal digits of the escape that starts at ``at``."""
        digits = _HEX.match(self._text, at + 2)
        if digits is None:
            self._refuse("escape", "\\u needs four hexadecimal digits", "write for instance \\u00e9", at=at)
        return int(digits.group(), 16)

    def _number(self) -> int | Decimal:
        match = _NUMBER.match(self._text, self._at)
        like = _NUMBER_LIKE.match(self._text, self._at)
        assert like is not None
        if match is None or match.end() != like.end():
            self._refuse_word(like.group())
        whole, fraction, exponent = match.groups()
        digits = len(whole) + len(fraction or ".") - 1
        if fraction is None and exponent is None:
            return self._integer(match.group(), len(whole))
        if digits > self._limits.digits_max:
            self._refuse(
                "number-too-long",
                f"a number has {digits} digits; at most {self._limits.digits_max} are read",
                "round it, or send it as text",
            )
        magnitude = (exponent or "e0")[1:].lstrip("+-").lstrip("0")
        if len(magnitude) > 9 or int(magnitude or "0") > self._limits.exponent_max:
            written = quoted((exponent or "")[1:])
            self._refuse(
                "exponent-too-large",
                f"a number has the exponent {written}; at most {self._limits.exponent_max} is read",
                "use another unit, or send it as text",
            )
        self._at = match.end()
        return Decimal(match.group())

    def _integer(self, text: str, digits: int) -> int:
        if digits > _INTEGER_DIGITS_MAX or abs(int(text)) > INTEGER_MAX:
            self._refuse(
                "integer-too-large",
                f"an integer of {digits} digits is beyond 2^53-1",
                "send large integers as text; other readers would round them",
            )
        self._at += len(text)
        return int(text)

    def _word(self) -> Any:
        match = _WORD.match(self._text, self._at)
        if match is None or match.group() not in _WORDS:
            like = _NUMBER_LIKE.match(self._text, self._at)
            self._refuse_word(like.group() if like else "")
        self._at = match.end()
        return _WORDS[match.group()]

    # --- refusing ---------------------------------------------------------------------------------------------------

    def _refuse_word(self, word: str) -> NoReturn:
        """Refuse something that is neither a number nor a word of JSON."""
        if word in _NOT_A_NUMBER:
            self._refuse("not-a-number", f"{word} is not a number of JSON", "leave the member out, or send null")
        if word.isdigit() and word.startswith("0"):
            self._refuse("syntax", f"the number {quoted(word)} starts with a zero", "drop the zeros in front")
        self._refuse_syntax("a value")

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _peek(self, wanted: str, *, at: int | None = None) -> str:
        """Give the next character, or refuse a text that ends too early."""
        if self._at == len(self._text):
            self._refuse(
                "truncated", f"the document ends where {wanted} should stand", "send the whole document", at=at
            )
        return self._text[self._at]

    def _refuse_syntax(self, wanted: str) -> NoReturn:
        found = quoted(self._text[self._at : self._at + 20])
        self._refuse("syntax", f"{found} stands where {wanted} should", "check quotes, commas and brackets before it")

    def _refuse(self, reason: str, message: str, hint: str, *, at: int | None = None) -> NoReturn:
        """Refuse the document at a place: by default where the reading is."""
        at = self._at if at is None else at
        path = pointer(frame.key for frame in self._frames if frame.key is not None)
        line = self._text.count("\n", 0, at) + 1
        column = at - self._text.rfind("\n", 0, at)
        raise DocumentRefused(
            f"{message} (at {path or 'the top'}, line {line}, column {column})",
            hint=hint,
            code=f"json-{reason}",
            path=path,
            byte=len(self._text[:at].encode()),
            line=line,
            column=column,
        )
