"""A script and the engine that runs it, together one guest: text goes in with each call, and nothing stays.

The engine is a ``component-call/1`` with one function ``run``, which takes ``{"script", "function", "input"}``. It has
a sandbox of its own for each call, like any guest: what one script did to its engine, no other ever meets.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from bailiwick.errors import ModuleRefused

SCRIPT_BYTES_MAX = 256 << 10
"""Longest script, in bytes of UTF-8."""
RUN = "run"
"""The function of an engine that runs scripts."""

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, and the guest that runs it."""

    text: str
    runner: object

    def envelope(self, function: str, input: bytes) -> bytes:  # noqa: A002 the ABI's own word
        """Give what the runner takes for one call; ``input`` is JSON, as the caller gave it."""
        return b'{"script":%b,"function":%b,"input":%b}' % (_encode(self.text), _encode(function), input)


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
