"""Checkpoints and receipts: one byte off is refused."""

import pytest

from bailiwick.errors import BailiwickError, NotTrusted, ProofRejected
from bailiwick.ledger import verify_receipt
from bailiwick.ledger.note import open_checkpoint, sign_checkpoint

ROOT = bytes(range(32))


def test_every_flipped_bit_of_a_checkpoint_is_refused(place):
    """Otherwise a checkpoint could be changed where no signature looks, in the signature's own text."""
    note = sign_checkpoint(7, ROOT, place.signer).note
    for position in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[position] ^= 1 << bit
            with pytest.raises((ValueError, NotTrusted)):
                open_checkpoint(bytes(changed), place.signer.verifier)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note[:-1],
        lambda note: note + b"\n",
        lambda note: note + note.splitlines(keepends=True)[-1],
        lambda note: note.replace(b"\n7\n", b"\n07\n"),
        lambda note: note.replace(b"\n7\n", b"\n+7\n"),
        lambda note: note.replace(b"\n7\n", b"\n9007199254740992\n"),
        lambda note: note.replace(b"\n\n", b"\nextension\n\n"),
        lambda note: note.replace(b"\n", b"\r\n"),
        lambda note: note * 100,
        lambda note: b"",
    ],
)
def test_a_checkpoint_of_another_form_is_refused(place, change):
    """Otherwise two texts would be the same checkpoint, or an unsigned line would look signed."""
    with pytest.raises(ValueError, match=r"size|checkpoint|form|base64|bytes"):
        open_checkpoint(change(sign_checkpoint(7, ROOT, place.signer).note), place.signer.verifier)


def test_a_checkpoint_of_another_key_is_refused_by_name(place):
    """Otherwise anybody who knows a ledger's name could sign for it."""
    note = sign_checkpoint(7, ROOT, place.other_signer).note
    with pytest.raises(NotTrusted) as refused:
        open_checkpoint(note, place.signer.verifier)
    assert refused.value.code == "untrusted-key"
    assert place.other_signer.verifier.key_id.hex() in refused.value.message


@pytest.fixture
def receipt(ledger, place):
    """A receipt, and the record that it is for."""
    ledger.record_many(place.tenant, place.drafts(5))
    return ledger.prove(3), ledger.read(3).raw


def test_a_receipt_is_checked_with_nothing_but_the_key(receipt, place):
    """Otherwise whoever holds a receipt would have to ask the ledger that it is about."""
    text, raw = receipt
    index, checkpoint = verify_receipt(text, raw, key=place.signer.verifier.text())
    assert (index, checkpoint.size) == (3, 6)


def test_every_changed_character_of_a_receipt_is_refused(receipt, place):
    """Otherwise a receipt could be altered and still be accepted."""
    text, raw = receipt
    for position, character in enumerate(text):
        changed = text[:position] + chr(ord(character) ^ 1) + text[position + 1 :]
        with pytest.raises((ProofRejected, NotTrusted)):
            verify_receipt(changed, raw, key=place.signer.verifier.text())


def test_a_receipt_of_another_record_is_refused(receipt, ledger, place):
    """Otherwise one receipt would do for every record."""
    with pytest.raises(ProofRejected):
        verify_receipt(receipt[0], ledger.read(4).raw, key=place.signer.verifier.text())


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text * 60, lambda text: "", str.upper])
def test_a_receipt_of_another_form_is_refused_with_its_own_code(receipt, place, change):
    """Otherwise a cut download would raise something nobody can act on."""
    with pytest.raises(BailiwickError) as refused:
        verify_receipt(change(receipt[0]), receipt[1], key=place.signer.verifier.text())
    assert refused.value.code == "receipt-form"
