"""A ledger's records as objects of an S3 bucket, one object for each group, locked against deletion where asked for.

    <origin>/records/000000000000 …    <origin>/quarantine/<name>    <origin>/records/moved

An object is named by the index of its first record and is only ever created where there is none (``If-None-Match: *``):
of two writers one is refused, whatever they believe. Nothing waits for a lock over the network. Its first line says
what it holds, so each read is checked. Side files stay on this machine.

It does not prune (``ports.Prunable``): an object holds a whole group and may be locked for longer than its records'
class, so that nobody could say on which day they are gone.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from bailiwick.adapters.ledgerstore_checks import COPY_HINT, moved, poisoned, quarantined, raced
from bailiwick.adapters.ledgerstore_side import SideFiles
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable, UsageRefused, Verdict
from bailiwick.model import Quarantined
from bailiwick.ports import Disk

MAGIC = b"bailiwick-batch/1"
READERS = 8
"""Objects that are fetched at the same time, in number."""
BATCH_BYTES_MAX = 16 << 20
"""Largest object that is read, in bytes: no group of records makes one half as large."""
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 30
ATTEMPTS_MAX = 3
"""Times that a request is sent before it counts as failed, in number."""

_KEPT = 8
_NAME = re.compile(r"[0-9]{12}\Z")
_REFUSED_BY = {409, 412}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where the objects go, and for how long they are locked. ``mode``: COMPLIANCE, GOVERNANCE, or empty for neither.

    Without a mode, the bucket's own default rule applies, if it has one.
    """

    name: str
    mode: str = ""
    days: int = 0
    client: Callable[[], Any] | None = None

    def retention(self) -> Mapping[str, Any]:
        """Give the arguments that lock an object written now."""
        if not self.mode:
            return {}
        return {
            "ObjectLockMode": self.mode,
            "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=self.days),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """One object as it was listed: the index of its first record, its size in bytes, and its tag."""

    start: int
    size: int
    tag: str


class S3LedgerStore:
    """See ``ports.LedgerStore``. ``exclusive`` keeps others on this machine out; on other machines, the bucket does."""

    def __init__(self, bucket: Bucket, ledger: str, folder: Path, disk: Disk) -> None:
        """Keep a ledger in a bucket, under its origin; side files in a folder."""
        self._bucket = bucket
        self._prefix = f"{ledger}/records/"
        self._quarantine = f"{ledger}/quarantine/"
        self._side = SideFiles(folder, disk)
        self._batches: list[_Batch] = []
        self._starts: list[int] = []
        self._count = 0
        self._note = ""
        self._kept: OrderedDict[_Batch, list[bytes]] = OrderedDict()
        self._mutex = Lock()
        self._client: Any = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store alone, among all threads and processes of this machine."""
        with self._side.lock():
            self._look()
            if self._note:
                raise moved(self._note)
            yield

    def exists(self) -> bool:
        """Say whether there are objects."""
        return bool(self._list(self._prefix, "", 1))

    def count(self) -> int:
        """Count the records that are stored now, by whomever: one listing of what came since the last look."""
        self._look()
        return self._count

    def tail(self) -> bytes:
        """Give nothing: an object is there whole, or not at all."""
        return b""

    def size(self) -> int:
        """Give the size of all objects in bytes."""
        return sum(batch.size for batch in self._batches)

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        position = self._position(start)
        whole = sum(batch.size for batch in self._batches[position + 1 :])
        batch = self._batches[position]
        if start == batch.start:
            return whole + batch.size
        return whole + sum(len(raw) + 1 for raw in self._fetch(position)[start - batch.start :])

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included; each object is checked by its first line."""
        assert 0 <= start <= stop <= self._count, (start, stop, self._count)
        if start == stop:
            return []
        first, last = self._position(start), self._position(stop - 1)
        begin = self._starts[first]
        positions = range(first, last + 1)
        if len(positions) == 1:
            records = self._fetch(first)
        else:
            with ThreadPoolExecutor(READERS) as pool:
                records = [raw for part in pool.map(self._fetch, positions) for raw in part]
        return records[start - begin : stop - begin]

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records as one object named by ``start``, which there must not be yet; durable on return."""
        assert start == self._count, (start, self._count)
        if not records:
            return
        data, token = _written(start, records)
        key = self._key(start)
        tag = self._create(key, data, token, start)
        self._batches.append(_Batch(start=start, size=len(data), tag=tag))
        self._starts.append(start)
        self._count += len(records)

    def sync(self, start: int = 0) -> None:
        """Do nothing: an object that can be listed is as durable as the bucket makes it."""
        del start

    def cut(self, start: int) -> Quarantined:
        """Hide everything from record ``start`` on, the last object first, after copying it to the quarantine.

        Deleting by name hides an object and removes no locked version of it.
        """
        position = self._position(start)
        batch = self._batches[position]
        records = self.read(batch.start, self._count)
        gone = records[start - batch.start :]
        kept = quarantined(start, b"".join(gone))
        stays = records[: start - batch.start]
        try:
            client = self._connected()
            client.put_object(Bucket=self._bucket.name, Key=self._quarantine + kept.name, Body=b"".join(gone))
            for each in reversed(self._batches[position + 1 :]):
                client.delete_object(Bucket=self._bucket.name, Key=self._key(each.start))
            if stays:
                data, _ = _written(batch.start, stays)
                self._put(self._key(batch.start), data)
            else:
                client.delete_object(Bucket=self._bucket.name, Key=self._key(batch.start))
        except request_errors() as error:
            raise poisoned("records could not be hidden", error) from error
        self._forget()
        self._look()
        return kept

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` copied to the quarantine from record ``start`` on, by name."""
        names = [each["Key"].removeprefix(self._quarantine) for each in self._list(self._quarantine, "", None)]
        return [
            quarantined(int(name[:12]), self._get(self._quarantine + name))
            for name in names
            if _NAME.match(name[:12]) and int(name[:12]) >= start
        ]

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return self._side.read(name, offset, size)

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        self._side.write(name, offset, data)

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more: an object that every listing shows. An empty note hides it again."""
        key = self._prefix + "moved"
        try:
            if note:
                self._connected().put_object(Bucket=self._bucket.name, Key=key, Body=note.encode())
            else:
                self._connected().delete_object(Bucket=self._bucket.name, Key=key)
        except request_errors() as error:
            raise self._refusal(error) from error
        self._note = note

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        found = self._list(self._prefix + "moved", "", 1)
        return self._get(self._prefix + "moved").decode(errors="replace") if found else ""

    def close(self) -> None:
        """Let go of connections and side files; a later call opens them again."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._side.close()

    # --- objects ----------------------------------------------------------------------------------------------------

    def _key(self, start: int) -> str:
        return f"{self._prefix}{start:012d}"

    def _position(self, index: int) -> int:
        """Give which object holds a record."""
        return bisect_right(self._starts, index) - 1

    def _look(self) -> None:
        """List what came since the last look, and see that the last known object is still that one."""
        known = self._batches[-1] if self._batches else None
        after = "" if known is None else self._key(known.start - 1) if known.start else ""
        found = self._list(self._prefix, after, None)
        note = any(each["Key"] == self._prefix + "moved" for each in found)
        self._note = self.retired() if note else ""
        batches = [self._listed(each) for each in found if each["Key"] != self._prefix + "moved"]
        if known is not None:
            if batches[:1] != [known]:
                self._forget()
                self._look()
                return
            del batches[0]
        if not batches:
            return
        self._batches += batches
        self._starts += [batch.start for batch in batches]
        if self._starts[0] != 0:
            message = f"the first object is missing: the oldest there is starts at record {self._starts[0]}"
            raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=0)
        last = len(self._batches) - 1
        self._count = self._starts[last] + len(self._fetch(last))

    def _listed(self, each: Mapping[str, Any]) -> _Batch:
        name = each["Key"].removeprefix(self._prefix)
        if not _NAME.match(name):
            message = f"the object {each['Key'][:200]} does not belong there"
            raise LedgerBroken(Verdict.CORRUPT, message, hint="move it out of the ledger's prefix")
        return _Batch(start=int(name), size=int(each["Size"]), tag=str(each["ETag"]))

    def _forget(self) -> None:
        self._batches, self._starts, self._count = [], [], 0
        with self._mutex:
            self._kept.clear()

    def _fetch(self, position: int) -> list[bytes]:
        """Give the records of one object, checked; the last few are remembered."""
        batch = self._batches[position]
        with self._mutex:
            records = self._kept.get(batch)
            if records is not None:
                self._kept.move_to_end(batch)
        if records is None:
            records = _read(batch.start, self._get(self._key(batch.start)))
        if position + 1 < len(self._starts):
            _check_next(batch.start, len(records), self._starts[position + 1])
        with self._mutex:
            self._kept[batch] = records
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return records

    def _create(self, key: str, data: bytes, token: bytes, start: int) -> str:
        """Create an object, or find out what became of it.

        Raises:
            LedgerRaced: another one is there.
            Unavailable: the bucket refused; nothing was written.
            LedgerPoisoned: nobody knows.
        """
        try:
            return self._put(key, data, IfNoneMatch="*", **self._bucket.retention())
        except request_errors() as error:
            status = _status(error)
            # A request that was sent twice may meet its own first copy: whose object it is, its first line says.
            there = self._try(key)
            if there is not None and there.partition(b"\n")[0].endswith(token):
                return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
            if status in _REFUSED_BY:
                raise raced(start, f"the bucket answered {status}") from error
            if is_refusal(error):
                raise self._refusal(error) from error
            raise poisoned("the bucket did not confirm the newest records", error) from error

    def _put(self, key: str, data: bytes, **more: Any) -> str:
        """Put an object that the bucket checks against its SHA-256, and give its tag."""
        checksum = b64encode(hashlib.sha256(data).digest()).decode()
        answer = self._connected().put_object(
            Bucket=self._bucket.name,
            Key=key,
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
            **more,
        )
        if answer.get("ChecksumSHA256", checksum) != checksum:
            raise poisoned(f"the bucket keeps other bytes as {key}", "its checksum differs")
        return str(answer["ETag"])

    def _try(self, key: str) -> bytes | None:
        try:
            return self._get(key)
        except BailiwickError:
            return None

    def _get(self, key: str) -> bytes:
        try:
            answer = self._connected().get_object(Bucket=self._bucket.name, Key=key)
            data: bytes = answer["Body"].read(BATCH_BYTES_MAX + 1)
        except request_errors() as error:
            if _status(error) == 404:
                message = f"the object {key} is missing"
                raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT) from error
            if type(error).__name__ == "FlexibleChecksumError":
                raise _corrupt(f"the bucket gives other bytes for {key} than its own checksum says", None) from error
            raise self._refusal(error) from error
        if len(data) > BATCH_BYTES_MAX:
            raise _corrupt(f"the object {key} is larger than {BATCH_BYTES_MAX} bytes", None)
        return data

    def _list(self, prefix: str, after: str, count: int | None) -> list[Any]:
        """List objects by name, those after ``after``: all of them, or up to ``count``."""
        arguments: dict[str, Any] = {"Bucket": self._bucket.name, "Prefix": prefix}
        if after:
            arguments["StartAfter"] = after
        if count is not None:
            arguments["MaxKeys"] = count
        found: list[Any] = []
        try:
            while True:
                answer = self._connected().list_objects_v2(**arguments)
                found += answer.get("Contents", [])
                if count is not None or not answer.get("IsTruncated"):
                    return found
                arguments["ContinuationToken"] = answer["NextContinuationToken"]
        except request_errors() as error:
            raise self._refusal(error) from error

    def _connected(self) -> Any:
        if self._client is None:
            self._client = (self._bucket.client or connect)()
        return self._client

    def _refusal(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"the bucket {self._bucket.name} cannot be used: {str(error)[:300]}",
            hint="see that BAILIWICK_LEDGER_BUCKET names it, and that the AWS credentials of this node may use it",
            code="ledger-unreadable",
        )


def connect() -> Any:
    """Make a client; region, endpoint and credentials are found as every AWS tool finds them.

    Raises:
        UsageRefused: boto3 is not installed.
    """
    boto3, config = _driver()
    return boto3.client(
        "s3",
        config=config.Config(
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
            max_pool_connections=READERS,
        ),
    )


def _written(start: int, records: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Give an object's bytes, and the token in its first line that tells it from any other writer's."""
    body = b"".join(record + b"\n" for record in records)
    assert body.count(b"\n") == len(records), "a record is a line"
    token = os.urandom(16).hex().encode()
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"%b %d %d %b %b\n%b" % (MAGIC, start, len(records), digest, token, body), token


def _read(start: int, data: bytes) -> list[bytes]:
    """Give the records of an object that was written to hold them from index ``start`` on.

    Raises:
        LedgerBroken: its bytes are not those that its first line stands for (verdict corrupt).
    """
    header, _, body = data.partition(b"\n")
    words = header.split(b" ")
    if len(words) != 5 or words[0] != MAGIC or words[1] != b"%d" % start:
        raise _corrupt(f"the object of record {start} does not begin as one", start)
    records = body.split(b"\n")
    if records.pop() or words[2] != b"%d" % len(records) or hashlib.sha256(body).hexdigest().encode() != words[3]:
        raise _corrupt(f"the object of record {start} is not what was stored", start)
    return records


def _check_next(start: int, count: int, following: int) -> None:
    if start + count == following:
        return
    if start + count > following:
        message = f"record {following} is in two objects: the one of record {start} holds it too"
        raise LedgerBroken(Verdict.FORKED, message, hint=COPY_HINT, index=following)
    message = f"the object of record {start + count} is missing"
    raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=start + count)


def _corrupt(message: str, index: int | None) -> LedgerBroken:
    return LedgerBroken(Verdict.CORRUPT, message, hint=COPY_HINT, index=index)


def _status(error: BaseException) -> int:
    """Give the HTTP status of a refusal; 0 where there was no answer."""
    response = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_refusal(error: BaseException) -> bool:
    """Say whether the bucket answered, and refused: neither the network nor the server failed."""
    return 400 <= _status(error) < 500


def request_errors() -> tuple[type[Exception], ...]:
    """Give the errors that a request can end in."""
    _driver()
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def _driver() -> tuple[Any, Any]:
    """Load the driver.

    Raises:
        UsageRefused: it is not installed.
    """
    try:
        import boto3
        from botocore import config
    except ImportError as error:
        _missing(error)
    return boto3, config


def _missing(error: ImportError) -> NoReturn:
    raise UsageRefused(
        "the ledger's store is S3, and boto3 is not installed",
        hint="pip install 'bailiwick[cluster]'",
        code="extra-missing",
    ) from error
