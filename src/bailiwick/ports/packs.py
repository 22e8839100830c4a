"""The seam to where packs come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class PackSource(Protocol):
    """Where packs come from: files by path, unread and untrusted."""

    def names(self) -> list[str]:
        """List the packs there are, sorted."""
        ...

    def files(self, name: str) -> Mapping[str, bytes]:
        """Give every file of one pack by its path within the pack (``/`` between parts).

        Raises:
            NotFound: no such pack.
            PackRefused: too many files, one too large, or a path that leaves the pack.
        """
        ...
