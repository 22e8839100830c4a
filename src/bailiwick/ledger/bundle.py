"""Verifying an exported ledger, from its folder alone: no node, no home, no network, no trust in the sender.

A bundle has no file list, because its checkpoint is one: the size that it was signed for says which tiles and entry
bundles there are, and how long each is. A file too many is refused like a file too few.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import NotFound, NotTrusted, Unavailable, UsageRefused, Verdict
from bailiwick.keys import VERIFIER_CHARACTERS_MAX, Verifier
from bailiwick.ledger.audit import PROBLEMS_MAX, Problem, RecordWalk, Report, problem_of
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.note import NOTE_BYTES_MAX, open_checkpoint
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.tiles import BUNDLE_BYTES_MAX, levels, split_entries, tile_path, widths
from bailiwick.ledger.tree import TILE_WIDTH, Frontier, tile_rows
from bailiwick.model import Checkpoint

CHECKPOINT_FILE = "checkpoint"
KEYS_FILE = "keys"
FILES_MAX = 4_000_000
"""Files that a bundle may have; enough for 500 million records."""

Progress = Callable[[int], None]


class _Refused(Exception):
    """Nothing more can be checked; the problems say why."""


def verify_bundle(
    path: Path, *, key: str | None, since: Path | None = None, progress: Progress | None = None
) -> Report:
    """Check everything that is in an exported ledger, and that nothing else is.

    Args:
        path: The folder.
        key: Verifier key got by another way than the bundle; None to check consistency only, under the bundle's own.
        since: A checkpoint kept from before, or a bundle that holds one; this bundle must have grown from it.
        progress: Told how many records were done since it was last told.

    Returns:
        The verdict, that of the first problem, with all problems up to ``PROBLEMS_MAX``.

    Raises:
        NotFound: there is no such folder, or no such checkpoint to compare with.
        UsageRefused: the key is not a verifier key.
        Unavailable: a file cannot be read.

    Cost: about 6 µs a record.
    """
    given = None if key is None else Verifier.read(key)
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}", hint="give the folder that `bailiwick ledger export` wrote")
    audit = _BundleAudit(_Folder(path), given)
    try:
        audit.read_checkpoint()
        older = None if since is None else audit.read_since(since)
        audit.check_files()
        audit.check_records(older, progress)
    except _Refused:
        pass
    return audit.report()


class _Folder:
    """The files of a bundle by their path within it; whatever is not a plain file is kept apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.odd: list[str] = []
        self.files = dict(self._walk(path, ""))

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            for entry in entries:
                name = prefix + entry.name
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode) and name.count("/") < 32:
                    yield from self._walk(Path(entry.path), name + "/")
                elif stat.S_ISREG(seen.st_mode):
                    yield name, seen.st_size
                else:
                    self.odd.append(name)
        except OSError as error:
            raise _unreadable(folder, error) from error

    def read(self, name: str, size_max: int) -> bytes:
        """Read a whole file of at most ``size_max`` bytes, and one byte more where it is longer."""
        try:
            handle = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                return file.read(size_max + 1)
        except OSError as error:
            raise _unreadable(self.path / name, error) from error


@dataclass(slots=True)
class _Mismatch:
    """A tile of level 0 and its entry bundle that disagree, first at a record."""

    index: int
    tile: str
    entries: str


