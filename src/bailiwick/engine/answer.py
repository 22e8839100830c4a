"""The words that pass between a host and a guest: the envelope that goes in, the answer that comes out.

In: ``{"function": NAME, "input": VALUE}``. Out: ``{"ok": VALUE}``, or ``{"error": {"code": WORD, "message": TEXT}}``
where the guest itself refuses its input. Whatever else comes out is a failure of the guest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from bailiwick.errors import InputRefused, ModuleFailed, UsageRefused

INPUT_BYTES_MAX = 4 << 20
"""Largest input of one call, in bytes of JSON."""
OUTPUT_BYTES_MAX = 1 << 20
"""Largest answer of one call, in bytes of JSON."""
ANSWER_DEPTH_MAX = 64
"""Deepest nesting of an answer, in levels."""
EXPONENT_MAX = 400
"""Largest power of ten of a number in an answer: writing out 1e999999999 would fill a disk."""
REFUSAL_MESSAGE_CHARACTERS_MAX = 1_000
"""Longest message of a guest that refuses."""

REFUSED = "refused"
"""Code of a refusal for which a guest gives no code of its own."""

FUNCTION_PATTERN = re.compile(r"[a-z][a-z0-9._-]{0,63}\Z")
REFUSAL_CODE_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a guest answers when its input is not what it reads: a stable code, and a sentence for people.

    Both come from the guest: the code is a word, the message bounded text that may quote the input.
    """

    code: str
    message: str


