"""What a ledger store offers besides whose oldest records can be deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from bailiwick.model import Pruned


@runtime_checkable
class Prunable(Protocol):
    """A ``LedgerStore`` whose oldest records can be deleted. Their leaf digests stay, so that proofs still verify.

    ``read`` of a pruned record raises ``NotFound`` (code ``record-pruned``), of one that was carried on gives it.
    """

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted. Needs no lock.

        Raises:
            LedgerBroken: what was kept about that cannot be read (verdict corrupt).
        """
        ...

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` (not included), 32 bytes each; both at most the minimum.

        Raises:
            LedgerBroken: they are not whole (verdict truncated).
        """
        ...

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop`` (not included)."""
        ...

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum, at once or not at all, and keep what is given. Hold ``exclusive``.

        Args:
            pruned: Where the records begin from here on; below ``count``, and not below what it was.
            leaves: The leaf digests of all records below that, in order.
            carried: The records below it that stay, by index, in order.

        Raises:
            Unavailable: it failed; the records are all there, or ``pruned`` says that they are gone.
        """
        ...

    def begin(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Start a store that ``count`` found empty where the records of another place begin; then ``count`` says that.

        Args:
            pruned: Where they begin.
            leaves: The leaf digests of all records below that, in order.
            carried: The records below it that there are, by index, in order.

        Raises:
            Unavailable, LedgerPoisoned: it failed; the store is empty still, or has begun.
        """
        ...

    def tidy(self) -> None:
        """Delete what an interrupted pruning left. Hold ``exclusive``.

        Raises:
            Unavailable: that failed; it can be tried again.
        """
        ...
