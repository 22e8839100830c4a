"""Blobs in memory: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from bailiwick.adapters.blobstore_checks import BLOB_BYTES_MAX, TENANTS_OWN, check_blobs, checked_blob, erased_blob
from bailiwick.canonical import digest as digest_of
from bailiwick.model import check_digest, check_subject, check_tenant


class MemoryBlobStore:
    """See ``ports.BlobStore``. Safe to use from several threads. Nothing of it is encrypted."""

    def __init__(self, *, blob_bytes_max: int = BLOB_BYTES_MAX) -> None:
        self._blobs: dict[tuple[str, str], dict[str, bytes | None]] = {}
        self._blob_bytes_max = blob_bytes_max
        self._lock = threading.Lock()

    def put_many(self, tenant: str, blobs: Iterable[bytes], subjects: Sequence[str | None] | None = None) -> list[str]:
        """Keep blobs, all or none, and give their digests in order."""
        check_tenant(tenant)
        listed, owners = check_blobs(blobs, subjects, self._blob_bytes_max)
        digests = [digest_of(blob) for blob in listed]
        with self._lock:
            for digest, owner, blob in zip(digests, owners, listed, strict=True):
                self._blobs.setdefault((tenant, digest), {})[owner] = blob
        return digests

    def get(self, tenant: str, digest: str, subject: str | None = None) -> bytes:
        """Give a blob back, checked against its digest."""
        with self._lock:
            kept = dict(self._blobs.get((check_tenant(tenant), check_digest(digest)), {}))
        if subject is not None:
            kept = {owner: kept[owner] for owner in (check_subject(subject), TENANTS_OWN) if owner in kept}
        living = [blob for blob in kept.values() if blob is not None]
        if kept and not living:
            raise erased_blob(tenant, digest)
        return checked_blob(tenant, digest, living[0] if living else None)

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob, not erased."""
        with self._lock:
            kept = self._blobs.get((check_tenant(tenant), check_digest(digest)), {})
            return any(blob is not None for blob in kept.values())

    def kept_for(self, tenant: str, subject: str) -> list[str]:
        """List the digests of what is kept for a subject, sorted."""
        check_tenant(tenant)
        check_subject(subject)
        with self._lock:
            places = self._blobs.items()
            return sorted(
                digest for (owner, digest), kept in places if owner == tenant and kept.get(subject) is not None
            )

    def erase(self, tenant: str, subject: str, digests: Sequence[str] = ()) -> int:
        """Forget what is kept for a subject, and what is kept for the tenant itself under the digests named."""
        count = 0
        for digest in self.kept_for(tenant, subject):
            with self._lock:
                self._blobs[tenant, digest][subject] = None
                count += 1
        for digest in map(check_digest, digests):
            with self._lock:
                kept = self._blobs.get((tenant, digest), {})
                if kept.get(TENANTS_OWN) is not None:
                    kept[TENANTS_OWN] = None
                    count += 1
        return count

    def corrupt(self, tenant: str, digest: str) -> None:
        """Flip one bit of a blob, as a bad disk would: for tests of what reads it."""
        with self._lock:
            for owner, blob in self._blobs[tenant, digest].items():
                self._blobs[tenant, digest][owner] = bytes([blob[0] ^ 1]) + blob[1:] if blob else b"\x00"

    def close(self) -> None:
        """Do nothing: the blobs live as long as the object."""
