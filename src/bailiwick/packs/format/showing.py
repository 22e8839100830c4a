"""What a person wants to know of a pack, as JSON: names and counts, with the words of its disputed readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bailiwick.model import JsonValue
from bailiwick.packs.format.asking import Policy

if TYPE_CHECKING:
    from bailiwick.packs.format.pack import Pack


def second_to_json(pack: Pack) -> dict[str, JsonValue]:
    """Give what came with the second version of the format, as far as the pack has it."""
    told: dict[str, JsonValue] = {
        "format": pack.format,
        "kernel": pack.kernel,
        "languages": list(pack.languages),
        "domains": list(pack.domains),
        "owners": list(pack.owners),
        "licence": pack.licence,
        "supersedes": _supersedes(pack),
        "modules": dict(pack.modules),
        "attachments": [
            {
                "path": each.path,
                "digest": each.digest,
                "url": each.url,
                "licence": each.licence,
                "is_present": each.is_present,
            }
            for each in pack.attachments
        ],
        "policies": [_policy(policy) for policy in pack.policies],
        "calls": [call.id for call in pack.calls],
        "documents": [document.id for document in pack.foreign],
        "questions": list(pack.questions),
        "sections": [section.id for section in pack.sections],
        "controls": [control.id for control in pack.controls],
        "properties": [each.id for each in pack.properties],
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def _supersedes(pack: Pack) -> JsonValue:
    given = pack.supersedes
    return None if given is None else {"version": given.version, "digest": given.digest, "reason": given.reason}


def _policy(policy: Policy) -> JsonValue:
    return {
        "id": policy.id,
        "input": policy.path,
        "title": policy.title,
        "default": policy.default,
        "readings": [
            {"id": each.id, "text": each.text, "cite": list(each.cite), "status": each.status}
            for each in policy.readings
        ],
    }
