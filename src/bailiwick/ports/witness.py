"""Seams to witnesses of a ledger, and to what a witness must not forget."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from bailiwick.model import WitnessAnswer


class Witness(Protocol):
    """Somebody else who keeps a ledger's newest checkpoint, and cosigns only what grew from it (C2SP tlog-witness)."""

    def add_checkpoint(self, request: bytes) -> WitnessAnswer:
        """Ask for a cosignature: the old size, the proof from it, and the checkpoint.

        Raises:
            Unavailable: no answer came in time, or none that can be read. It may have been taken in all the same.
        """
        ...

    def checkpoint(self, origin: str) -> bytes:
        """Give the newest checkpoint that it cosigned for a ledger, with its line; empty where there is none.

        Raises:
            Unavailable: as ``add_checkpoint``.
        """
        ...


class WitnessMemory(Protocol):
    """What a witness must not forget: the newest checkpoint that it cosigned for each ledger."""

    def exclusive(self, origin: str) -> AbstractContextManager[None]:
        """Hold the memory of one ledger alone, among all threads and processes; not to be nested.

        Raises:
            Unavailable: the lock cannot be had.
        """
        ...

    def read(self, origin: str) -> bytes:
        """Give the checkpoint that is kept for a ledger; empty where there is none.

        Raises:
            Unavailable: it cannot be read; that is never taken for none.
        """
        ...

    def write(self, origin: str, note: bytes) -> None:
        """Keep a checkpoint in place of the one before; durable on return. Hold ``exclusive``.

        Raises:
            Unavailable: that failed; the one before, or this one, is kept whole.
        """
        ...
