"""What ``pack.yaml`` says: the law and its bounds, the reader of raw input, and what the pack rests on by digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick import __version__
from bailiwick.canonical import digest
from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.kernel import is_in_range, told_kernel
from bailiwick.packs.format.pack import Attachment, IntakeModule, Law, Supersedes

ATTACHMENT_BYTES_MAX = 8 << 20
"""Largest attachment, in bytes."""
ATTACHED_BYTES_MAX = 32 << 20
"""All attachments of one pack together, in bytes."""

_FOREVER = "9999-12-31"


def sound_manifest(declared: Declarations) -> Document | None:
    """Give ``pack.yaml`` where its contract refuses nothing of it."""
    document = declared.documents.get("pack.yaml")
    return None if document is None or document.broken else document


def law_of(name: str, declared: Declarations, document: Document) -> Law:
    """Check what the pack is called, and give the law's bounds."""
    given = document.value
    if given["id"] != name:
        declared.fault(document, "/id", "name", f"the pack is loaded as {name[:80]}, and calls itself {given['id']}")
    law = given["law"]
    declared.check_cite(document, "/law/cite", law["cite"])
    if law.get("to", _FOREVER) < law["from"]:
        declared.fault(document, "/law/to", "date", "the law ends before it begins", law["to"])
    path = given.get("legal_date")
    if path is not None and declared.has_schema and declared.types.get(path) != "string":
        declared.fault(document, "/legal_date", "name", f"{path} is no text of the input schema", path)
    return Law(valid_from=law["from"], valid_to=law.get("to"), cite=law["cite"])


def intake_of(document: Document) -> dict[str, IntakeModule]:
    """Give the modules that read raw input, by media."""
    return {media: IntakeModule(**reader) for media, reader in document.value.get("intake", {}).items()}


def note_kernel(declared: Declarations, document: Document) -> None:
    """Note a pack that was written for other versions of bailiwick."""
    span = document.value.get("kernel")
    if span is not None and not is_in_range(__version__, span):
        declared.fault(document, "/kernel", "kernel", told_kernel(span), span)


def supersedes_of(declared: Declarations, document: Document) -> Supersedes | None:
    """Give the version that this one corrects, which must be an earlier one."""
    given = document.value.get("supersedes")
    if given is None:
        return None
    version = document.value["version"]
    if not is_in_range(given["version"], f"<{version}"):
        message = f"{given['version']} is no earlier version than {version}"
        declared.fault(document, "/supersedes/version", "order", message, given["version"])
    return Supersedes(version=given["version"], digest=given.get("digest"), reason=given["reason"])


def modules_of(declared: Declarations, document: Document) -> dict[str, str]:
    """Give the digests of the modules that rules call; one that reads raw input too must be the same there."""
    modules = {name: str(each["digest"]) for name, each in document.value.get("modules", {}).items()}
    for media, reader in intake_of(document).items():
        pinned = modules.get(reader.module, reader.digest)
        if pinned != reader.digest:
            message = f"{reader.module} is pinned as {pinned} among the modules"
            declared.fault(document, f"/intake/{media}/digest", "digest", message, reader.digest)
    return modules


def attachments_of(
    declared: Declarations, document: Document, files: Mapping[str, bytes], supplied: Mapping[str, bytes]
) -> Iterator[Attachment]:
    """Give the attachments, each with its content where that was supplied."""
    seen: set[str] = set()
    size = 0
    for position, item in enumerate(document.value.get("attachments", ())):
        place = f"/attachments/{position}"
        declared.check_once(document, f"{place}/path", item["path"], seen)
        if item["path"] in files:
            message = f"{item['path']} is a file of the pack: an attachment is one that is not"
            declared.fault(document, f"{place}/path", "duplicate", message, item["path"])
        attachment = _attachment(declared, document, place, item, supplied.get(f"sha256:{item['sha256']}"))
        size += len(attachment.content or b"")
        if size > ATTACHED_BYTES_MAX:
            message = f"{size} bytes of attachments so far; a pack has at most {ATTACHED_BYTES_MAX} in all"
            declared.fault(document, "/attachments", "size", message)
            return
        yield attachment


def _attachment(
    declared: Declarations, document: Document, place: str, item: dict[str, Any], content: bytes | None
) -> Attachment:
    name = f"sha256:{item['sha256']}"
    if content is not None and len(content) > ATTACHMENT_BYTES_MAX:
        message = f"{len(content)} bytes; an attachment has at most {ATTACHMENT_BYTES_MAX}"
        declared.fault(document, place, "size", message, item["path"])
        content = None
    if content is not None and digest(content) != name:
        message = f"what was supplied for {item['path']} has the digest {digest(content)}"
        declared.fault(document, f"{place}/sha256", "digest", message, name)
        content = None
    return Attachment(path=item["path"], digest=name, url=item["url"], licence=item["licence"], content=content)
