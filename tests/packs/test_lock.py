"""A lock names what a pack was, and a signature who says so: whatever changed since is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.canonical import digest
from bailiwick.errors import InputRefused, NotTrusted, PackRefused
from bailiwick.keys import Signer, new_secret
from bailiwick.packs import (
    LOCK,
    SIGNATURE,
    EngineName,
    Pack,
    check_lock,
    load_pack,
    lock_of,
    read_lock,
    sign_lock,
    verify_pack,
    write_lock,
)
from bailiwick.packs.format.lock import LOCK_BYTES_MAX
from bailiwick.packs.language.compiled import digest_of_trees, tree_of
from bailiwick.schema import Schemas
from bailiwick.trust import TrustedKeys

from .second import CONTRACT, CONTRACT_DIGEST, MODULE_DIGEST, second_files

ENGINE = EngineName(name="cel-expr-python", version="0.1.3")
OTHER_ENGINE = EngineName(name="cel-expr-python", version="0.2.0")
AUTHOR = Signer("packs/author", new_secret(b"a" * 32))
STRANGER = Signer("packs/stranger", new_secret(b"b" * 32))
TRUSTED = TrustedKeys(trusted=frozenset({AUTHOR.verifier}))


def loaded(files: dict[str, bytes] | None = None) -> Pack:
    """Load the pack that the locks here are of."""
    return load_pack("sick-pay", files or second_files(), {CONTRACT_DIGEST: CONTRACT})


def signed(signer: Signer = AUTHOR) -> dict[str, bytes]:
    """Give the files of a pack with its lock and signature."""
    files = second_files()
    lock = lock_of(loaded(), files, ENGINE)
    return {**files, LOCK: write_lock(lock), SIGNATURE: sign_lock(lock, signer)}


def refused(files: dict[str, bytes], engine: EngineName = ENGINE) -> PackRefused:
    """Verify a pack that must be refused, and give the refusal."""
    with pytest.raises(PackRefused) as caught:
        verify_pack(loaded(files), files, TRUSTED, engine)
    return caught.value


# --- what a lock names ----------------------------------------------------------------------------------------------


def test_a_lock_names_every_file_attachment_and_module():
    """Something could be exchanged after the author signed."""
    files = signed()
    lock = read_lock(files[LOCK])
    assert lock["files"] == {path: digest(raw) for path, raw in second_files().items()}
    assert lock["attachments"] == {"payroll.json": CONTRACT_DIGEST}
    assert lock["modules"] == {"accrual": MODULE_DIGEST}
    assert (lock["id"], lock["version"]) == ("sick-pay", "2.0.0")
    assert lock["engine"] == {"name": "cel-expr-python", "version": "0.1.3"}


def test_a_lock_keeps_its_contract():
    """A tool of others could not read it."""
    Schemas().check("pack-lock", read_lock(signed()[LOCK]))


def test_a_lock_is_the_same_bytes_whoever_makes_it():
    """Two authors of the same pack would sign two things."""
    files = second_files()
    backwards = dict(reversed(files.items()))
    assert write_lock(lock_of(loaded(), files, ENGINE)) == write_lock(lock_of(loaded(backwards), backwards, ENGINE))


def test_a_lock_counts_neither_itself_nor_its_signature():
    """Signing again would make another lock."""
    files = signed()
    assert write_lock(lock_of(loaded(files), files, ENGINE)) == files[LOCK]


def test_a_pack_of_the_first_version_can_be_locked(osha: Pack, osha_files: dict[str, bytes]):
    """A pack that is in use could not be signed without changing it."""
    lock = lock_of(osha, osha_files, ENGINE)
    assert lock["modules"] == {"osha-intake": osha.intake["csv"].digest}
    check_lock(lock, osha, osha_files, ENGINE)


# --- signed, changed ------------------------------------------------------------------------------------------------


def test_a_signed_pack_is_vouched_for_by_its_key():
    """Nobody would know who answers for the law."""
    files = signed()
    assert verify_pack(loaded(files), files, TRUSTED, ENGINE) == AUTHOR.verifier


@pytest.mark.parametrize("path", sorted(second_files()))
def test_a_file_that_was_changed_since_is_named(path: str):
    """Law could be changed under the author's signature."""
    files = signed()
    files[path] += b"\n" if path.endswith(".json") else b"\n# changed\n"
    refusal = refused(files)
    assert refusal.code == "pack-changed"
    assert [each.path for each in refusal.violations] == [f"pack.lock#/files/{path}"]
    assert "changed" in refusal.violations[0].message


def test_files_that_were_added_or_taken_out_are_named():
    """A rule could be slipped in, or a case left out."""
    files = signed()
    files["README.md"] = b"x"
    del files["tests/properties.yaml"]
    refusal = refused(files)
    assert [(each.path, each.message) for each in refusal.violations] == [
        ("pack.lock#/files/README.md", "README.md was added since"),
        ("pack.lock#/files/tests/properties.yaml", "tests/properties.yaml was missing since"),
    ]


def test_another_version_under_the_same_lock_is_named():
    """A lock of one version would pass for another."""
    files = signed()
    files["pack.yaml"] = files["pack.yaml"].replace(b"version: 2.0.0", b"version: 2.0.1")
    paths = [each.path for each in refused(files).violations]
    assert paths == ["pack.lock#/version", "pack.lock#/files/pack.yaml"]


def test_a_module_or_attachment_pinned_otherwise_is_named():
    """A module could be exchanged under the author's signature."""
    files = signed()
    files["pack.yaml"] = files["pack.yaml"].replace(MODULE_DIGEST.encode(), b"sha256:" + b"2" * 64)
    paths = [each.path for each in refused(files).violations]
    assert "pack.lock#/modules/accrual" in paths