class _GuestError(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    message: str


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    ok: Any = msgspec.UNSET
    error: _GuestError | msgspec.UnsetType = msgspec.UNSET


def _exact(text: str) -> Decimal:
    """Keep a fraction exact: nothing on the way to a decision is ever a float."""
    number = Decimal(text)
    if abs(number.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"{text[:40]} is a number beyond 1e{EXPONENT_MAX}")
    return number


_decode_answer = msgspec.json.Decoder(_Answer, float_hook=_exact).decode
_check_json = msgspec.json.Decoder().decode
_decode_value = msgspec.json.Decoder(float_hook=_exact).decode
_encode = msgspec.json.Encoder().encode


def envelope(function: str, input: bytes) -> bytes:  # noqa: A002 the ABI's own word
    """Build the bytes that a guest is called with.

    Raises:
        UsageRefused: the function's name cannot be one, or the input is not JSON.
        InputRefused: the input is larger than ``INPUT_BYTES_MAX`` (code ``module-input-too-large``).

    >>> envelope("observe", b'{"row":"1,2"}')
    b'{"function":"observe","input":{"row":"1,2"}}'
    """
    check_call(function, input)
    # Joined, not formatted: a megabyte is formatted in 430 us, and joined in 50.
    return b"".join((b'{"function":"', function.encode(), b'","input":', input, b"}"))


def check_call(function: str, input: bytes) -> None:  # noqa: A002 the ABI's own word
    """Check a function's name and its input, as ``envelope`` does.

    Raises:
        UsageRefused: the name cannot be one, or the input is not JSON.
        InputRefused: the input is too large.
    """
    if not FUNCTION_PATTERN.match(function):
        raise UsageRefused(
            f"{function[:80]!r} cannot be the name of a function",
            hint="a lower-case letter, then up to 63 of a-z 0-9 . _ -",
            code="module-function",
        )
    if len(input) > INPUT_BYTES_MAX:
        raise InputRefused(
            f"the input has {len(input)} bytes, more than the {INPUT_BYTES_MAX} that a call takes",
            hint="send less in one call",
            code="module-input-too-large",
        )
    try:
        _check_json(input)
    except (ValueError, RecursionError) as error:
        raise UsageRefused(
            f"the input of {function} is not JSON: {error}", hint="give UTF-8 JSON", code="module-input"
        ) from error


def read_answer(output: bytes) -> Any:
    """Read what a guest answered: the value under ``ok``, or a ``Refusal``.

    Numbers with a fraction or exponent are ``decimal.Decimal``.

    Raises:
        ModuleFailed: not an answer (code ``module-answer``).

    >>> read_answer(b'{"ok":{"age":41}}')
    {'age': 41}
    >>> read_answer(b'{"error":{"code":"row-number","message":"age is old"}}')
    Refusal(code='row-number', message='age is old')
    """
    if len(output) > OUTPUT_BYTES_MAX:
        raise answer_failed(f"has {len(output)} bytes, more than the {OUTPUT_BYTES_MAX} allowed")
    try:
        answer = _decode_answer(output)
    except (ValueError, RecursionError) as error:
        raise answer_failed(f"is not an answer: {error}") from error
    if (answer.ok is msgspec.UNSET) == (answer.error is msgspec.UNSET):
        raise answer_failed("holds not exactly one of ok and error")
    if isinstance(answer.error, _GuestError):
        return _refusal(answer.error)
    _check_depth(answer.ok, output)
    return answer.ok


def answer_of_text(is_ok: bool, text: bytes) -> bytes:
    """Give the answer of a component that was called by text: its ok text is JSON, its error text JSON or plain.

    Raises:
        ModuleFailed: the ok text is not JSON (code ``module-answer``).
    """
    if not is_ok:
        return _error_of_text(text)
    if len(text) > OUTPUT_BYTES_MAX:
        raise answer_failed(f"has {len(text)} bytes, more than the {OUTPUT_BYTES_MAX} allowed")
    try:
        value = _decode_value(text)
    except (ValueError, RecursionError) as error:
        raise answer_failed(f"is not JSON: {error}") from error
    _check_depth(value, text)
    return b"".join((b'{"ok":', text, b"}"))


def answer_of_value(value: Any, *, is_result: bool) -> bytes:
    """Give the answer of a function with types: its value under ``ok``, or the error of its result in words.

    Raises:
        ModuleFailed: it is too large (code ``module-answer``).
    """
    if is_result and "error" in value:
        return _error_of_value(value["error"])
    output = _encode({"ok": value["ok"] if is_result else value})
    if len(output) > OUTPUT_BYTES_MAX:
        raise answer_failed(f"has {len(output)} bytes, more than the {OUTPUT_BYTES_MAX} allowed")
    return output


def _error_of_text(text: bytes) -> bytes:
    try:
        return _error_of_value(_decode_value(text))
    except (ValueError, RecursionError):
        return _error_of_value(text.decode(errors="replace"))


def _error_of_value(value: Any) -> bytes:
    """Find a code and a message in whatever a guest says went wrong."""
    if isinstance(value, dict):
        code, message = value.get("code", value.get("case")), value.get("message")
        if isinstance(code, str) and REFUSAL_CODE_PATTERN.match(code):
            return _error(code, message if isinstance(message, str) else _encode(value).decode())
    if isinstance(value, str):
        return _error(value if REFUSAL_CODE_PATTERN.match(value) else REFUSED, value)
    return _error(REFUSED, _encode(value).decode())


def _error(code: str, message: str) -> bytes:
    return _encode({"error": {"code": code, "message": message[:REFUSAL_MESSAGE_CHARACTERS_MAX]}})


def answer_failed(what: str) -> ModuleFailed:
    """Give the error for an answer that is none; ``what`` completes "the module's answer ..."."""
    return ModuleFailed(
        f"the module's answer {what}",
        hint='a module answers {"ok": ...} or {"error": {"code": ..., "message": ...}} in its own memory',
        code="module-answer",
    )


def _refusal(error: _GuestError) -> Refusal:
    if not REFUSAL_CODE_PATTERN.match(error.code):
        raise answer_failed(f"has the error code {error.code[:80]!r}, which is not a word")
    if len(error.message) > REFUSAL_MESSAGE_CHARACTERS_MAX:
        raise answer_failed(f"has an error message of {len(error.message)} characters")
    return Refusal(code=error.code, message=error.message)


def _check_depth(value: object, output: bytes) -> None:
    if is_deep(value, output):
        raise answer_failed(f"is nested deeper than {ANSWER_DEPTH_MAX} levels")


def is_deep(value: object, raw: bytes) -> bool:
    """Say whether a value is nested deeper than ``ANSWER_DEPTH_MAX`` levels; ``raw`` is the JSON it was read from."""
    # Brackets bound the depth, so the walk is needed only for answers that have many.
    if raw.count(b"[") + raw.count(b"{") <= ANSWER_DEPTH_MAX:
        return False
    level = [value]
    for _ in range(ANSWER_DEPTH_MAX):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
