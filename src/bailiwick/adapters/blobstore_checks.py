"""What every blob store asks of a blob: a bounded size when it comes, its own digest when it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bailiwick.canonical import digest as digest_of
from bailiwick.errors import InputRefused, NotFound, Unavailable
from bailiwick.model import check_subject

BLOB_BYTES_MAX = 16 << 20
"""Largest blob that is kept, in bytes."""
TENANTS_OWN = ""
"""Whose a blob is that is kept for no subject."""


def check_blobs(
    blobs: Iterable[bytes], subjects: Sequence[str | None] | None, bytes_max: int
) -> tuple[list[bytes], list[str]]:
    """Give the blobs and for each its owner, or refuse one that is too large, or a name that is no subject's."""
    listed = list(blobs)
    for blob in listed:
        check_blob_size(blob, bytes_max)
    if subjects is None:
        return listed, [TENANTS_OWN] * len(listed)
    if len(subjects) != len(listed):
        raise AssertionError("each blob is kept for somebody")
    return listed, [TENANTS_OWN if each is None else check_subject(each) for each in subjects]


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
        raise corrupt_blob(tenant, digest)
    return blob


def corrupt_blob(tenant: str, digest: str) -> Unavailable:
    """Say that what is stored is not what was put."""
    return Unavailable(
        f"the stored bytes of blob {digest} of tenant {tenant} do not have that digest any more",
        hint="the disk or somebody changed them: restore the tenant's blobs from a copy",
        code="blob-corrupt",
    )


def erased_blob(tenant: str, digest: str) -> NotFound:
    """Say that a blob was erased; its digest stays and tells nothing."""
    return NotFound(
        f"blob {digest} of tenant {tenant} was erased: its key was destroyed",
        hint="nobody can bring it back here; bailiwick ledger tail shows the record of the erasure",
        code="blob-erased",
    )
