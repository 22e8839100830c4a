"""Verifying an exported ledger, from its folder alone: no node, no home, no network, no trust in the sender.

A bundle has no file list, because its checkpoint is one: the size that it was signed for says which tiles and entry
bundles there are, and how long each is. A file too many is refused like a file too few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bailiwick.errors import NotFound, NotTrusted, UsageRefused, Verdict
from bailiwick.keys import VERIFIER_CHARACTERS_MAX, Verifier
from bailiwick.ledger.audit import PROBLEMS_MAX, Problem, RecordWalk, Report, problem_of
from bailiwick.ledger.bundle_part import Mismatch, Older, TilePart, parts_of, read_parts, upper_rows
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.folder import Folder
from bailiwick.ledger.minimum import (
    CARRIED_BYTES_MAX,
    CARRIED_FILE,
    MINIMUM_FILE,
    RETENTION_FILE,
    PrunedWalk,
    read_minimum,
    split_carried,
)
from bailiwick.ledger.note import (
    COSIGNED_BYTES_MAX,
    Cosignature,
    is_cosigned,
    is_named,
    open_checkpoint,
    split_cosignatures,
)
from bailiwick.ledger.parallel import jobs_for, tell_nobody
from bailiwick.ledger.policy import Policy
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.rotation import KEYS_MAX
from bailiwick.ledger.tiles import BUNDLE_BYTES_MAX, levels, split_entries, tile_files, tile_path, widths
from bailiwick.ledger.tree import TILE_WIDTH, Frontier, tile_rows
from bailiwick.model import Checkpoint

CHECKPOINT_FILE = "checkpoint"
COSIGNED_FILE = "cosigned"
"""The newest checkpoint that witnesses cosigned, where that is not the newest of all."""
KEYS_FILE = "keys"
MINIMUM_BYTES_MAX = 17
"""Longest minimum index that is read, in bytes: sixteen digits and a newline."""
RETENTION_BYTES_MAX = 65_536
"""Longest statement of retention that is read, in bytes; a record is never longer."""
FILES_MAX = 4_000_000
"""Files that a bundle may have; enough for 500 million records."""

Progress = Callable[[int], None]


class _Refused(Exception):
    """Nothing more can be checked; the problems say why."""


def verify_bundle(
    path: Path,
    *,
    key: str | None,
    since: Path | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
    jobs: int | None = 1,
) -> Report:
    """Check everything that is in an exported ledger, and that nothing else is.

    Args:
        path: The folder.
        key: Verifier key got by another way than the bundle; None to check consistency only, under the bundle's own.
            A ledger that changed its key is followed from any key that it had.
        since: A checkpoint kept from before, or a bundle that holds one; this bundle must have grown from it.
        policy: Whom to believe, instead of a key: logs, witnesses, and how many of these are enough.
        progress: Told how many records were done since it was last told.
        jobs: Processes that read; None for one a core where the ledger is large. The report does not depend on it.

    Returns:
        The verdict, that of the first problem, with all problems up to ``PROBLEMS_MAX``.

    Raises:
        NotFound: there is no such folder, or no such checkpoint to compare with.
        UsageRefused: the key is not a verifier key, or there is a policy too.
        Unavailable: a file cannot be read.

    Cost: about 6 µs a record, divided by the processes.
    """
    if key is not None and policy is not None:
        raise UsageRefused("both a key and a policy", hint="put the key on a log line of the policy")
    anchors: Sequence[Verifier] | None = None if policy is None else policy.logs
    if key is not None:
        anchors = [Verifier.read(key)]
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}", hint="give the folder that `bailiwick ledger export` wrote")
    audit = _BundleAudit(Folder(path), anchors, policy)
    try:
        audit.read_checkpoint()
        audit.read_cosigned()
        if since is not None:
            audit.read_since(since)
        audit.read_minimum()
        audit.check_files()
        audit.check_records(progress, jobs)
        audit.check_witnesses()
    except _Refused:
        pass
    return audit.report()


class _BundleAudit:
    """One verification: what is believed so far, and what was found.

    ``_keys`` are the keys that the ledger is said to have had, oldest first, until its records have said so too.
    """

    def __init__(self, folder: Folder, anchors: Sequence[Verifier] | None, policy: Policy | None) -> None:
        self._folder = folder
        self._anchors = anchors
        self._policy = policy
        self._keys: Sequence[Verifier] = ()
        self._named_witnesses: Sequence[Verifier] = ()
        self._checkpoint: Checkpoint | None = None
        self._claimed: Checkpoint | None = None
        self._older: list[Older] = []
        self._cosigned: list[tuple[Checkpoint, Sequence[Cosignature], str]] = []
        self._witnessed: int | None = None
        self._problems: list[Problem] = []
        self._mismatches: list[Mismatch] = []
        self._minimum = 0
        self._carried: dict[int, bytes] = {}

    def report(self) -> Report:
        """Give what was found."""
        problems = tuple(self._problems[:PROBLEMS_MAX])
        checkpoint = self._checkpoint or self._claimed
        return Report(
            verdict=problems[0].verdict if problems else Verdict.OK,
            records=checkpoint.size if checkpoint else 0,
            root=checkpoint.root.hex() if checkpoint else "",
            key=self._keys[-1].text() if self._keys else "",
            anchor="bundle" if self._anchors is None else "given",
            problems=problems,
            witnessed=self._witnessed,
            minimum=self._minimum,
        )

    def _found(self, verdict: Verdict, message: str, file: str | None = None, index: int | None = None) -> None:
        self._problems.append(Problem(verdict=verdict, message=message, file=file, index=index))
        if len(self._problems) >= PROBLEMS_MAX:
            raise _Refused

    # --- key and checkpoint -----------------------------------------------------------------------------------------

    def read_checkpoint(self) -> None:
        """Find the keys to check with, and the checkpoint that everything else must lead to."""
        named = self._read_keys()
        note = self._read_small(CHECKPOINT_FILE, COSIGNED_BYTES_MAX)
        is_known = self._anchors is None or any(key in self._anchors for key in named)
        self._keys = named if is_known else self._anchors or ()
        if not self._keys or note is None:
            raise _Refused
        try:
            note, cosignatures = split_cosignatures(note)
            verifier = self._keys[-1] if is_known else next((each for each in self._keys if is_named(note, each)), None)
            self._checkpoint = open_checkpoint(note, verifier or self._keys[0])
        except ValueError as error:
            self._found(Verdict.CORRUPT, f"not a checkpoint: {error}", CHECKPOINT_FILE)
        except NotTrusted as error:
            self._found_signer(note, named, error)
        if self._checkpoint is None:
            raise _Refused
        if named and not is_known:
            self._keys = [verifier or self._keys[0]]
            message = f"it names {named[-1].text()}, and another key signed the checkpoint"
            self._found(Verdict.ALTERED, message, KEYS_FILE)
        if cosignatures:
            self._cosigned.append((self._checkpoint, cosignatures, CHECKPOINT_FILE))
        if self._policy is not None and not self._policy.may_sign(self._keys[-1], self._checkpoint.size):
            message = f"the policy lets {self._keys[-1].text()} sign no checkpoint of size {self._checkpoint.size}"
            self._found(Verdict.UNTRUSTED_KEY, message, CHECKPOINT_FILE)

    def _found_signer(self, note: bytes, named: Sequence[Verifier], error: NotTrusted) -> None:
        """Say who signed the checkpoint, where nobody who is believed did."""
        if named and named[-1] not in self._keys and _is_signed_by(note, named[-1]):
            message = f"the whole bundle is signed by {named[-1].text()}, not by the key that was given"
            if self._policy is not None:
                message = f"the whole bundle is signed by {named[-1].text()}, which is on no log line of the policy"
            self._problems.insert(0, Problem(verdict=Verdict.UNTRUSTED_KEY, message=message, file=KEYS_FILE))
            self._claimed = open_checkpoint(note, named[-1])
        else:
            self._found(Verdict.ALTERED, error.message, CHECKPOINT_FILE)

    def read_cosigned(self) -> None:
        """Read the checkpoint that witnesses cosigned, where it is an older one."""
        if COSIGNED_FILE not in self._folder.files:
            return
        note, cosignatures = self._read_older(self._folder.read(COSIGNED_FILE, COSIGNED_BYTES_MAX), COSIGNED_FILE)
        if note is not None:
            self._cosigned.append((note, cosignatures, COSIGNED_FILE))

    def read_since(self, since: Path) -> None:
        """Read the older checkpoint that this bundle must have grown from."""
        file = since / CHECKPOINT_FILE if since.is_dir() else since
        if not file.is_file():
            raise NotFound(f"there is no checkpoint at {file}", hint="give the file that you kept earlier")
        self._read_older(Folder(file.parent).read(file.name, COSIGNED_BYTES_MAX), str(file))

    def _read_older(self, data: bytes, file: str) -> tuple[Checkpoint | None, Sequence[Cosignature]]:
        assert self._checkpoint is not None
        is_ours = file == COSIGNED_FILE
        try:
            note, cosignatures = split_cosignatures(data)
            verifier = next((each for each in self._keys if is_named(note, each)), self._keys[-1])
            older = open_checkpoint(note, verifier)
        except ValueError as error:
            self._found(Verdict.CORRUPT, f"not a checkpoint: {error}", file)
            return None, ()
        except NotTrusted as error:
            self._found(Verdict.ALTERED if is_ours else Verdict.UNTRUSTED_KEY, error.message, file)
            return None, ()
        if is_ours and (not cosignatures or older.size == self._checkpoint.size):
            self._found(Verdict.ALTERED, "no line of a witness, or the newest checkpoint again", file)
        if older.size > self._checkpoint.size:
            message = f"the ledger had {older.size} records then, and the bundle stands for {self._checkpoint.size}"
            self._found(Verdict.TRUNCATED, message, CHECKPOINT_FILE)
            return None, ()
        self._older.append(Older(checkpoint=older, verifier=verifier, file=file if is_ours else None))
        return older, cosignatures

    def _read_keys(self) -> Sequence[Verifier]:
        """Read the keys that the bundle says that the ledger had; none where the file cannot be believed."""
        data = self._read_small(KEYS_FILE, (VERIFIER_CHARACTERS_MAX + 1) * KEYS_MAX)
        if data is None:
            return ()
        try:
            keys = [Verifier.read(line) for line in data.decode("ascii").removesuffix("\n").split("\n")]
        except (UsageRefused, UnicodeDecodeError) as error:
            self._found(Verdict.CORRUPT, f"not a verifier key: {error}", KEYS_FILE)
            return ()
        if data != "".join(f"{verifier.text()}\n" for verifier in keys).encode():
            self._found(Verdict.CORRUPT, "more than verifier keys, each with a newline", KEYS_FILE)
        return keys

    def _read_small(self, name: str, size_max: int) -> bytes | None:
        if name not in self._folder.files:
            self._found(Verdict.TRUNCATED, "the file is missing", name)
            return None
        return self._folder.read(name, size_max)

    def read_minimum(self) -> None:
        """Read from which record on the ledger has its records, and which older ones were carried on."""
        assert self._checkpoint is not None
        if MINIMUM_FILE not in self._folder.files:
            return
        name = MINIMUM_FILE
        try:
            minimum = read_minimum(self._folder.read(name, MINIMUM_BYTES_MAX), self._checkpoint.size)
            name = CARRIED_FILE
            data = self._read_small(name, CARRIED_BYTES_MAX)
            carried = split_carried(data or b"")
            if max(carried, default=0) >= minimum or len(data or b"") > CARRIED_BYTES_MAX:
                raise ValueError(f"records from {minimum} on stand there, or more than {CARRIED_BYTES_MAX} bytes")
        except ValueError as error:
            self._found(Verdict.CORRUPT, f"it cannot be read: {error}", name)
            raise _Refused from error
        self._minimum, self._carried = minimum, carried

    # --- files ------------------------------------------------------------------------------------------------------

    def check_files(self) -> None:
        """Compare the files that there are with those that the checkpoint's size asks for."""
        assert self._checkpoint is not None
        for name in self._folder.odd:
            self._found(Verdict.ALTERED, "neither a file nor a folder", name)
        if len(self._folder.files) > FILES_MAX:
            self._found(Verdict.ALTERED, f"{len(self._folder.files)} files; at most {FILES_MAX}")
            raise _Refused
        extra = set(self._folder.files) - {CHECKPOINT_FILE, COSIGNED_FILE, KEYS_FILE, RETENTION_FILE}
        extra -= {MINIMUM_FILE, CARRIED_FILE} if self._minimum else set()
        missing = False
        for name in tile_files(self._checkpoint.size, self._minimum):
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

    def check_records(self, progress: Progress | None, jobs: int | None) -> None:
        """Check every record, every tile, and that all of it leads to the checkpoint's root."""
        assert self._checkpoint is not None
        size, told = self._checkpoint.size, progress or tell_nobody
        walk = RecordWalk(self._keys[0])
        whole = PrunedWalk(walk=walk, minimum=self._minimum, carried=self._carried)
        row: list[bytes] = []
        with read_parts(self._folder.path, size, jobs_for(size, jobs)) as parts:
            for (start, stop), part in zip(parts_of(size), parts, strict=True):
                if part is not None and self._take(walk, part, start, stop):
                    row += part.row
                    told(stop - start)
                else:
                    row += self._check_part(whole, start, stop, told)
        self._check_upper(upper_rows(row))
        self._check_root(walk)
        self._check_keys(walk)
        self._check_kept(whole)

    def _take(self, walk: RecordWalk, part: TilePart, start: int, stop: int) -> bool:
        """Take a part that was read elsewhere, if nothing in it has to be looked at here."""
        if self._minimum and start <= self._minimum:
            return False
        was_sound = walk.fault is None
        if any(each.ends_in(start, stop) for each in self._older) or not walk.take(part.part):
            return False
        if was_sound and walk.fault is not None:
            self._found_fault(walk.fault)
        return True

    def _check_part(self, whole: PrunedWalk, start: int, stop: int, told: Progress) -> list[bytes]:
        """Check the tiles and records of a part here, and give the hashes that they add to level 1."""
        walk, row = whole.walk, []
        for at in range(start, stop, TILE_WIDTH):
            number, width = at // TILE_WIDTH, min(TILE_WIDTH, stop - at)
            due = [each for each in self._older if each.ends_in(at, at + width)]
            before = walk.frontier.copy() if due else None
            if at < self._minimum:
                grown = tile_rows(self._check_hashes(whole, number))
            else:
                grown = tile_rows(self._check_tile(whole, number, width))
            for older in due:
                assert before is not None
                self._check_older(before.copy(), grown[0], older)
            row += grown.get(1, [])
            told(width)
        return row

    def _check_hashes(self, whole: PrunedWalk, number: int) -> dict[int, list[bytes]]:
        """Check one tile of level 0 whose records were pruned, but for those that were carried on."""
        was_sound = whole.walk.fault is None
        grown = whole.pass_over(self._read_tile(tile_path(0, number), TILE_WIDTH))
        if was_sound and (fault := whole.walk.fault) is not None:
            self._found(fault.verdict, fault.message, CARRIED_FILE, fault.index)
        return grown

    def _check_kept(self, whole: PrunedWalk) -> None:
        """Check that a record says that records were pruned, and that the statement of retention is the ledger's."""
        if self._problems:
            return
        if (fault := whole.finish()) is not None:
            self._found(fault.verdict, fault.message, MINIMUM_FILE, fault.index)
        stated = None
        if RETENTION_FILE in self._folder.files:
            stated = self._folder.read(RETENTION_FILE, RETENTION_BYTES_MAX)
        if stated != (None if whole.retention is None else whole.retention + b"\n"):
            verdict = Verdict.TRUNCATED if stated is None else Verdict.ALTERED
            self._found(verdict, "it is not the newest policy that the ledger's records hold", RETENTION_FILE)

    def _check_keys(self, walk: RecordWalk) -> None:
        """Compare the keys that the records hand the ledger to with those that were believed until here."""
        if walk.fault is not None or not walk.keys:
            return
        self._named_witnesses = walk.witnesses
        if [key for _, key in walk.keys] != list(self._keys):
            message = f"it names {len(self._keys)} keys, and by its records the ledger had {len(walk.keys)}"
            self._found(Verdict.ALTERED, message, KEYS_FILE)
        for older in self._older:
            if walk.key_at(older.checkpoint.size) != older.verifier:
                message = f"{older.verifier.text()} signed size {older.checkpoint.size}, which was not its to sign"
                self._found(Verdict.UNTRUSTED_KEY, message, older.file)

    def check_witnesses(self) -> None:
        """Check every witness's line, whoever is believed; then, by the policy, for how much they stand."""
        believed = [each.verifier for each in self._policy.witnesses] if self._policy is not None else []
        if self._problems:
            return
        for checkpoint, cosignatures, file in self._cosigned:
            for line in cosignatures:
                verifiers = [each for each in (*believed, *self._named_witnesses) if line.is_of(each)]
                if not any(is_cosigned(checkpoint.note, line, each) for each in verifiers):
                    message = f"the line of {line.name} is not a cosignature by anybody the ledger or policy names"
                    self._found(Verdict.ALTERED, message, file)
        if self._policy is not None and not self._problems:
            self._check_quorum(self._policy)

    def _check_quorum(self, policy: Policy) -> None:
        assert self._checkpoint is not None
        size = self._checkpoint.size
        found = {checkpoint.size: policy.cosigners(checkpoint.note, lines) for checkpoint, lines, _ in self._cosigned}
        met = [size for size, cosigners in {size: set[bytes](), **found}.items() if policy.is_met(cosigners)]
        self._witnessed = max(met, default=0)
        if self._witnessed < size:
            names = ", ".join(sorted(name.decode("utf-8", "replace") for name in found.get(size, ()))) or "nobody"
            message = f"of {size} records, witnesses stand for {self._witnessed}; the newest checkpoint: {names}"
            self._found(Verdict.STALE_WITNESS, message, CHECKPOINT_FILE)

    def _check_tile(self, whole: PrunedWalk, number: int, width: int) -> dict[int, list[bytes]]:
        """Check one tile of level 0 against its entry bundle, and walk over the records."""
        walk = whole.walk
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
        grown = whole.feed(records)
        if grown[0] != hashes:
            pairs = zip(grown[0], hashes, strict=True) if len(hashes) == width else ()
            index = next((start + at for at, (leaf, seen) in enumerate(pairs) if leaf != seen), start)
            self._mismatches.append(Mismatch(index=index, tile=tile_file, entries=entries_file))
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

    def _check_root(self, walk: RecordWalk) -> None:
        """Say which of two files that disagree was changed: the one that does not lead to the signed root."""
        assert self._checkpoint is not None
        is_records_root = walk.frontier.root() == self._checkpoint.root
        if is_records_root:
            for mismatch in self._mismatches:
                message = f"the hash of record {mismatch.index} is not that of the record"
                self._found(Verdict.ALTERED, message, mismatch.tile, mismatch.index)
            return
        for mismatch in self._mismatches:
            message = f"record {mismatch.index} is not the one that its tile has the hash of"
            self._found(Verdict.ALTERED, message, mismatch.entries, mismatch.index)
        if not self._problems or not self._mismatches:
            root = walk.frontier.root().hex()
            message = f"the records lead to root {root}, and {self._checkpoint.root.hex()} was signed"
            self._found(Verdict.ALTERED, message, CHECKPOINT_FILE)

    def _check_older(self, before: Frontier, leaves: list[bytes], older: Older) -> None:
        size = older.checkpoint.size
        before.extend(leaves[: size - before.size])
        if before.root() != older.checkpoint.root:
            message = f"the ledger had another history at size {size}, and its key signed both"
            self._found(Verdict.FORKED, message, older.file)


def _is_signed_by(note: bytes, verifier: Verifier) -> bool:
    try:
        open_checkpoint(note, verifier)
    except (ValueError, NotTrusted):
        return False
    return True
