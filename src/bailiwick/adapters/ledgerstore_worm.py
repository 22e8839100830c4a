"""Tries to break the lock of a bucket, as somebody with this node's credentials could, and says what held.

It writes objects of its own under ``<origin>/worm-probe/``, locked for an hour, and touches nothing else. What it finds
is about these credentials, this bucket and this moment: another account may be allowed more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bailiwick.adapters.ledgerstore_s3 import Bucket, connect, is_refusal, request_errors
from bailiwick.errors import Unavailable
from bailiwick.model import JsonValue

LOCKED_MINUTES = 60
"""How long the probe's own objects are locked, in minutes; then a lifecycle rule of the bucket may remove them."""

_FIRST = b"bailiwick worm probe: this version must stay\n"
_SECOND = b"bailiwick worm probe: this one must not take its place\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that was tried against a locked object: whether the lock held, and what was seen."""

    name: str
    held: bool
    seen: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the attempt as JSON."""
        return {"name": self.name, "held": self.held, "seen": self.seen}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a probe found. ``mode``: under which kind of lock. ``is_proved``: what is not locked could be deleted.

    Without that, a refusal may come from missing permissions alone, and says nothing of the lock.
    """

    bucket: str
    mode: str
    is_proved: bool
    attempts: tuple[Attempt, ...]

    @property
    def held(self) -> bool:
        """Whether every attempt was refused, and nothing had changed after it."""
        return all(attempt.held for attempt in self.attempts)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the probe as JSON."""
        return {
            "held": self.held,
            "mode": self.mode,
            "is_proved": self.is_proved,
            "attempts": [attempt.to_json() for attempt in self.attempts],
        }


def probe(bucket: Bucket, ledger: str) -> Probe:
    """Lock an object, try to delete, shorten and overwrite it, and look at it after each attempt.

    Args:
        bucket: Where; its mode is the lock's, or compliance where it leaves that to the bucket.
        ledger: The origin that the ledger's objects are kept under.

    Raises:
        Unavailable: the bucket cannot be used or fails, so that nothing can be said (code ``ledger-unreadable``).
    """
    client = (bucket.client or connect)()
    try:
        return _Probing(client, bucket, f"{ledger}/worm-probe/{os.urandom(8).hex()}").run()
    except request_errors() as error:
        raise Unavailable(
            f"the bucket {bucket.name} could not be probed: {str(error)[:300]}",
            hint="see that the credentials may put, lock, read and delete objects and versions there; then try again",
            code="ledger-unreadable",
        ) from error
    finally:
        client.close()


class _Probing:
    """One run against one object."""

    def __init__(self, client: Any, bucket: Bucket, key: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket.name, "Key": key}
        self._bucket = bucket.name
        self._mode = bucket.mode or "COMPLIANCE"
        self._until = (datetime.now(UTC) + timedelta(minutes=LOCKED_MINUTES)).replace(microsecond=0)
        self._version = ""

    def run(self) -> Probe:
        """Try it once, and say what came of it."""
        attempts = [self._configured()]
        if attempts[0].held:
            is_proved = self._control()
            attempts += [self._locked(), *self._deletions(), *self._shortenings(), *self._overwrites()]
        else:
            is_proved = False
        return Probe(bucket=self._bucket, mode=self._mode, is_proved=is_proved, attempts=tuple(attempts))

    def _configured(self) -> Attempt:
        """See that the bucket keeps versions and can lock them."""
        try:
            answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
            state = str(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled", "off"))
        except request_errors() as error:
            if not is_refusal(error):
                raise
            state = _code(error)
        versions = str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", "off"))
        held = state == versions == "Enabled"
        return Attempt(name="bucket-locks-versions", held=held, seen=f"object lock {state}, versions {versions}")

    def _control(self) -> bool:
        """Say whether these credentials can delete a version that nothing locks."""
        key = f"{self._where['Key']}-control"
        version = self._client.put_object(Bucket=self._bucket, Key=key, Body=_FIRST)["VersionId"]
        if self._client.head_object(Bucket=self._bucket, Key=key, VersionId=version).get("ObjectLockMode"):
            return False
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        except request_errors() as error:
            if not is_refusal(error):
                raise
            return False
        return True

    def _locked(self) -> Attempt:
        """Put the object that must stay, and see that it came with its lock."""
        answer = self._client.put_object(
            **self._where,
            Body=_FIRST,
            ChecksumAlgorithm="SHA256",
            ObjectLockMode=self._mode,
            ObjectLockRetainUntilDate=self._until,
        )
        self._version = str(answer["VersionId"])
        change = self._change()
        return Attempt(name="lock", held=not change, seen=change or f"{self._mode} until {self._until.isoformat()}")

    def _deletions(self) -> list[Attempt]:
        delete = {**self._where, "VersionId": self._version}
        return [
            self._try("delete-version", lambda: self._client.delete_object(**delete)),
            self._try(
                "delete-version-with-bypass",
                lambda: self._client.delete_object(**delete, BypassGovernanceRetention=True),
            ),
        ]

    def _shortenings(self) -> list[Attempt]:
        sooner = self._until - timedelta(minutes=LOCKED_MINUTES // 2)
        shorter = {"Mode": self._mode, "RetainUntilDate": sooner}
        weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": self._until}
        attempts = [
            self._try("shorten-retention", lambda: self._retain(shorter)),
            self._try("shorten-retention-with-bypass", lambda: self._retain(shorter, BypassGovernanceRetention=True)),
        ]
        if self._mode == "COMPLIANCE":
            attempts.append(
                self._try("weaken-mode", lambda: self._retain(weaker, BypassGovernanceRetention=True)),
            )
        return attempts

    def _overwrites(self) -> list[Attempt]:
        """Overwrite where there must be nothing, then plainly: that makes a new version, and the old one must stay."""
        return [
            self._try("create-again", lambda: self._client.put_object(**self._where, Body=_SECOND, IfNoneMatch="*")),
            self._look("overwrite", lambda: self._client.put_object(**self._where, Body=_SECOND)),
            self._look("delete-by-name", lambda: self._client.delete_object(**self._where)),
        ]

    def _retain(self, retention: Mapping[str, Any], **more: Any) -> object:
        return self._client.put_object_retention(**self._where, VersionId=self._version, Retention=retention, **more)

    def _try(self, name: str, act: Callable[[], object]) -> Attempt:
        """Do what must be refused, and see that nothing changed all the same."""
        try:
            act()
            refusal = ""
        except request_errors() as error:
            if not is_refusal(error):
                raise
            refusal = _code(error)
        change = self._change()
        seen = ", ".join(filter(None, [f"refused: {refusal}" if refusal else "allowed", change]))
        return Attempt(name=name, held=bool(refusal) and not change, seen=seen)

    def _look(self, name: str, act: Callable[[], object]) -> Attempt:
        """Do what may be allowed, and see that the locked version stays as it was."""
        act()
        change = self._change()
        return Attempt(name=name, held=not change, seen=change or "the locked version stays")

    def _change(self) -> str:
        """Say what is different about the locked version; empty where nothing is."""
        try:
            found = self._client.get_object(**self._where, VersionId=self._version)
            data = found["Body"].read(len(_FIRST) + 1)
        except request_errors() as error:
            if not is_refusal(error):
                raise
            return f"the version is gone: {_code(error)}"
        if data != _FIRST:
            return "the version holds other bytes"
        until = found.get("ObjectLockRetainUntilDate")
        if found.get("ObjectLockMode") != self._mode or until is None:
            return f"its lock is {found.get('ObjectLockMode', 'gone')}"
        return f"its lock ends at {until.isoformat()}" if until < self._until else ""


def _code(error: Any) -> str:
    """Give the code of a refusal, such as ``AccessDenied``."""
    return str(error.response.get("Error", {}).get("Code", "refused"))[:60]
