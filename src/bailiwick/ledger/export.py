"""Writing a ledger as a folder that anybody can check with anybody's tools: C2SP tlog-tiles, a checkpoint, and the key.

The folder appears whole or not at all: it is written beside, flushed, checked against the checkpoint, then renamed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.errors import LedgerBroken, Unavailable, UsageRefused, Verdict
from bailiwick.keys import Verifier
from bailiwick.ledger.bundle import CHECKPOINT_FILE, COSIGNED_FILE, KEYS_FILE
from bailiwick.ledger.minimum import CARRIED_FILE, MINIMUM_FILE, RETENTION_FILE, retention_in
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import BROKEN_HINT, decode
from bailiwick.ledger.recover import leaves_of, pruned_of
from bailiwick.ledger.rotation import KEY_ROTATED
from bailiwick.ledger.tiles import frame_entries, tile_path
from bailiwick.ledger.tree import TILE_WIDTH, Frontier, tile_rows
from bailiwick.model import Checkpoint
from bailiwick.ports import LedgerStore, Prunable


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An exported ledger: where it is, what it stands for, and the key that anchors it. ``root`` in hexadecimal."""

    path: Path
    records: int
    root: str
    key: str
    files: int

    def to_json(self) -> dict[str, Any]:
        """Give the bundle as JSON."""
        return {
            "path": str(self.path),
            "records": self.records,
            "root": self.root,
            "key": self.key,
            "files": self.files,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What there is of the records below ``minimum``: the leaf digests of all, and those that were carried on."""

    minimum: int
    leaves: Iterable[list[bytes]]
    carried: Sequence[bytes]


def beginning_of(store: LedgerStore) -> Beginning | None:
    """Give what there is of pruned records of a store; None where none was pruned."""
    pruned = pruned_of(store)
    if pruned is None or not isinstance(store, Prunable):
        return None
    carried = [raw for _, raw in store.carried(0, pruned.minimum)]
    return Beginning(minimum=pruned.minimum, leaves=leaves_of(store, pruned.minimum), carried=carried)


def write_bundle(
    out: Path,
    batches: Iterable[Sequence[bytes]],
    checkpoint: Checkpoint,
    verifier: Verifier,
    progress: Callable[[int], None] | None = None,
    *,
    cosigned: bytes | None = None,
    beginning: Beginning | None = None,
) -> Bundle:
    """Write the first ``checkpoint.size`` records, given in order, as a bundle.

    Args:
        out: Folder to make.
        batches: The records.
        checkpoint: What they lead to; its note may carry lines of witnesses.
        verifier: The ledger's first key; the records say which came after it.
        progress: Told how many records were done since it was last told.
        cosigned: The newest checkpoint with lines of witnesses, where that is an older one.
        beginning: What there is below the minimum index, where records were pruned; ``batches`` then begin there.

    Raises:
        UsageRefused: there is something at ``out`` that is not an empty folder (code ``export-exists``).
        LedgerBroken: the records do not lead to the checkpoint's root (verdict altered).
        Unavailable: the folder cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageRefused(
            f"{out} exists and is not an empty folder", hint="give the name of a new folder", code="export-exists"
        )
    beside: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        writing = _Writing(beside, verifier)
        if beginning is not None:
            writing.begin(beginning)
        for records in batches:
            writing.feed(records)
            if progress is not None:
                progress(len(records))
        writing.finish()
        if writing.frontier.size != checkpoint.size or writing.frontier.root() != checkpoint.root:
            message = f"the records do not lead to the root that was signed at size {checkpoint.size}"
            raise LedgerBroken(Verdict.ALTERED, message, hint=BROKEN_HINT)
        writing.write(KEYS_FILE, "".join(f"{key}\n" for key in writing.keys).encode())
        if writing.retention is not None:
            writing.write(RETENTION_FILE, writing.retention + b"\n")
        if cosigned is not None:
            writing.write(COSIGNED_FILE, cosigned)
        writing.write(CHECKPOINT_FILE, checkpoint.note)
        writing.settle()
        beside.chmod(0o755)
        beside.replace(out)
        beside = None
        _sync_folder(out.parent)
    except OSError as error:
        raise Unavailable(
            f"{out} cannot be written: {error.strerror or error}",
            hint="check the folder above it and the space on its disk",
            code="export-unwritable",
        ) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
    return Bundle(
        path=out, records=checkpoint.size, root=checkpoint.root.hex(), key=writing.keys[-1], files=writing.files
    )


_ROTATED = f'"event_type":"{KEY_ROTATED}"'.encode()


class _Writing:
    """The tiles of a tree as it grows; each is written once, when it is full or at the end."""

    def __init__(self, folder: Path, verifier: Verifier) -> None:
        self._folder = folder
        self._folders = {folder}
        self._records: list[bytes] = []
        self._rows: dict[int, list[bytes]] = {}
        self._written: dict[int | None, int] = {}
        self.frontier = Frontier()
        self.files = 0
        self.keys = [verifier.text()]
        """Every key that the ledger had, oldest first."""
        self.retention: bytes | None = None
        """The newest written policy of retention, as it stands in its record."""

    def begin(self, beginning: Beginning) -> None:
        """Write what there is of pruned records: their hashes, and those that were carried on."""
        self._written[None] = beginning.minimum // TILE_WIDTH
        for leaves in beginning.leaves:
            self._grow(leaves)
        assert self.frontier.size == beginning.minimum, (self.frontier.size, beginning.minimum)
        self._notice(beginning.carried)
        self.write(MINIMUM_FILE, b"%d\n" % beginning.minimum)
        self.write(CARRIED_FILE, b"".join(raw + b"\n" for raw in beginning.carried))

    def feed(self, records: Sequence[bytes]) -> None:
        """Take further records into the tiles."""
        self._notice(records)
        self._records.extend(records)
        self._grow([leaf_digest(raw) for raw in records])

    def _notice(self, records: Sequence[bytes]) -> None:
        for raw in records:
            if _ROTATED in raw and (stored := decode(raw)).event_type == KEY_ROTATED:
                self.keys.append(str(stored.detail.get("new_verifier")))
            self.retention = retention_in(raw) or self.retention

    def _grow(self, leaves: list[bytes]) -> None:
        for level, hashes in tile_rows(self.frontier.extend(leaves)).items():
            self._rows.setdefault(level, []).extend(hashes)
        self._write_tiles(width_min=TILE_WIDTH)

    def finish(self) -> None:
        self._write_tiles(width_min=1)

    def _write_tiles(self, *, width_min: int) -> None:
        while len(self._records) >= width_min:
            records, self._records = self._records[:TILE_WIDTH], self._records[TILE_WIDTH:]
            self._write_tile(None, len(records), frame_entries(records))
        for level, row in self._rows.items():
            while len(row) >= width_min:
                hashes = row[:TILE_WIDTH]
                del row[:TILE_WIDTH]
                self._write_tile(level, len(hashes), b"".join(hashes))

    def _write_tile(self, level: int | None, width: int, data: bytes) -> None:
        number = self._written.get(level, 0)
        self._written[level] = number + 1
        self.write(tile_path(level, number, width), data)

    def write(self, name: str, data: bytes) -> None:
        """Write one file of the bundle."""
        path = self._folder / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.update(parent for parent in path.parents if parent.is_relative_to(self._folder))
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        self.files += 1

    def settle(self) -> None:
        for folder in self._folders:
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