class _BundleAudit:
    """One verification: what is believed so far, and what was found."""

    def __init__(self, folder: _Folder, given: Verifier | None) -> None:
        self._folder = folder
        self._given = given
        self._verifier = given
        self._checkpoint: Checkpoint | None = None
        self._claimed: Checkpoint | None = None
        self._problems: list[Problem] = []

    def report(self) -> Report:
        """Give what was found."""
        problems = tuple(self._problems[:PROBLEMS_MAX])
        checkpoint = self._checkpoint or self._claimed
        return Report(
            verdict=problems[0].verdict if problems else Verdict.OK,
            records=checkpoint.size if checkpoint else 0,
            root=checkpoint.root.hex() if checkpoint else "",
            key=self._verifier.text() if self._verifier else "",
            anchor="bundle" if self._given is None else "given",
            problems=problems,
        )

    def _found(self, verdict: Verdict, message: str, file: str | None = None, index: int | None = None) -> None:
        self._problems.append(Problem(verdict=verdict, message=message, file=file, index=index))
        if len(self._problems) >= PROBLEMS_MAX:
            raise _Refused

    # --- key and checkpoint -----------------------------------------------------------------------------------------

    def read_checkpoint(self) -> None:
        """Find the key to check with, and the checkpoint that everything else must lead to."""
        named = self._read_keys()
        verifier = self._verifier = self._given or named
        note = self._read_small(CHECKPOINT_FILE, NOTE_BYTES_MAX)
        if verifier is None or note is None:
            raise _Refused
        try:
            self._checkpoint = open_checkpoint(note, verifier)
        except ValueError as error:
            self._found(Verdict.CORRUPT, f"not a checkpoint: {error}", CHECKPOINT_FILE)
        except NotTrusted as error:
            if named is not None and named != verifier and _is_signed_by(note, named):
                message = f"the whole bundle is signed by {named.text()}, not by the key that was given"
                self._problems.insert(0, Problem(verdict=Verdict.UNTRUSTED_KEY, message=message, file=KEYS_FILE))
                self._claimed = open_checkpoint(note, named)
            else:
                self._found(Verdict.ALTERED, error.message, CHECKPOINT_FILE)
        if self._checkpoint is None:
            raise _Refused
        if named is not None and named != verifier:
            self._found(Verdict.ALTERED, f"it names {named.text()}, and another key signed the checkpoint", KEYS_FILE)

    def read_since(self, since: Path) -> Checkpoint | None:
        """Read the older checkpoint that this bundle must have grown from."""
        assert self._verifier is not None
        assert self._checkpoint is not None
        file = since / CHECKPOINT_FILE if since.is_dir() else since
        if not file.is_file():
            raise NotFound(f"there is no checkpoint at {file}", hint="give the file that you kept earlier")
        note = _Folder(file.parent).read(file.name, NOTE_BYTES_MAX)
        try:
            older = open_checkpoint(note, self._verifier)
        except ValueError as error:
            self._found(Verdict.CORRUPT, f"not a checkpoint: {error}", str(file))
            return None
        except NotTrusted as error:
            self._found(Verdict.UNTRUSTED_KEY, error.message, str(file))
            return None
        if older.size > self._checkpoint.size:
            message = f"the ledger had {older.size} records then, and the bundle stands for {self._checkpoint.size}"
            self._found(Verdict.TRUNCATED, message, CHECKPOINT_FILE)
            return None
        return older

    def _read_keys(self) -> Verifier | None:
        data = self._read_small(KEYS_FILE, VERIFIER_CHARACTERS_MAX + 1)
        if data is None:
            return None
        try:
            verifier = Verifier.read(data.decode("ascii").removesuffix("\n"))
        except (UsageRefused, UnicodeDecodeError) as error:
            self._found(Verdict.CORRUPT, f"not a verifier key: {error}", KEYS_FILE)
            return None
        if data != f"{verifier.text()}\n".encode():
            self._found(Verdict.CORRUPT, "more than one verifier key and a newline", KEYS_FILE)
        return verifier

    def _read_small(self, name: str, size_max: int) -> bytes | None:
        if name not in self._folder.files:
            self._found(Verdict.TRUNCATED, "the file is missing", name)
            return None
        return self._folder.read(name, size_max)

    # --- files ------------------------------------------------------------------------------------------------------

    def check_files(self) -> None:
        """Compare the files that there are with those that the checkpoint's size asks for."""
        assert self._checkpoint is not None
        for name in self._folder.odd:
            self._found(Verdict.ALTERED, "neither a file nor a folder", name)
        if len(self._folder.files) > FILES_MAX:
            self._found(Verdict.ALTERED, f"{len(self._folder.files)} files; at most {FILES_MAX}")
            raise _Refused
        extra = set(self._folder.files) - {CHECKPOINT_FILE, KEYS_FILE}
        missing = False
        for name in _expected(self._checkpoint.size):
            if name in extra:
                extra.discard(name)
            else:
                missing = True
                self._found(Verdict.TRUNCATED, "the file is missing", name)
        for name in sorted(extra):
            self._found(Verdict.ALTERED, "the file does not belong to a ledger of this size", name)
        if missing:
            raise _Refused

    # --- records and tiles ------------------------------------------------------------------------------------------

    def check_records(self, older: Checkpoint | None, progress: Progress | None) -> None:
        """Check every record, every tile, and that all of it leads to the checkpoint's root."""
        assert self._verifier is not None
        assert self._checkpoint is not None
        walk = RecordWalk(self._verifier)
        upper: dict[int, list[bytes]] = {}
        mismatches: list[_Mismatch] = []
        for number, width in widths(self._checkpoint.size, 0):
            before = walk.frontier.copy() if older is not None and _holds(number, width, older.size) else None
            grown = tile_rows(self._check_tile(walk, number, width, mismatches))
            if before is not None and older is not None:
                self._check_older(before, grown[0], older)
            for level, hashes in grown.items():
                if level:
                    upper.setdefault(level, []).extend(hashes)
            if progress is not None:
                progress(width)
        self._check_upper(upper)
        self._check_root(walk, mismatches)

    def _check_tile(
        self, walk: RecordWalk, number: int, width: int, mismatches: list[_Mismatch]
    ) -> dict[int, list[bytes]]:
        """Check one tile of level 0 against its entry bundle, and walk over the records."""
        start = number * TILE_WIDTH
        tile_file, entries_file = tile_path(0, number, width), tile_path(None, number, width)
        hashes = self._read_tile(tile_file, width)
        try:
            records = split_entries(self._folder.read(entries_file, BUNDLE_BYTES_MAX))
        except ValueError as error:
            records = []
            self._found(Verdict.CORRUPT, str(error), entries_file, start)
        if records and len(records) != width:
            verdict = Verdict.TRUNCATED if len(records) < width else Verdict.ALTERED
            self._found(verdict, f"{len(records)} records, not {width}", entries_file, start)
        if len(records) != width:
            if not records and not any(problem.file == entries_file for problem in self._problems):
                self._found(Verdict.TRUNCATED, "the file is empty", entries_file, start)
            fault = Fault(index=start, verdict=Verdict.CORRUPT, message=f"records from {start} on are missing")
            return {0: hashes, **walk.skip(hashes, fault)}
        was_sound = walk.fault is None
        grown = walk.feed(records)
        if grown[0] != hashes:
            pairs = zip(grown[0], hashes, strict=True) if len(hashes) == width else ()
            index = next((start + at for at, (leaf, seen) in enumerate(pairs) if leaf != seen), start)
            mismatches.append(_Mismatch(index=index, tile=tile_file, entries=entries_file))
        if was_sound and walk.fault is not None:
            self._found_fault(walk.fault)
        return grown

    def _found_fault(self, fault: Fault) -> None:
        assert self._checkpoint is not None
        number = fault.index // TILE_WIDTH
        width = min(self._checkpoint.size - number * TILE_WIDTH, TILE_WIDTH)
        problem = problem_of(fault, tile_path(None, number, width))
        self._found(problem.verdict, problem.message, problem.file, problem.index)

    def _read_tile(self, name: str, width: int) -> list[bytes]:
        data = self._folder.read(name, TILE_WIDTH * HASH_BYTES)
        if len(data) != width * HASH_BYTES:
            verdict = Verdict.TRUNCATED if len(data) < width * HASH_BYTES else Verdict.ALTERED
            self._found(verdict, f"{len(data)} bytes, not {width * HASH_BYTES}", name)
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]

    def _check_upper(self, upper: dict[int, list[bytes]]) -> None:
        """Compare the tiles above level 0 with what the leaves give."""
        assert self._checkpoint is not None
        for level in range(1, levels(self._checkpoint.size)):
            for number, width in widths(self._checkpoint.size, level):
                name = tile_path(level, number, width)
                wanted = upper.get(level, [])[number * TILE_WIDTH : number * TILE_WIDTH + width]
                for position, (seen, computed) in enumerate(zip(self._read_tile(name, width), wanted, strict=False)):
                    if seen != computed:
                        message = f"hash {position} is not that of the tile below it"
                        self._found(Verdict.ALTERED, message, name)
                        break

    def _check_root(self, walk: RecordWalk, mismatches: list[_Mismatch]) -> None:
        """Say which of two files that disagree was changed: the one that does not lead to the signed root."""
        assert self._checkpoint is not None
        is_records_root = walk.frontier.root() == self._checkpoint.root
        if is_records_root:
            for mismatch in mismatches:
                message = f"the hash of record {mismatch.index} is not that of the record"
                self._found(Verdict.ALTERED, message, mismatch.tile, mismatch.index)
            return
        for mismatch in mismatches:
            message = f"record {mismatch.index} is not the one that its tile has the hash of"
            self._found(Verdict.ALTERED, message, mismatch.entries, mismatch.index)
        if not self._problems or not mismatches:
            root = walk.frontier.root().hex()
            message = f"the records lead to root {root}, and {self._checkpoint.root.hex()} was signed"
            self._found(Verdict.ALTERED, message, CHECKPOINT_FILE)

    def _check_older(self, before: Frontier, leaves: list[bytes], older: Checkpoint) -> None:
        before.extend(leaves[: older.size - before.size])
        if before.root() != older.root:
            message = f"the ledger had another history at size {older.size}, and its key signed both"
            self._found(Verdict.FORKED, message, index=None)


def _holds(number: int, width: int, size: int) -> bool:
    """Say whether a tree of ``size`` leaves ends within a tile of level 0 (an empty one in the first)."""
    return number * TILE_WIDTH < max(size, 1) <= number * TILE_WIDTH + width


def _expected(size: int) -> Iterator[str]:
    for number, width in widths(size, 0):
        yield tile_path(None, number, width)
    for level in range(levels(size)):
        for number, width in widths(size, level):
            yield tile_path(level, number, width)


def _is_signed_by(note: bytes, verifier: Verifier) -> bool:
    try:
        open_checkpoint(note, verifier)
    except (ValueError, NotTrusted):
        return False
    return True


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}", hint="check who owns it", code="bundle-unreadable"
    )
