"""`bailiwick pack list|show`: look at packs of law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.options import Options, open_node

if TYPE_CHECKING:
    from bailiwick.packs import Pack


def list_packs(*, options: Options = Options()) -> int:
    """List the packs there are."""
    with open_node(options) as (node, _):
        packs = [pack_json(pack) for pack in node.packs()]
    text = screen.columns([(pack["name"], pack["version"], pack["title"]) for pack in packs]) if packs else "no packs"
    screen.give({"packs": packs}, text, as_json=options.json)
    return 0


def show(pack: str, /, *, options: Options = Options()) -> int:
    """Show what a pack decides, by which law.

    Args:
        pack: Name of a pack, or a folder with one.
    """
    with open_node(options) as (node, _):
        answer = pack_json(node.pack(pack))
    rows = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in answer.items()]
    screen.give(answer, screen.columns(rows), as_json=options.json)
    return 0


def pack_json(pack: Pack) -> dict[str, Any]:
    """Give what a pack says of itself."""
    return {
        "name": pack.name,
        "version": pack.version,
        "title": pack.title,
        "digest": pack.digest,
        "outcomes": list(pack.outcomes),
        "reads": sorted(pack.intake),
    }
