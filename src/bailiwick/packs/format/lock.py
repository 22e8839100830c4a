"""The lock of a pack: what it was when its author signed it. Pure: bytes and values in, values out.

``pack.lock`` names every file, attachment and module by digest, and the engine with the syntax trees that it made of
the expressions. ``pack.sig`` is a signature of it by a key that a tenant may trust. Neither is part of the pack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import digest
from bailiwick.errors import InputRefused, NotTrusted, PackRefused, Violation
from bailiwick.keys import Signer, Verifier
from bailiwick.model import JsonValue
from bailiwick.packs.format.files import LOCK, SIGNATURE, content_of, contract_named
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.language.compiled import digest_of_trees
from bailiwick.packs.language.expressions import Expression
from bailiwick.schema import parse_document
from bailiwick.trust import TrustedKeys, sign_manifest, unsigned, verify_manifest

LOCK_FORMAT = "bailiwick-pack-lock/1"
LOCK_BYTES_MAX = 64 << 10
"""Largest lock that is read, in bytes: 200 files of 200 characters, twice over."""

_HINT = "get the pack again; if it was changed on purpose, raise its version and sign it: bailiwick pack sign FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineName:
    """What compiles the expressions of packs, such as ``cel-expr-python`` and its version."""

    name: str
    version: str


def lock_of(pack: Pack, files: Mapping[str, bytes], engine: EngineName) -> dict[str, JsonValue]:
    """Give the lock of a pack.

    Args:
        pack: Loaded from ``files``.
        files: Its files by path; a lock and a signature among them do not count.
        engine: What compiled it.

    Cost: one SHA-256 a file, and some 20 microseconds an expression.
    """
    modules = {**pack.modules, **{reader.module: reader.digest for reader in pack.intake.values()}}
    return {
        "format": LOCK_FORMAT,
        "id": pack.name,
        "version": pack.version,
        "files": {path: digest(raw) for path, raw in sorted(content_of(files).items())},
        "attachments": {each.path: each.digest for each in sorted(pack.attachments, key=lambda each: each.path)},
        "modules": dict(sorted(modules.items())),
        "engine": {"name": engine.name, "version": engine.version},
        "expressions": digest_of_trees(_expressions(pack)),
    }


def write_lock(lock: Mapping[str, JsonValue]) -> bytes:
    """Give a lock as the content of ``pack.lock``: JSON that people can compare line by line."""
    return json.dumps(lock, indent=2, ensure_ascii=True).encode() + b"\n"


def read_lock(raw: bytes) -> dict[str, Any]:
    """Read a lock.

    Raises:
        PackRefused: it is none (code ``pack-lock``).
    """
    if len(raw) > LOCK_BYTES_MAX:
        raise _refused(f"{LOCK} has {len(raw)} bytes, and at most {LOCK_BYTES_MAX} are read", "pack-lock", ())
    try:
        lock = parse_document(raw)
        violations = contract_named("pack-lock").violations(lock)
    except InputRefused as error:
        raise _refused(f"{LOCK} cannot be read: {error.message}", "pack-lock", ()) from error
    if violations:
        first = violations[0]
        message = f"{LOCK} is no lock of a pack: at {first.path or 'the top'}: {first.message}"
        raise _refused(message, "pack-lock", violations)
    assert isinstance(lock, dict)
    return lock


def check_lock(lock: Mapping[str, Any], pack: Pack, files: Mapping[str, bytes], engine: EngineName) -> None:
    """Refuse a pack that is not the one that was locked.

    Syntax trees are compared only where the same engine made them: another version may build others of the same text.

    Raises:
        PackRefused: something changed, is missing or was added; every difference is named (code ``pack-changed``).
    """
    found = list(_differences(lock, lock_of(pack, files, engine)))
    if found:
        count = "1 difference" if len(found) == 1 else f"{len(found)} differences"
        first = f"{found[0].path}: {found[0].message}"
        message = f"pack {pack.name} {pack.version} is not what was locked: {count}; the first, {first}"
        raise _refused(message, "pack-changed", found)


def sign_lock(lock: Mapping[str, JsonValue], signer: Signer) -> bytes:
    """Sign a lock, and give the content of ``pack.sig``."""
    return sign_manifest(dict(lock), signer)


def verify_pack(pack: Pack, files: Mapping[str, bytes], keys: TrustedKeys, engine: EngineName) -> Verifier:
    """Check that somebody who is trusted signed exactly this pack, and give the key.

    Args:
        pack: Loaded from ``files``.
        files: Its files, with ``pack.lock`` and ``pack.sig``.
        keys: Whom the tenant trusts.
        engine: What compiled the pack.

    Raises:
        NotTrusted: there is no lock or no signature (``unsigned``), or ``signature-form``, ``key-revoked``,
            ``key-unknown``, ``signature-wrong``.
        PackRefused: the lock is none (``pack-lock``), or the pack was changed since (``pack-changed``).
    """
    subject = f"pack {pack.name} {pack.version}"
    if LOCK not in files or SIGNATURE not in files:
        raise _of_pack(unsigned(subject))
    lock = read_lock(files[LOCK])
    try:
        key = verify_manifest(lock, files[SIGNATURE], keys, subject=subject)
    except NotTrusted as error:
        raise _of_pack(error) from error
    check_lock(lock, pack, files, engine)
    return key


# --- inside ---------------------------------------------------------------------------------------------------------


def _expressions(pack: Pack) -> Iterator[Expression]:
    """Give every expression that a decision of the pack may rest on; those that try it are none of them."""
    rules = [rule for level in pack.levels for rule in level.rules]
    for each in (*pack.assumptions, *rules, *pack.rows, *pack.effects):
        yield from each.expressions


def _differences(lock: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Violation]:
    for name in ("id", "version"):
        if lock[name] != now[name]:
            yield _difference(f"/{name}", f"locked as {lock[name]}, and now {now[name]}", now[name])
    for noun in ("files", "attachments", "modules"):
        held, known = now[noun], lock[noun]
        for name in sorted(held.keys() | known.keys()):
            if held.get(name) != known.get(name):
                told = "added" if name not in known else "missing" if name not in held else "changed"
                yield _difference(f"/{noun}/{name}", f"{name} was {told} since", held.get(name, ""))
    if lock["engine"] == now["engine"] and lock["expressions"] != now["expressions"]:
        yield _difference("/expressions", "the engine makes other syntax trees of the same files", now["expressions"])


def _difference(path: str, message: str, value: object) -> Violation:
    return Violation(path=LOCK + "#" + path, rule="lock", message=message, value=str(value)[:80])


def _refused(message: str, code: str, violations: Any) -> PackRefused:
    return PackRefused(message, hint=_HINT, violations=violations, code=code)


def _of_pack(error: NotTrusted) -> NotTrusted:
    """Say the same of a pack: the hints of ``trust`` name the commands for modules."""
    hint = error.hint.replace("get the module again", "get the pack again").replace("module sign", "pack sign")
    return NotTrusted(error.message, hint=hint, code=error.code)