def test_a_lock_that_was_written_anew_is_not_signed():
    """Whoever changes a rule could change the lock with it."""
    files = signed()
    files["README.md"] = b"x"
    files[LOCK] = write_lock(lock_of(loaded(files), files, ENGINE))
    with pytest.raises(NotTrusted) as caught:
        verify_pack(loaded(files), files, TRUSTED, ENGINE)
    assert caught.value.code == "signature-wrong"
    assert "pack sign" in caught.value.hint


@pytest.mark.parametrize("missing", [LOCK, SIGNATURE])
def test_a_pack_without_lock_or_signature_is_unsigned(missing: str):
    """Law that nobody vouches for would be installed."""
    files = signed()
    del files[missing]
    with pytest.raises(NotTrusted) as caught:
        verify_pack(loaded(files), files, TRUSTED, ENGINE)
    assert caught.value.code == "unsigned"
    assert "bailiwick pack sign" in caught.value.hint


def test_a_key_that_nobody_trusts_is_refused():
    """Anybody could sign law for a tenant."""
    files = signed(STRANGER)
    with pytest.raises(NotTrusted) as caught:
        verify_pack(loaded(files), files, TRUSTED, ENGINE)
    assert caught.value.code == "key-unknown"


def test_a_key_that_was_revoked_is_refused():
    """A stolen key would go on signing law."""
    files = signed()
    keys = TrustedKeys(trusted=TRUSTED.trusted, revoked=TRUSTED.trusted)
    with pytest.raises(NotTrusted) as caught:
        verify_pack(loaded(files), files, keys, ENGINE)
    assert caught.value.code == "key-revoked"


def test_the_signature_of_a_module_is_none_of_a_pack(osha: Pack, osha_files: dict[str, bytes]):
    """What somebody signed as one thing could be shown as another."""
    files = signed()
    files[SIGNATURE] = sign_lock(lock_of(osha, osha_files, ENGINE), AUTHOR)
    with pytest.raises(NotTrusted) as caught:
        verify_pack(loaded(files), files, TRUSTED, ENGINE)
    assert caught.value.code == "signature-wrong"


# --- the engine's trees ---------------------------------------------------------------------------------------------


def test_syntax_trees_are_compared_where_the_same_engine_made_them():
    """An engine that reads the same text otherwise would decide without anybody seeing it."""
    lock = {**lock_of(loaded(), second_files(), ENGINE), "expressions": "sha256:" + "0" * 64}
    with pytest.raises(PackRefused) as caught:
        check_lock(lock, loaded(), second_files(), ENGINE)
    assert [each.path for each in caught.value.violations] == ["pack.lock#/expressions"]
    check_lock(lock, loaded(), second_files(), OTHER_ENGINE)


def test_a_rule_that_is_written_otherwise_and_means_the_same_has_the_same_tree(build: Callable[..., Pack]):
    """A space would look like another law."""
    language = build().language
    plain, spaced = language.compile("in.headcount <= 10", None), language.compile(" in.headcount  <=  10 ", None)
    other = language.compile("in.headcount < 10", None)
    assert tree_of(plain) == tree_of(spaced) != tree_of(other)
    assert digest_of_trees([plain, other]) == digest_of_trees([other, spaced, plain]) != digest_of_trees([plain])


def test_syntax_trees_are_the_same_bytes_in_every_process():
    """A pack that was signed in one process would be refused in the next: the engine's maps have no order."""
    program = (
        "from bailiwick.packs.language.expressions import Language\n"
        "from bailiwick.packs.language.compiled import digest_of_trees\n"
        "texts = ['in.a + 1 > 2 && p.b < in.a * 3', \"in.t.exists(x, x == 'a' || x == 'b') ? in.a : p.b\"]\n"
        "language = Language({'in.a': 'integer', 'p.b': 'integer', 'in.t': 'strings'})\n"
        "print(digest_of_trees([language.compile(text, None) for text in texts]))\n"
    )
    told = {
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    }
    assert len(told) == 1


# --- locks that are none --------------------------------------------------------------------------------------------


def test_a_lock_that_is_too_large_is_refused():
    """A lock could fill the memory."""
    with pytest.raises(PackRefused) as caught:
        read_lock(b" " * (LOCK_BYTES_MAX + 1))
    assert caught.value.code == "pack-lock"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"format": "bailiwick-pack-lock/2"}',
        b'{"a": 1, "a": 1}',
        b"[" * 5_000,
    ],
)
def test_a_lock_that_is_none_is_refused(raw: bytes):
    """A broken lock would lock nothing."""
    with pytest.raises(PackRefused) as caught:
        read_lock(raw)
    assert caught.value.code == "pack-lock"


def test_each_member_of_a_lock_is_needed():
    """A lock without modules would let any module in."""
    lock = json.loads(signed()[LOCK])
    for name in lock:
        with pytest.raises(PackRefused):
            read_lock(json.dumps({key: value for key, value in lock.items() if key != name}).encode())
    with pytest.raises(PackRefused):
        read_lock(json.dumps({**lock, "note": "x"}).encode())


@given(data=st.data())
def test_a_lock_or_signature_with_bits_turned_is_refused(data: st.DataObject):
    """A signature would hold of something that the author never saw."""
    files = SIGNED.copy()
    name = data.draw(st.sampled_from([LOCK, SIGNATURE]))
    raw = bytearray(files[name])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    files[name] = bytes(raw)
    try:
        verify_pack(PACK, files, TRUSTED, ENGINE)
    except (InputRefused, NotTrusted):
        return
    assert _meaning(files[name]) == _meaning(SIGNED[name])


def _meaning(raw: bytes) -> Any:
    return json.loads(raw)


SIGNED = signed()
PACK = loaded()
