"""A script and the engine that runs it, together one guest: text goes in with each call, and nothing stays.

The engine is a ``component-call/1`` with one function ``run``, which takes ``{"script", "function", "input"}``. It has
a sandbox of its own for each call, like any guest: what one script did to its engine, no other ever meets.

A script may have variants: other texts for a part of the calls. The digest of an input decides which text it meets, so
that the same input always meets the same one, on every machine and in every replay.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from bailiwick.errors import ModuleRefused

SCRIPT_BYTES_MAX = 256 << 10
"""Longest script, in bytes of UTF-8."""
RUN = "run"
"""The function of an engine that runs scripts."""

RUNNERS_MAX = 4
"""Engines of scripts that stay loaded, in number; many scripts share one, and one of CPython takes 40 MB."""
SHARES = 100
"""Parts into which inputs are divided among variants."""

_encode = msgspec.json.encode
_sorted = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_POSITION = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Another text for a part of the calls: ``percent`` of a hundred of those that it is for.

    ``path`` is a JSON Pointer; where it is not empty the variant is only for inputs that have one of ``values`` there.
    """

    name: str
    text: str
    percent: int
    path: str = ""
    values: tuple[str | int | bool, ...] = ()

    def is_for(self, value: Any) -> bool:
        """Say whether an input may meet this text."""
        if not self.path:
            return True
        found = _at(value, self.path)
        return any(type(each) is type(found) and each == found for each in self.values)


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, the guest that runs it, and the variants of its text, each before those after it."""

    text: str
    runner: object
    variants: tuple[Variant, ...] = ()

    def chosen(self, input: bytes) -> Variant | None:  # noqa: A002 the ABI's own word
        """Give the variant that an input meets; None for the text of the script itself.

        Two writings of one input, with other spaces or another order of members, meet the same text.
        """
        if not self.variants:
            return None
        value = _exact(input)
        share = int.from_bytes(hashlib.sha256(_sorted(value)).digest()[:8]) % SHARES
        taken = 0
        for each in self.variants:
            if each.is_for(value):
                taken += each.percent
                if share < taken:
                    return each
        return None

    def envelope(self, function: str, input: bytes) -> bytes:  # noqa: A002 the ABI's own word
        """Give what the runner takes for one call; ``input`` is JSON that was checked, as the caller gave it."""
        variant = self.chosen(input)
        text = self.text if variant is None else variant.text
        return b'{"script":%b,"function":%b,"input":%b}' % (_encode(text), _encode(function), input)


class Runners:
    """The engines of scripts that were used last, compiled, each once for all scripts. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Any] = OrderedDict()

    def get(self, runner: bytes, load: Callable[[], Any]) -> Any:
        """Give an engine of scripts by its binary, or load it.

        Raises: as ``load`` does.

        Cost: a SHA-256 of the binary where it is kept.
        """
        name = hashlib.sha256(runner).digest()
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            found = load()  # outside of the lock: compiling takes seconds, and others have their engine already
        with self._lock:
            found = self._kept.setdefault(name, found)
            self._kept.move_to_end(name)
            while len(self._kept) > RUNNERS_MAX:
                self._kept.popitem(last=False)
            return found


def variant_of(guest: object, input: bytes) -> str | None:  # noqa: A002 the ABI's own word
    """Name the variant that an input meets; None for the text of a script itself, and for what is no script."""
    code = getattr(guest, "code", None)
    variant = code.chosen(input) if isinstance(code, Script) else None
    return None if variant is None else variant.name


def _at(value: Any, path: str) -> Any:
    """Give what stands at a JSON Pointer whose names need no escapes; None where there is nothing."""
    for name in path.split("/")[1:]:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and _POSITION.match(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def read_script(source: bytes) -> str:
    """Give the text of a script.

    Raises:
        ModuleRefused: it is too long (code ``module-too-large``), or no text (``script-text``).
    """
    if len(source) > SCRIPT_BYTES_MAX:
        raise ModuleRefused(
            f"the script has {len(source)} bytes, and at most {SCRIPT_BYTES_MAX} are run",
            hint="build a module of it: bailiwick module new NAME --lang javascript",
            code="module-too-large",
        )
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise ModuleRefused(
            f"the script is no UTF-8 at byte {error.start}", hint="save it as UTF-8", code="script-text"
        ) from error
    if "\x00" in text or not text.strip():
        raise ModuleRefused("the script is empty, or holds NUL", hint="write a function", code="script-text")
    return text
