"""The panic switch as one small file: who can write the home can stop every effect, with an editor if need be.

Only a file that reads well and says ``"frozen": false`` lets effects start. Missing, unreadable, garbled, too large or
of another shape means frozen, so removing the file is the emergency brake that needs no program.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import Unavailable
from bailiwick.model import JsonValue
from bailiwick.ports import Disk
from bailiwick.schema import parse_document

FORMAT = "bailiwick-panic/1"
PANIC_BYTES_MAX = 4_096
"""Largest file that is read, in bytes."""

REASON_CHARACTERS_MAX = 500
"""Longest reason that is kept, in characters; a longer one is cut: a panic button refuses nobody for wordiness."""

_KEYS = {"format", "frozen", "reason", "since", "by"}


class FilePanicSwitch:
    """See ``ports.PanicSwitch``. Any number of processes may look and set; the last one to set wins."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    def is_frozen(self) -> bool:
        """Say whether effects must not start. Cost: one read of a small file."""
        return self.state()["frozen"] is not False

    def state(self) -> Mapping[str, JsonValue]:
        """Give ``{"frozen", "readable", "reason", "since", "by"}`` for people."""
        try:
            stored = self._read()
        except Exception as error:  # doubt of any kind means frozen, and the state says which
            return {"frozen": True, "readable": False, "reason": _why(error), "since": None, "by": None}
        return {
            "frozen": stored["frozen"],
            "readable": True,
            "reason": stored["reason"],
            "since": stored["since"],
            "by": stored["by"],
        }

    def set(self, *, frozen: bool, reason: str, by: str, at: str) -> None:
        """Throw or release the switch, durably, in one step.

        Raises:
            Unavailable: the file cannot be written (``panic-unwritable``). Where freezing failed the file is removed if
                possible, which freezes too; where releasing failed the switch stays frozen or as it was.
        """
        stored: dict[str, JsonValue] = {
            "format": FORMAT,
            "frozen": frozen,
            "reason": _bounded(reason),
            "since": _bounded(at),
            "by": _bounded(by),
        }
        try:
            self._write(canonical_bytes(stored) + b"\n")
        except OSError as error:
            if frozen or self.state()["frozen"] is False:
                with suppress(OSError):
                    self._disk.unlink(self._path)
                    self._disk.sync_folder(self._path.parent)
            raise Unavailable(
                f"the panic switch {self._path} cannot be written: {error.strerror}; "
                + ("effects are frozen" if self.is_frozen() else "effects are NOT frozen"),
                hint=f"to freeze by hand, remove {self._path}; free some space or mend its permissions",
                code="panic-unwritable",
            ) from error

    def _write(self, data: bytes) -> None:
        """Put the new file in the place of the old one, so that every reader sees one or the other."""
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}-{threading.get_ident()}")
        with suppress(FileNotFoundError):
            self._disk.unlink(fresh)
        try:
            self._disk.create(fresh)
            self._disk.write(fresh, 0, data)
            self._disk.sync(fresh)
            self._disk.rename(fresh, self._path)
        except OSError:
            with suppress(OSError):
                self._disk.unlink(fresh)
            raise
        self._disk.sync_folder(self._path.parent)

    def _read(self) -> dict[str, JsonValue]:
        """Read the file.

        Raises:
            OSError, DocumentRefused: it cannot be read.
            ValueError: it is not what ``set`` writes.
        """
        raw = self._disk.read(self._path, 0, PANIC_BYTES_MAX + 1)
        if len(raw) > PANIC_BYTES_MAX:
            raise ValueError(f"the file holds more than {PANIC_BYTES_MAX} bytes")
        stored = parse_document(raw)
        if not isinstance(stored, dict) or stored.keys() != _KEYS or stored["format"] != FORMAT:
            raise ValueError(f"the file is not of the form {FORMAT}")
        if type(stored["frozen"]) is not bool or not all(type(stored[key]) is str for key in _KEYS - {"frozen"}):
            raise ValueError("a value in the file has the wrong type")
        return stored


def _bounded(text: str) -> str:
    """Cut text to what is kept; a half character becomes a question mark."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= REASON_CHARACTERS_MAX else whole[: REASON_CHARACTERS_MAX - 1] + "…"


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no panic file"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"the panic file cannot be read: {reason or type(error).__name__}"
