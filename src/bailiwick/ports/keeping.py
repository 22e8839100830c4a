"""Seams to what a tenant keeps beside its ledger: blobs by digest, and secrets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class BlobStore(Protocol):
    """Durable keeping of bytes by digest, apart for each tenant, and so that what is kept for a subject can be erased.

    A subject is the opaque id that also stands in the record (``observation/…``). None means the tenant itself: what is
    kept for it, packs and modules, is never erased with a subject. Two subjects may hold the same bytes, each its own.
    """

    def put_many(self, tenant: str, blobs: Iterable[bytes], subjects: Sequence[str | None] | None = None) -> list[str]:
        """Keep blobs durably, all or none, and give their digests in order. A blob that is there already costs nothing.

        ``subjects`` says for each blob for whom it is kept; None: all of them for the tenant itself.

        Raises:
            InputRefused: a blob is larger than the store allows (code ``blob-too-large``).
            Unavailable: the store cannot be written.
        """
        ...

    def get(self, tenant: str, digest: str, subject: str | None = None) -> bytes:
        """Give a blob back; its digest has been checked against its bytes.

        With a subject: what is kept for it or for the tenant itself; without: whosever it is.

        Raises:
            NotFound: no such blob (code ``blob-not-found``), or it was erased (code ``blob-erased``).
            Unavailable: the stored bytes do not have that digest any more (code ``blob-corrupt``).
        """
        ...

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob, not erased, whosever it is."""
        ...

    def kept_for(self, tenant: str, subject: str) -> list[str]:
        """List the digests of what is kept for a subject, sorted."""
        ...

    def erase(self, tenant: str, subject: str, digests: Sequence[str] = ()) -> int:
        """Destroy what is kept for a subject so that nobody can read it again, durably, and say how many blobs it was.

        ``digests`` name what an earlier version kept without saying for whom: it goes as well.

        Raises:
            Unavailable: it could not be brought to the end; asking again does that.
        """
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class KeyStore(Protocol):
    """Keeps secrets of a tenant by name, apart from its data."""

    def get(self, tenant: str, name: str) -> bytes:
        """Give a secret.

        Raises:
            NotFound: there is none of that name.
        """
        ...

    def put(self, tenant: str, name: str, secret: bytes) -> None:
        """Keep a new secret durably.

        Raises:
            UsageRefused: there is one already; secrets are never overwritten.
        """
        ...
