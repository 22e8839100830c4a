"""What changed from one pack to another, by meaning: law, rules, words, and how the cases of both come out.

Order of files, white space and brackets around everything mean nothing and are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import InputRefused, UsageRefused
from bailiwick.model import Decision, JsonValue
from bailiwick.packs.format.pack import Case, Pack
from bailiwick.packs.trying.described import SECTIONS, Things, described
from bailiwick.packs.trying.known import Decider, decide, legal_date_of, summary_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that was added, removed or changed: of which section, by name.

    ``before`` and ``after`` hold the aspects that differ (all, where it was added or removed).
    """

    section: str
    name: str
    before: Mapping[str, JsonValue] | None
    after: Mapping[str, JsonValue] | None

    @property
    def kind(self) -> str:
        """Whether it was ``added``, ``removed`` or ``changed``."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def to_json(self) -> dict[str, JsonValue]:
        """Give the change as JSON."""
        return {
            "change": self.kind,
            "name": self.name,
            "before": None if self.before is None else dict(self.before),
            "after": None if self.after is None else dict(self.after),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A case of either pack that the two decide otherwise: what differs, before and after."""

    name: str
    file: str
    before: Mapping[str, JsonValue]
    after: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """Give it as JSON."""
        return {"case": self.name, "file": self.file, "before": dict(self.before), "after": dict(self.after)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDifference:
    """Everything by which two packs differ, and the cases that they decide otherwise, of how many that were tried."""

    old: Mapping[str, JsonValue]
    new: Mapping[str, JsonValue]
    changes: tuple[Change, ...]
    turned: tuple[Turned, ...]
    tried: int

    @property
    def is_same(self) -> bool:
        """Whether they mean the same, as far as this can see."""
        return not self.changes and not self.turned

    def to_json(self) -> dict[str, JsonValue]:
        """Give the difference as JSON."""
        changes: dict[str, JsonValue] = {
            section: [change.to_json() for change in self.changes if change.section == section] for section in SECTIONS
        }
        return {
            "same": self.is_same,
            "old": dict(self.old),
            "new": dict(self.new),
            "changes": changes,
            "decisions": {"cases": self.tried, "differ": [each.to_json() for each in self.turned]},
        }


def difference(old: Pack, new: Pack, decider: Decider = decide) -> PackDifference:
    """Compare two packs.

    Args:
        old: Before.
        new: After; normally a later version of the same pack.
        decider: Decides; packs that call modules need one that can.
    """
    before, after = described(old), described(new)
    changes = [change for section in SECTIONS for change in _changes(section, before[section], after[section])]
    cases = list({(case.file, case.name): case for case in (*new.cases, *old.cases)}.values())
    decided = [(case, found) for case in cases if (found := _both(old, new, case, decider)) is not None]
    turned = [each for case, (first, second) in decided if (each := _turned(case, first, second)) is not None]
    return PackDifference(
        old=_identity(old), new=_identity(new), changes=tuple(changes), turned=tuple(turned), tried=len(decided)
    )


def _identity(pack: Pack) -> dict[str, JsonValue]:
    return {"name": pack.name, "version": pack.version, "digest": pack.digest}


def _changes(section: str, before: Things, after: Things) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        first, second = before.get(name), after.get(name)
        if first is None or second is None:
            yield Change(section=section, name=name, before=first, after=second)
            continue
        differing = [each for each in dict.fromkeys((*first, *second)) if not _same(first.get(each), second.get(each))]
        if differing:
            yield Change(
                section=section,
                name=name,
                before={each: first.get(each) for each in differing},
                after={each: second.get(each) for each in differing},
            )


def _same(first: JsonValue, second: JsonValue) -> bool:
    """Compare as JSON does: true is not 1."""
    return canonical_bytes({"": first}) == canonical_bytes({"": second})


# --- how cases come out -----------------------------------------------------------------------------------------------


def _both(old: Pack, new: Pack, case: Case, decider: Decider) -> tuple[Decision, Decision] | None:
    """Decide a case by both packs; None where one of them takes no such input."""
    found = []
    for pack in (old, new):
        day = legal_date_of(pack, case)
        if day is None:
            return None
        try:
            pack.check_input(case.input)
            found.append(decider(pack, case.input, day))
        except (InputRefused, UsageRefused):
            return None
    return found[0], found[1]


def _turned(case: Case, before: Decision, after: Decision) -> Turned | None:
    first, second = summary_of(before), summary_of(after)
    names = [name for name in first if name in second and not _same(first[name], second[name])]
    if not names:
        return None
    return Turned(
        name=case.name,
        file=case.file,
        before={name: first[name] for name in names},
        after={name: second[name] for name in names},
    )
