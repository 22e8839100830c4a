"""`bailiwick what-changed`: which decisions another law would make otherwise. Nothing is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node

if TYPE_CHECKING:
    from bailiwick.decisions import Change, Missing
    from bailiwick.node import Comparison

VALUE_CHARACTERS_MAX = 60
"""Longest value that is shown for people, in characters."""


def what_changed(
    old: str,
    new: str | None = None,
    /,
    *,
    since: str | None = None,
    until: str | None = None,
    attach: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Decide history again by another law, and list every decision that would differ.

    Each is decided from its stored raw text, as of its own legal date. Exits 0 when none would differ, 1 when some
    would, 5 when some could not be compared. With `--json`, one line for each, and a last one with the counts.

    Args:
        old: Whose decisions: NAME, NAME@VERSION, a version, a digest, or a folder. Given alone, it is the new law, and
            the decisions are those of every version of that pack.
        new: By which law: NAME, NAME@VERSION, a version or digest of the old pack, or a folder.
        since: Only what was sealed from this day (UTC) or moment on.
        until: Only what was sealed before it.
        attach: Folder of files that the new pack pins and does not hold.
    """
    with open_node(options) as (node, tenant):
        attachments = node.attachments_in(attach)
        meant, wanted = (None, old) if new is None else (old, new)
        comparison = node.compare(tenant, meant, wanted, attachments=attachments, since=since, until=until)
        with screen.progress("deciding again", comparison.size, beside_output=True) as advance:
            for each in comparison.run(advance):
                line = json.dumps(each.to_json()) if options.json else screen.plain(change_text(each))
                print(line, flush=True)
    answer = comparison.to_json()
    if options.json:
        print(json.dumps({"summary": answer}))
    else:
        print(screen.plain(summary_text(comparison)))
    if answer["differing"]:
        return 1
    return 5 if answer["unavailable"] else 0


def change_text(change: Change | Missing) -> str:
    """Say for people how one decision would differ."""
    told: Any = change.to_json()
    if "unavailable" in told:
        return f"record {told['record']}: cannot be compared: {told['unavailable']}"
    if told["after"] is None:
        return f"record {told['record']}: {told['before']} -> refused: {told['refusal']['message']}"
    found = told["differences"]
    outcome = f"{told['before']} -> {told['after']}" if "outcome" in found else told["before"]
    parts = [f"{each['id']} {_value(each['before'])} -> {_value(each['after'])}" for each in found.get("measures", ())]
    if "severity" in found and "outcome" not in found:
        parts.append(f"severity {found['severity']['before']} -> {found['severity']['after']}")
    parts += [
        f"{kind} {_names(found[kind]['before'])} -> {_names(found[kind]['after'])}" for kind in _LISTED if kind in found
    ]
    return f"record {told['record']}: {outcome}" + (f"; {'; '.join(parts)}" if parts else "")


def summary_text(comparison: Comparison) -> str:
    """Say for people how many decisions would differ, in what, and what the new version corrects."""
    told: Any = comparison.to_json()
    new = told["new"]
    lines = [
        f"{told['compared']} decisions compared with {new['name']} {new['version']}: {told['differing']} would differ"
        + (f", {told['unavailable']} cannot be compared" if told["unavailable"] else "")
    ]
    if told["supersedes"] is not None:
        corrects = told["supersedes"]
        lines.append(f"{new['version']} corrects {corrects['version']}: {corrects['reason']}")
    rows = [(f"{each['before']} -> {each['after']}", each["count"]) for each in told["outcomes"]]
    rows += [(kind, count) for kind, count in told["kinds"].items() if kind not in ("outcome", "refused")]
    return "\n".join([*lines, *([screen.columns(rows, indent=2)] if rows else [])])


_LISTED = ("obligations", "effects")


def _value(side: dict[str, Any]) -> str:
    unit = f" {side['unit']}" if side["unit"] else ""
    value = json.dumps(side["value"], ensure_ascii=False)
    return (value if len(value) <= VALUE_CHARACTERS_MAX else value[:VALUE_CHARACTERS_MAX] + "...") + unit


def _names(found: list[dict[str, Any]]) -> str:
    """Name obligations with their minutes, and effects with their parameters."""
    told = []
    for each in found:
        if "type" in each:
            told.append(f"{each['type']} {_value({'value': each['parameters'], 'unit': None})}")
        else:
            within = each["within_minutes"]
            told.append(each["id"] if within is None else f"{each['id']} within {within} minutes")
    return ", ".join(told) or "none"
