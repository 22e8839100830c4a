"""Sessions of interviews, kept between two sittings: encrypted, each under a key of its own, and never in the ledger.

A session is kept under the subject ``interview/<id>-a`` or ``-b``: each save writes the one that is free and then
destroys the other, so that a crash leaves the old answers or the new ones, and what was changed is gone for good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import InputRefused, NotFound
from bailiwick.packs import Session, session_from
from bailiwick.ports import BlobStore, Entropy
from bailiwick.schema import Schemas, parse_document

ID_BYTES = 16
"""Length of a session's opaque id, in bytes of randomness."""

_ID = re.compile(r"[0-9a-f]{32}\Z")
_SLOTS = ("a", "b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interviews:
    """The sessions of one tenant. Whoever saves holds the tenant's lock for interviews meanwhile."""

    tenant: str
    blobs: BlobStore

    @staticmethod
    def new_name(entropy: Entropy) -> str:
        """Draw the opaque id of a new session."""
        return entropy.take(ID_BYTES).hex()

    def load(self, name: str) -> Session:
        """Give the newest answers of a session.

        Raises:
            NotFound: no such session, or it was forgotten (code ``interview-not-found``).
        """
        found = self._newest(name)
        if found is None:
            raise _unknown()
        return found[1]

    def save(self, name: str, session: Session) -> Session:
        """Keep a session durably, and give it as it is kept.

        Raises:
            InputRefused: it was saved from elsewhere meanwhile (code ``interview-moved-on``); nothing was written.
            NotFound: its id cannot be one.
        """
        before = self._newest(name)
        if (before[1].saves if before else 0) != session.saves:
            raise InputRefused(
                "the interview was saved from elsewhere meanwhile",
                hint="resume it again: its newest answers are kept",
                code="interview-moved-on",
            )
        kept = replace(session, saves=session.saves + 1)
        document = kept.to_json()
        Schemas().check("interview-session", document)
        free = next(slot for slot in _SLOTS if before is None or slot != before[0])
        self.blobs.put_many(self.tenant, [canonical_bytes(document)], [_subject(name, free)])
        if before is not None:
            self.blobs.erase(self.tenant, _subject(name, before[0]))
        return kept

    def forget(self, name: str) -> bool:
        """Destroy a session so that nobody can read it again; say whether there was one."""
        is_there = self._newest(name) is not None
        for slot in _SLOTS:
            self.blobs.erase(self.tenant, _subject(name, slot))
        return is_there

    def _newest(self, name: str) -> tuple[str, Session] | None:
        found = [
            (slot, self._read(digest, subject))
            for slot in _SLOTS
            for subject in (_subject(name, slot),)
            for digest in self.blobs.kept_for(self.tenant, subject)
        ]
        return max(found, key=lambda each: each[1].saves, default=None)

    def _read(self, digest: str, subject: str) -> Session:
        document: Any = parse_document(self.blobs.get(self.tenant, digest, subject))
        Schemas().check("interview-session", document)
        return session_from(document)


def _subject(name: str, slot: str) -> str:
    if not _ID.match(name):
        raise _unknown()
    return f"interview/{name}-{slot}"


def _unknown() -> NotFound:
    return NotFound(
        "there is no such interview; it was never saved, or forgotten when it was decided",
        hint="its id is 32 hexadecimal digits; begin anew with bailiwick pack interview PACK",
        code="interview-not-found",
    )
