"""What every blob store asks of a blob: a bounded size when it comes, its own digest when it goes."""

from __future__ import annotations

from bailiwick.canonical import digest as digest_of
from bailiwick.errors import InputRefused, NotFound, Unavailable

BLOB_BYTES_MAX = 16 << 20
"""Largest blob that is kept, in bytes."""


def check_blob_size(blob: bytes, bytes_max: int) -> None:
    """Refuse a blob that is larger than a store allows (``blob-too-large``)."""
    if len(blob) > bytes_max:
        raise InputRefused(
            f"a blob has {len(blob)} bytes; at most {bytes_max} are kept",
            hint="split what is sealed, or keep it elsewhere and seal its digest",
            code="blob-too-large",
        )


def checked_blob(tenant: str, digest: str, blob: bytes | None) -> bytes:
    """Give a blob that was found, or say that it was not, or not whole (``blob-not-found``, ``blob-corrupt``)."""
    if blob is None:
        raise NotFound(
            f"tenant {tenant} has no blob {digest}",
            hint="it may have been erased, or belongs to another tenant or node",
            code="blob-not-found",
        )
    if digest_of(blob) != digest:
        raise Unavailable(
            f"the stored bytes of blob {digest} of tenant {tenant} do not have that digest any more",
            hint="the disk or somebody changed them: restore the tenant's blobs from a copy",
            code="blob-corrupt",
        )
    return blob
