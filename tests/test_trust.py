"""Who vouches for a manifest, and for exactly which one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import NotTrusted, RecordRefused
from bailiwick.keys import Signer, Verifier, new_secret
from bailiwick.trust import SIGNATURE_FILE_BYTES_MAX, TrustedKeys, read_signature, sign_manifest, verify_manifest

AUTHOR = Signer("modules/acme", new_secret(b"a" * 32))
OTHER = Signer("modules/other", new_secret(b"b" * 32))
KEYS = TrustedKeys(trusted=frozenset({AUTHOR.verifier}))
MANIFEST = {"name": "clock-reader", "version": "1.0.0", "digest": "sha256:" + "0" * 64}


def refusal(manifest, signature, keys=KEYS) -> str:
    """Give the code by which a manifest is refused."""
    with pytest.raises(NotTrusted) as caught:
        verify_manifest(manifest, signature, keys, subject="module clock-reader 1.0.0")
    assert caught.value.hint
    return caught.value.code


def test_a_manifest_signed_by_a_trusted_key_is_accepted_in_any_order_of_its_members():
    """Wrong if white space or order decided whether code is trusted."""
    turned = dict(reversed(MANIFEST.items()))
    signature = sign_manifest(MANIFEST, AUTHOR)
    assert verify_manifest(turned, signature, KEYS, subject="module") == AUTHOR.verifier
    assert sign_manifest(turned, AUTHOR) == signature


@pytest.mark.parametrize("member", MANIFEST)
def test_a_manifest_that_was_changed_after_signing_is_refused(member):
    """Wrong if any member could be exchanged under a signature."""
    changed = {**MANIFEST, member: MANIFEST[member] + "0"}
    assert refusal(changed, sign_manifest(MANIFEST, AUTHOR)) == "signature-wrong"


def test_a_key_that_nobody_trusts_is_refused_and_named():
    """Wrong if anybody's signature were enough."""
    assert refusal(MANIFEST, sign_manifest(MANIFEST, OTHER)) == "key-unknown"
    with pytest.raises(NotTrusted, match="modules/other"):
        verify_manifest(MANIFEST, sign_manifest(MANIFEST, OTHER), KEYS, subject="module")


def test_a_revoked_key_is_refused_though_it_is_trusted_and_under_another_name():
    """Wrong if a stolen key could be used again by trusting it once more, or by giving it another name."""
    renamed = Signer("modules/acme-again", new_secret(b"a" * 32))
    keys = TrustedKeys(trusted=frozenset({AUTHOR.verifier, renamed.verifier}), revoked=frozenset({AUTHOR.verifier}))
    assert refusal(MANIFEST, sign_manifest(MANIFEST, AUTHOR), keys) == "key-revoked"
    assert refusal(MANIFEST, sign_manifest(MANIFEST, renamed), keys) == "key-revoked"


def test_naming_a_trusted_key_over_the_signature_of_another_is_refused():
    """Wrong if the name of a key stood for the key."""
    forged = json.loads(sign_manifest(MANIFEST, OTHER)) | {"key": AUTHOR.verifier.text()}
    line = json.dumps(forged, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert refusal(MANIFEST, line) == "signature-wrong"


def test_a_signature_of_other_bytes_is_never_one_of_a_manifest():
    """Wrong if a note that the same key signed could be passed off as a manifest."""
    bare = base64.b64encode(AUTHOR.sign(json.dumps(MANIFEST, sort_keys=True, separators=(",", ":")).encode()))
    forged = json.loads(sign_manifest(MANIFEST, AUTHOR)) | {"signature": bare.decode()}
    line = json.dumps(forged, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert refusal(MANIFEST, line) == "signature-wrong"


SIGNED = sign_manifest(MANIFEST, AUTHOR)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"{" * 5_000,
        SIGNED[:-2],
        SIGNED + b"{}",
        b" " + SIGNED,
        SIGNED.replace(b"bailiwick-signature/1", b"bailiwick-signature/2"),
        SIGNED.replace(b'{"format"', b'{"more":1,"format"'),
        SIGNED.replace(b"modules/acme", b"modules/acmf"),
        SIGNED.replace(b'=="}', b'="}'),
        SIGNED + b" " * SIGNATURE_FILE_BYTES_MAX,
    ],
    ids=range(12),
)
def test_a_signature_file_of_any_other_form_is_refused(raw):
    """Wrong if a byte of the file could change unseen, or break the reader."""
    assert refusal(MANIFEST, raw) == "signature-form"


@given(st.binary(max_size=300))
def test_random_bytes_are_never_a_signature(raw):
    """Wrong if bytes from anybody broke the reader in another way than by a refusal."""
    with pytest.raises(NotTrusted):
        read_signature(raw)


@given(st.integers(0, len(SIGNED) * 8 - 9))
def test_one_bit_flipped_in_a_signature_file_is_refused(bit):
    """Wrong if a signature file could be altered and still count."""
    raw = bytearray(SIGNED)
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotTrusted):
        verify_manifest(MANIFEST, bytes(raw), KEYS, subject="module")


def test_a_manifest_with_a_fraction_cannot_be_signed():
    """Wrong if two manifests that read differently had one signature."""
    with pytest.raises(RecordRefused) as caught:
        sign_manifest({**MANIFEST, "limit": 0.5}, AUTHOR)
    assert caught.value.code == "profile-float"


def test_a_signature_names_its_key_in_the_form_that_is_trusted():
    """Wrong if what a refusal prints could not be pasted into the command that trusts it."""
    key, _ = read_signature(SIGNED)
    assert Verifier.read(key.text()) == AUTHOR.verifier
