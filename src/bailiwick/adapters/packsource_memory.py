"""Packs in memory: for tests, and for packs that come from somewhere else than a folder."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.adapters.packsource_checks import check_name, check_path, check_sizes, not_found


class MemoryPackSource:
    """See ``ports.PackSource``."""

    def __init__(self, packs: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take packs by name: files by path within the pack."""
        self._packs = {check_name(name): dict(files) for name, files in packs.items()}

    def names(self) -> list[str]:
        """List the packs there are, sorted."""
        return sorted(self._packs)

    def files(self, name: str) -> Mapping[str, bytes]:
        """Give every file of one pack by its path within the pack."""
        if check_name(name) not in self._packs:
            raise not_found(name)
        files = self._packs[name]
        for path in files:
            check_path(name, path)
        check_sizes(name, ((path, len(raw)) for path, raw in files.items()))
        return {path: files[path] for path in sorted(files)}
