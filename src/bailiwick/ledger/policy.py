"""Whom an auditor believes: known logs, known witnesses, and how many of these are enough (C2SP tlog-policy).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

The specification has no place for the sizes that a key signs, and a ledger may change its key. So a comment of the
form ``#signs <vkey> <from> <to>|-`` limits a log's key to checkpoints of sizes from ``from`` up to ``to``, not
included: other readers skip it as they skip every comment, and believe the key at any size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bailiwick.errors import BailiwickError, InputRefused
from bailiwick.keys import COSIGNATURE, Verifier
from bailiwick.ledger.note import Cosignature, is_cosigned
from bailiwick.ledger.proof import SIZE_MAX

POLICY_BYTES_MAX = 262_144
"""Longest policy that is read, in bytes."""
ENTRIES_MAX = 256
"""Logs, witnesses or groups of one policy, in number of each."""
NONE = b"none"

_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*").fullmatch
_NUMBER = re.compile(rb"[1-9][0-9]{0,15}|0").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Witnesses and groups by name, of which ``least`` must have witnessed."""

    least: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWitness:
    """A witness as a policy names it; ``url`` is empty where none is given."""

    name: bytes
    verifier: Verifier
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy. ``signs`` has, by key, the sizes ``(from, to)`` that it signs; ``to`` None is open-ended."""

    logs: tuple[Verifier, ...]
    witnesses: tuple[KnownWitness, ...]
    groups: Mapping[bytes, Group]
    quorum: bytes
    signs: Mapping[Verifier, tuple[int, int | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> Policy:
        """Read a policy.

        Raises:
            InputRefused: it is not one; the message names the line (code ``policy-form``).
        """
        if len(data) > POLICY_BYTES_MAX:
            raise _refused(0, f"{len(data)} bytes; at most {POLICY_BYTES_MAX}")
        if not _ALLOWED(data) or (data and not data.endswith(b"\n")):
            raise _refused(0, "a control character, or a last line without a newline")
        reading = _Reading()
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                reading.take(line.strip(b" \t"))
            except (ValueError, BailiwickError) as error:
                raise _refused(number, str(error)) from error
        if reading.quorum is None:
            raise _refused(0, "there is no quorum line")
        return cls(
            logs=tuple(reading.logs),
            witnesses=tuple(reading.witnesses.values()),
            groups=reading.groups,
            quorum=reading.quorum,
            signs=reading.signs,
        )

    def text(self) -> str:
        """Give the policy as text; reading it again gives the same."""
        lines = [f"log {verifier.text()}" for verifier in self.logs]
        for verifier, (start, stop) in self.signs.items():
            lines.append(f"#signs {verifier.text()} {start} {'-' if stop is None else stop}")
        for each in self.witnesses:
            lines.append(f"witness {_text(each.name)} {each.verifier.text()} {each.url}".rstrip())
        for name, group in self.groups.items():
            lines.append(f"group {_text(name)} {group.least} {' '.join(map(_text, group.members))}")
        return "\n".join([*lines, f"quorum {_text(self.quorum)}", ""])

    def may_sign(self, verifier: Verifier, size: int) -> bool:
        """Say whether a log's key may sign a checkpoint of this size."""
        start, stop = self.signs.get(verifier, (0, None))
        return start <= size and (stop is None or size < stop)

    def cosigners(self, note: bytes, cosignatures: Sequence[Cosignature]) -> set[bytes]:
        """Give the names of the witnesses that cosigned a checkpoint."""
        return {
            witness.name
            for witness in self.witnesses
            for cosignature in cosignatures
            if is_cosigned(note, cosignature, witness.verifier)
        }

    def is_met(self, cosigners: Collection[bytes]) -> bool:
        """Say whether these witnesses are enough."""
        return self.quorum == NONE or self._has_witnessed(self.quorum, cosigners)

    def _has_witnessed(self, name: bytes, cosigners: Collection[bytes]) -> bool:
        # Groups refer only to names on lines before theirs, so this ends.
        group = self.groups.get(name)
        if group is None:
            return name in cosigners
        return sum(self._has_witnessed(member, cosigners) for member in group.members) >= group.least


def witness_policy(
    logs: Sequence[Verifier],
    witnesses: Sequence[KnownWitness],
    *,
    least: int | None = None,
    signs: Mapping[Verifier, tuple[int, int | None]] | None = None,
) -> Policy:
    """Make a policy in which ``least`` of the witnesses are enough; None asks for all of them, if there are any."""
    wanted = len(witnesses) if least is None else least
    if not witnesses or wanted == 0:
        return Policy(logs=tuple(logs), witnesses=tuple(witnesses), groups={}, quorum=NONE, signs=signs or {})
    if not 1 <= wanted <= len(witnesses):
        raise _refused(0, f"a quorum of {wanted} among {len(witnesses)} witnesses")
    group = Group(least=wanted, members=tuple(each.name for each in witnesses))
    name = b"witnesses"
    while name in group.members:
        name = b"all-" + name
    return Policy(logs=tuple(logs), witnesses=tuple(witnesses), groups={name: group}, quorum=name, signs=signs or {})


