"""Keys: their text forms, and what is refused as one."""

import pytest

from bailiwick.errors import NotTrusted, UsageRefused
from bailiwick.keys import Signer, Verifier, decode_base64, new_secret

NAME = "bailiwick/abc"


@pytest.fixture
def signer():
    """A signer whose seed is all zeros."""
    return Signer(NAME, new_secret(bytes(32)))


def test_a_verifier_key_reads_back_as_itself(signer):
    """Otherwise the key that init prints could not be given to verify."""
    assert Verifier.read(signer.verifier.text()) == signer.verifier


def test_every_changed_character_of_a_verifier_key_is_refused(signer):
    """Otherwise a key with a slip in it would quietly be another key."""
    text = signer.verifier.text()
    for position, character in enumerate(text):
        changed = text[:position] + chr(ord(character) ^ 1) + text[position + 1 :]
        with pytest.raises(UsageRefused) as refused:
            Verifier.read(changed)
        assert refused.value.code == "verifier-key", changed


@pytest.mark.parametrize("text", ["", "++", "name", "name+00000000+", " name+1c131ccd+AQ==", "n" * 5_000 + "+1+2"])
def test_what_is_not_a_verifier_key_is_refused(text):
    """Otherwise a path or an empty variable given as key would mean something."""
    with pytest.raises(UsageRefused, match="not a verifier key"):
        Verifier.read(text)


def test_a_signature_is_of_one_message_by_one_key(signer):
    """Otherwise anybody's signature over anything would do."""
    signature = signer.sign(b"message")
    assert signer.verifier.is_signed(b"message", signature)
    assert not signer.verifier.is_signed(b"massage", signature)
    assert not signer.verifier.is_signed(b"message", signature[:-1])
    assert not Signer(NAME, new_secret(bytes([1] * 32))).verifier.is_signed(b"message", signature)


def test_a_signer_prints_without_its_secret(signer):
    """Otherwise a traceback would publish the key."""
    secret = new_secret(bytes(32))
    assert repr(signer) == f"Signer({signer.verifier.text()!r})"
    assert secret.splitlines()[1].decode() not in repr(signer)


@pytest.mark.parametrize("secret", [b"", b"\x00" * 32, new_secret(bytes(32))[:-40], b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_not_a_private_key_is_refused(secret):
    """Otherwise a damaged key file would fail somewhere deep, or sign with something else."""
    with pytest.raises(NotTrusted, match="not an unencrypted Ed25519 key"):
        Signer(NAME, secret)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(size):
    """Otherwise a short seed would make a key that can be guessed."""
    with pytest.raises(UsageRefused, match="seed"):
        new_secret(bytes(size))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "é", "n" * 201, "a\n"])
def test_a_name_that_a_note_cannot_hold_is_refused(name):
    """Otherwise a name could break out of its line in a checkpoint."""
    with pytest.raises(UsageRefused, match="name of a key"):
        Signer(name, new_secret(bytes(32)))


@pytest.mark.parametrize("text", ["AB==", "AA=", "AA==\n", " AA==", "AA==AA==", "A", "_w==", "ÿ"])
def test_base64_that_other_text_also_decodes_to_is_refused(text):
    """Otherwise two texts would be one signature, and a flipped bit would go unseen."""
    with pytest.raises(ValueError, match="base64"):
        decode_base64(text)
