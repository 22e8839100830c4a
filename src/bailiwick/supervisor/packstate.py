"""Which versions of law a tenant has installed, which is in use and which are planned: a fold over ``pack.*`` records.

An activation says *from when* a version is used. It never acts before it was recorded: one with an earlier date, or
with none, acts from the day of its record. Of those that act by some day the latest wins; of two from the same day, the
one that was recorded later. So a mended version of today's law leaves a planned one of next year's in place, and
whoever activates an older version rolls back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bailiwick.model import Record

PACK_INSTALLED, PACK_ACTIVATED, SOURCE_CHANGED = "pack.installed", "pack.activated", "pack.source-changed"
DAY_CHARACTERS = 10
"""The date of a record's time, in characters: ``2026-11-21``."""
FOLLOWED, LEFT, MOVED = "followed", "left", "moved"
"""What became of a source of packs: followed from now on, no longer, or its pin moved to another commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackVersion:
    """A version that is installed: its digest, whose key signed it, where that was recorded, and what it corrects."""

    version: str
    digest: str
    key: str
    record: int
    at: str
    supersedes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A version put to use: from which day (None: from when it was recorded), and where and when that was recorded."""

    version: str
    digest: str
    valid_from: str | None
    record: int
    at: str

    @property
    def acts_from(self) -> str:
        """The day from which it acts, ``YYYY-MM-DD``: never before it was recorded."""
        recorded = self.at[:DAY_CHARACTERS]
        return recorded if self.valid_from is None else max(self.valid_from, recorded)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPack:
    """All versions of one pack that are installed; what is in use, and what is planned, in the order of their days.

    ``active`` had begun when the newest activation was recorded, so that no clock that goes back undoes it.
    """

    versions: Mapping[str, PackVersion] = field(default_factory=dict)
    active: Activation | None = None
    planned: tuple[Activation, ...] = ()

    def on(self, day: str) -> Activation | None:
        """Give what is in use on a day of the future or today, ``YYYY-MM-DD``; None where nothing was activated yet."""
        begun = [each for each in self.planned if each.acts_from <= day]
        return begun[-1] if begun else self.active

    def activate(self, new: Activation) -> InstalledPack:
        """Give the pack after one more activation."""
        listed = [*self.planned, new] if self.active is None else [self.active, *self.planned, new]
        ordered = sorted(listed, key=lambda each: (each.acts_from, each.record))
        today = new.at[:DAY_CHARACTERS]
        begun = [each for each in ordered if each.acts_from <= today]
        planned = tuple(each for each in ordered if each.acts_from > today)
        return replace(self, active=begun[-1] if begun else None, planned=planned)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedSource:
    """A source of packs that is followed: the blob that says where it is and whom to believe, its pinned commit.

    ``refused`` is the commit that was refused last, since the pin moved.
    """

    settings: str
    commit: str | None = None
    refused: str | None = None


def fold_installed(packs: Mapping[str, InstalledPack], record: Record) -> Mapping[str, InstalledPack]:
    """Take in ``pack.installed``; one without a key is a folder that somebody decided by, and installs nothing."""
    detail: Any = record.detail
    if detail.get("key") is None:
        return packs
    name = detail["name"]
    version = PackVersion(
        version=detail["version"],
        digest=detail["digest"],
        key=detail["key"],
        record=record.index,
        at=record.timestamp,
        supersedes=detail.get("supersedes", {}).get("version"),
    )
    pack = packs.get(name, InstalledPack())
    return {**packs, name: replace(pack, versions={**pack.versions, version.version: version})}


def fold_activated(packs: Mapping[str, InstalledPack], record: Record) -> Mapping[str, InstalledPack]:
    """Take in ``pack.activated``."""
    detail: Any = record.detail
    new = Activation(
        version=detail["version"],
        digest=detail["digest"],
        valid_from=detail["from"],
        record=record.index,
        at=record.timestamp,
    )
    pack = packs.get(detail["name"], InstalledPack())
    return {**packs, detail["name"]: pack.activate(new)}


def fold_source(sources: Mapping[str, FollowedSource], record: Record) -> Mapping[str, FollowedSource]:
    """Take in ``pack.source-changed``; a refused commit moves no pin."""
    detail: Any = record.detail
    name = detail["source"]
    others = {each: source for each, source in sources.items() if each != name}
    if detail["state"] == LEFT:
        return others
    before = sources.get(name)
    if detail["state"] == FOLLOWED:
        # Other keys for the same place must not let it begin anew: the pin stays.
        pinned = None if before is None else before.commit
        return {**others, name: FollowedSource(settings=detail["settings"], commit=pinned)}
    if before is None:
        return sources
    if detail["state"] == MOVED:
        return {**others, name: replace(before, commit=detail["commit"], refused=None)}
    return {**others, name: replace(before, refused=detail["commit"])}


def read_packs(stored: Mapping[str, Any]) -> dict[str, InstalledPack]:
    """Read back what ``write_packs`` gave."""
    return {
        name: InstalledPack(
            versions={version: PackVersion(**each) for version, each in pack["versions"].items()},
            active=None if pack["active"] is None else Activation(**pack["active"]),
            planned=tuple(Activation(**each) for each in pack["planned"]),
        )
        for name, pack in stored.items()
    }


def write_packs(packs: Mapping[str, InstalledPack]) -> dict[str, Any]:
    """Give the folded packs as plain values, to be kept."""
    return {
        name: {
            "versions": {version: _plain(each) for version, each in pack.versions.items()},
            "active": None if pack.active is None else _plain(pack.active),
            "planned": [_plain(each) for each in pack.planned],
        }
        for name, pack in packs.items()
    }


def _plain(value: PackVersion | Activation) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}