class _Reading:
    """What the lines so far said."""

    def __init__(self) -> None:
        self.logs: list[Verifier] = []
        self.witnesses: dict[bytes, KnownWitness] = {}
        self.groups: dict[bytes, Group] = {}
        self.signs: dict[Verifier, tuple[int, int | None]] = {}
        self.quorum: bytes | None = None
        self._members: set[bytes] = set()

    def take(self, line: bytes) -> None:
        words = re.split(rb"[ \t]+", line)
        keyword, rest = words[0], words[1:]
        if line.startswith(b"#signs"):
            self._take_range(words)
        elif not line or line.startswith(b"#"):
            return
        elif keyword == b"log" and len(rest) in {1, 2}:
            self._take_log(Verifier.read(_ascii(rest[0])))
        elif keyword == b"witness" and len(rest) in {2, 3}:
            self._take_witness(rest)
        elif keyword == b"group" and len(rest) >= 3:
            self._take_group(rest[0], rest[1], rest[2:])
        elif keyword == b"quorum" and len(rest) == 1:
            self._take_quorum(rest[0])
        else:
            raise ValueError(f"{_text(line)[:80]!r} is none of log, witness, group, quorum with its words")

    def _take_log(self, verifier: Verifier) -> None:
        if len(self.logs) == ENTRIES_MAX or any(verifier.public == other.public for other in self.logs):
            raise ValueError("this log's key is there already, or there are too many")
        self.logs.append(verifier)

    def _take_witness(self, rest: list[bytes]) -> None:
        verifier = Verifier.read(_ascii(rest[1]), COSIGNATURE)
        self._check_new(rest[0])
        known = self.witnesses.values()
        if len(known) == ENTRIES_MAX or any(verifier.public == other.verifier.public for other in known):
            raise ValueError("this witness's key is there already, or there are too many")
        url = _text(rest[2]) if len(rest) == 3 else ""
        self.witnesses[rest[0]] = KnownWitness(name=rest[0], verifier=verifier, url=url)

    def _take_group(self, name: bytes, threshold: bytes, members: list[bytes]) -> None:
        self._check_new(name)
        for member in members:
            self._check_known(member)
            if member in self._members:
                raise ValueError(f"{_text(member)} is a member of a group already")
            self._members.add(member)
        words = {b"any": 1, b"all": len(members)}
        if threshold not in words and not _NUMBER(threshold):
            raise ValueError(f"{_text(threshold)[:40]!r} is neither any, all nor a number")
        least = words[threshold] if threshold in words else int(threshold)
        if not 1 <= least <= len(members) or len(self.groups) == ENTRIES_MAX:
            raise ValueError(f"{least} of {len(members)} members, or too many groups")
        self.groups[name] = Group(least=least, members=tuple(members))

    def _take_quorum(self, name: bytes) -> None:
        if self.quorum is not None:
            raise ValueError("there is a quorum line already")
        if name != NONE:
            self._check_known(name)
        self.quorum = name

    def _take_range(self, words: list[bytes]) -> None:
        if len(words) != 4 or words[0] != b"#signs" or not _NUMBER(words[2]):
            raise ValueError("a #signs comment has a key, a size, and a size or a hyphen")
        verifier = Verifier.read(_ascii(words[1]))
        if verifier not in self.logs or verifier in self.signs:
            raise ValueError(f"{verifier.text()} is on no line before, or has its sizes already")
        if words[3] != b"-" and not _NUMBER(words[3]):
            raise ValueError(f"{_text(words[3])[:40]!r} is not a size")
        start, stop = int(words[2]), None if words[3] == b"-" else int(words[3])
        if start > SIZE_MAX or (stop is not None and not start < stop <= SIZE_MAX):
            raise ValueError(f"no size is from {start} up to {stop}")
        self.signs[verifier] = (start, stop)

    def _check_new(self, name: bytes) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ValueError(f"{_text(name)[:80]!r} is there already, or says none")

    def _check_known(self, name: bytes) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError(f"{_text(name)[:80]!r} is on no line before")


def _ascii(word: bytes) -> str:
    return word.decode("ascii", "replace")


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


def _refused(line: int, why: str) -> InputRefused:
    where = f"line {line} of the policy" if line else "the policy"
    return InputRefused(
        f"{where}: {why}",
        hint="write it as C2SP tlog-policy says; `bailiwick ledger policy` prints one to start from",
        code="policy-form",
    )
