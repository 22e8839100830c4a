"""The author's desk for packs: a pack read from where it lies, each time anew, and who decides by it. Needs no home."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.adapters.packsource_builtin import pack_files
from bailiwick.packs import Pack, load_pack


def desk_files(name: str) -> tuple[str, Mapping[str, bytes]]:
    """Read the files of a pack, with its lock and signature: one that comes with bailiwick, or a folder.

    Raises:
        NotFound: neither such a pack nor a folder with a ``pack.yaml`` (code ``pack-not-found``).
        PackRefused: too many or too large files, a link, a path that is not plain.
        Unavailable: a file cannot be read now.
    """
    return pack_files(name)


def desk_pack(name: str, attachments: Mapping[str, bytes] | None = None) -> tuple[Pack, Mapping[str, bytes]]:
    """Load a pack and give its files too.

    Args:
        name: One that comes with bailiwick, or the path of a folder.
        attachments: What it rests on and does not hold, by digest.

    Raises:
        NotFound: neither such a pack nor a folder with a ``pack.yaml`` (code ``pack-not-found``).
        PackRefused: it does not load; every fault is named.
        Unavailable: a file cannot be read now.
    """
    found, files = desk_files(name)
    return load_pack(found, files, attachments), files
