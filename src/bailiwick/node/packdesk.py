"""The author's desk for packs: a pack read from where it lies, each time anew, and who decides by it. Needs no home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bailiwick.adapters.packsource_builtin import pack_files
from bailiwick.model import Decision, JsonValue
from bailiwick.node.calling import trying
from bailiwick.packs import Pack, decide, load_pack

Decider = Callable[[Pack, Mapping[str, JsonValue], str], Decision]
"""Decides facts by a pack and the law of a day."""


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


@contextmanager
def desk_decider(*packs: Pack) -> Iterator[Decider]:
    """Give what decides by some packs, and by whatever is made of them, while the context is open.

    Modules that they call are run, those that come with bailiwick; a pack that calls none starts no engine.

    Raises:
        NotFound: a pack pins a module that does not come with bailiwick.
        ModuleRefused: a pack pins another version of one.
    """
    with ExitStack() as opened:
        deciders = {pack.digest: opened.enter_context(trying(pack)) for pack in packs if pack.calls}

        def decide_by(pack: Pack, facts: Mapping[str, JsonValue], legal_date: str) -> Decision:
            """Decide facts by the pack's own modules."""
            return deciders.get(pack.digest, decide)(pack, facts, legal_date)

        yield decide_by
