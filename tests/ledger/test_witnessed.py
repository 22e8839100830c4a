"""Lines of witnesses in a bundle and in a receipt: enough of them, by a policy, and not one byte changed."""

import pytest

from bailiwick.errors import NotTrusted, ProofRejected, Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import (
    verify_bundle,
    verify_receipt,
    witness_policy,
)
from bailiwick.ledger.note import cosign, sign_checkpoint, split_cosignatures

W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
W2 = Signer("witness.example/w2", new_secret(bytes([2] * 32)), COSIGNATURE)
ROOT = bytes(range(32))


def test_a_witnessed_bundle_is_ok_by_policy_and_by_key(witnessed, place):
    """Otherwise witnesses would cost those who do not ask for them."""
    policy = place.policy(W1)
    report = verify_bundle(witnessed / "whole", key=None, policy=policy)
    assert (report.verdict, report.witnessed, report.to_json()["witnessed"]) == (Verdict.OK, 10, 10)
    plain = verify_bundle(witnessed / "whole", key=place.signer.verifier.text())
    assert (plain.verdict, "witnessed" in plain.to_json()) == (Verdict.OK, False)


def test_a_bundle_that_is_ahead_of_its_witnesses_is_stale_and_says_by_how_much(witnessed, place):
    """Otherwise the newest records, which only the owner stands for, would look like the others."""
    report = verify_bundle(witnessed / "stale", key=None, policy=place.policy(W1))
    assert (report.verdict, report.exit_code, report.witnessed) == (Verdict.STALE_WITNESS, 16, 10)
    assert verify_bundle(witnessed / "stale", key=place.signer.verifier.text()).verdict is Verdict.OK
    (witnessed / "stale" / "cosigned").unlink()
    assert verify_bundle(witnessed / "stale", key=None, policy=place.policy(W1)).witnessed == 0


def test_a_policy_that_knows_neither_key_is_untrusted(witnessed, place):
    """Otherwise witnesses alone could make up a ledger."""
    nobody = witness_policy([place.other_signer.verifier], [place.known()])
    report = verify_bundle(witnessed / "whole", key=None, policy=nobody)
    assert (report.verdict, report.exit_code) == (Verdict.UNTRUSTED_KEY, 15)
    other = witness_policy([place.signer.verifier], [place.known(W2)])
    assert verify_bundle(witnessed / "whole", key=None, policy=other).verdict is Verdict.STALE_WITNESS


@pytest.mark.parametrize("name", ["whole", "stale"])
@pytest.mark.parametrize("by", ["key", "policy", "nothing"])
def test_every_flipped_byte_of_a_witnessed_bundle_is_refused(witnessed, place, name, by):
    """Otherwise lines of witnesses would bring bytes that anybody may change."""
    bundle = witnessed / name
    anchor = {"key": None}
    if by == "key":
        anchor = {"key": place.signer.verifier.text()}
    elif by == "policy":
        anchor = {"key": None, "policy": place.policy(W1, least=0 if name == "stale" else None)}
    for path in sorted(each for each in bundle.rglob("*") if each.is_file()):
        whole = path.read_bytes()
        for position in range(0, len(whole), 1 if path.name in {"checkpoint", "cosigned", "keys"} else 53):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            assert verify_bundle(bundle, **anchor).verdict is not Verdict.OK, (path.name, position)
        path.write_bytes(whole)


def line_of(signer, note, time_s=1_700_000_000):
    """Give a witness's line for a checkpoint."""
    return cosign(note, time_s, signer).line()


@pytest.mark.parametrize("change", ["unknown", "twice", "other-text", "no-time", "ledger-again", "bare"])
def test_a_line_that_nobody_can_check_is_refused(witnessed, place, change):
    """Otherwise something could be carried under a checkpoint that changes unseen."""
    path = witnessed / "whole" / "checkpoint"
    note, lines = split_cosignatures(path.read_bytes())
    other = sign_checkpoint(3, ROOT, place.signer).note
    path.write_bytes(
        {
            "unknown": note + lines[0].line() + line_of(W2, note),
            "twice": note + lines[0].line() * 2,
            "other-text": note + line_of(W1, other),
            "no-time": note + line_of(W1, note, 0),
            "ledger-again": note + note.splitlines(keepends=True)[-1],
            "bare": note + lines[0].line() + b"\n",
        }[change]
    )
    assert verify_bundle(witnessed / "whole", key=place.signer.verifier.text()).verdict in {
        Verdict.ALTERED,
        Verdict.CORRUPT,
    }


def test_a_cosigned_checkpoint_of_another_history_is_forked(witnessed, place):
    """Otherwise a bundle could show witnesses' lines for a past that is not its own."""
    note = sign_checkpoint(5, ROOT, place.signer).note
    (witnessed / "stale" / "cosigned").write_bytes(note + line_of(W1, note))
    report = verify_bundle(witnessed / "stale", key=place.signer.verifier.text())
    assert (report.verdict, report.problems[0].file) == (Verdict.FORKED, "cosigned")


def test_a_receipt_carries_the_lines_and_a_policy_asks_for_them(witnessed, place):
    """Otherwise a receipt would be worth what its owner's word is worth, in silence."""
    text, raw = (witnessed / "receipt").read_text(), (witnessed / "record").read_bytes()
    index, checkpoint = verify_receipt(text, raw, policy=place.policy(W1))
    assert (index, checkpoint.size) == (4, 10)
    for policy, code in ((place.policy(W1, W2), "witness-quorum"), (place.policy(W2), "witness-unknown")):
        with pytest.raises(NotTrusted) as refused:
            verify_receipt(text, raw, policy=policy)
        assert refused.value.code == code
    with pytest.raises(NotTrusted):
        verify_receipt(text, raw, key=place.signer.verifier.text())
    for position, character in enumerate(text):
        changed = text[:position] + chr(ord(character) ^ 1) + text[position + 1 :]
        with pytest.raises((ProofRejected, NotTrusted)):
            verify_receipt(changed, raw, policy=place.policy(W1))
