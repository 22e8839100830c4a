"""Blobs in memory: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from bailiwick.adapters.blobstore_checks import BLOB_BYTES_MAX, check_blob_size, checked_blob
from bailiwick.canonical import digest as digest_of
from bailiwick.model import check_digest, check_tenant


class MemoryBlobStore:
    """See ``ports.BlobStore``. Safe to use from several threads."""

    def __init__(self, *, blob_bytes_max: int = BLOB_BYTES_MAX) -> None:
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._blob_bytes_max = blob_bytes_max
        self._lock = threading.Lock()

    def put_many(self, tenant: str, blobs: Iterable[bytes]) -> list[str]:
        """Keep blobs, all or none, and give their digests in order."""
        check_tenant(tenant)
        listed = list(blobs)
        for blob in listed:
            check_blob_size(blob, self._blob_bytes_max)
        digests = [digest_of(blob) for blob in listed]
        with self._lock:
            self._blobs.update(((tenant, name), blob) for name, blob in zip(digests, listed, strict=True))
        return digests

    def get(self, tenant: str, digest: str) -> bytes:
        """Give a blob back, checked against its digest."""
        with self._lock:
            blob = self._blobs.get((check_tenant(tenant), check_digest(digest)))
        return checked_blob(tenant, digest, blob)

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob."""
        with self._lock:
            return (check_tenant(tenant), check_digest(digest)) in self._blobs

    def corrupt(self, tenant: str, digest: str) -> None:
        """Flip one bit of a blob, as a bad disk would: for tests of what reads it."""
        with self._lock:
            blob = self._blobs[tenant, digest]
            self._blobs[tenant, digest] = bytes([blob[0] ^ 1]) + blob[1:] if blob else b"\x00"

    def close(self) -> None:
        """Do nothing: the blobs live as long as the object."""
