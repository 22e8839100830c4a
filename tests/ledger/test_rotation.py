"""A ledger under a new key: followed from any key that it had, and never on the word of one key alone."""

import base64
import shutil

import pytest

from bailiwick.errors import LedgerBroken, NotTrusted, ProofRejected, UsageRefused, Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Keyring, Policy, verify_bundle, verify_growth, verify_receipt
from bailiwick.ledger.record import decode
from bailiwick.ledger.rotation import KEY_ROTATED, read_rotation, rotation_detail

ORIGIN = "bailiwick/0123456789abcdef"
SECOND = Signer(ORIGIN, new_secret(bytes(range(2, 34))))
THIRD = Signer(ORIGIN, new_secret(bytes(range(3, 35))))


@pytest.fixture
def keys(place):
    """Every key of the ledger, oldest first."""
    return [place.signer, SECOND, THIRD]


@pytest.fixture
def rotated(place, keys, tmp_path):
    """A ledger that changed its key twice, exported before and after."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(3))
        ledger.export(tmp_path / "first")
        ledger.heads.rotate(SECOND)
        ledger.record_many(place.tenant, place.drafts(3))
        ledger.export(tmp_path / "second")
        ledger.heads.rotate(THIRD)
        ledger.record_many(place.tenant, place.drafts(3))
        ledger.export(tmp_path / "third")
    return tmp_path


def test_a_ledger_is_followed_from_any_key_that_it_had(rotated, keys):
    """Otherwise a change of key would cost everybody who trusts the old one."""
    for signer in keys:
        report = verify_bundle(rotated / "third", key=signer.verifier.text())
        assert (report.verdict, report.key) == (Verdict.OK, THIRD.verifier.text()), report.problems
    assert verify_bundle(rotated / "third", key=None).verdict is Verdict.OK
    assert (rotated / "third" / "keys").read_text().splitlines() == [each.verifier.text() for each in keys]


def test_a_key_that_the_ledger_never_had_is_untrusted(rotated, place):
    """Otherwise the chain of keys would lead to anybody."""
    report = verify_bundle(rotated / "third", key=place.other_signer.verifier.text())
    assert report.verdict is Verdict.UNTRUSTED_KEY


def test_an_older_checkpoint_by_an_older_key_is_grown_from(rotated, keys):
    """Otherwise a checkpoint that was kept would be worth nothing after a change of key."""
    for name in ("first", "second"):
        for signer in keys:
            report = verify_bundle(rotated / "third", key=signer.verifier.text(), since=rotated / name)
            assert report.verdict is Verdict.OK, (name, report.problems)


def test_an_unrotated_bundle_names_one_key_as_ever(rotated, place):
    """Otherwise bundles of today would change their bytes."""
    assert (rotated / "first" / "keys").read_text() == f"{place.signer.verifier.text()}\n"


@pytest.mark.parametrize("change", ["drop-first", "drop-last", "double", "swap", "other"])
def test_a_list_of_keys_that_the_records_do_not_give_is_refused(rotated, keys, place, change):
    """Otherwise a key could be put in, or left out, beside a history that never had it."""
    lines = [f"{each.verifier.text()}\n" for each in keys]
    changed = {
        "drop-first": lines[1:],
        "drop-last": lines[:-1],
        "double": [lines[0], *lines],
        "swap": [lines[1], lines[0], lines[2]],
        "other": [lines[0], f"{place.other_signer.verifier.text()}\n", lines[2]],
    }[change]
    (rotated / "third" / "keys").write_text("".join(changed))
    for key in (None, THIRD.verifier.text(), place.signer.verifier.text()):
        assert verify_bundle(rotated / "third", key=key).verdict is not Verdict.OK


def test_every_flipped_byte_of_a_rotated_bundle_is_refused(rotated, place):
    """Otherwise a change of key would bring bytes that anybody may change."""
    bundle = rotated / "third"
    for path in sorted(each for each in bundle.rglob("*") if each.is_file()):
        whole = path.read_bytes()
        for position in range(0, len(whole), 1 if len(whole) < 1_000 else 7):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
            report = verify_bundle(bundle, key=place.signer.verifier.text())
            assert report.verdict is not Verdict.OK, (path.name, position)
        path.write_bytes(whole)


def stored_rotation(place, old, new, size=5, root=bytes(32)):
    """Give a record of a change of key as a reader of records sees it."""
    with place.create() as ledger:
        ledger.heads.rotate(SECOND)
        raw = next(each.raw for each in ledger.records() if each.event_type == KEY_ROTATED)
    stored = decode(raw)
    stored.detail = rotation_detail(size, root, old, new)
    return stored


@pytest.mark.parametrize("forged", ["old", "new"])
def test_a_change_that_one_key_alone_signed_is_refused(place, forged):
    """Otherwise a thief of the old key could hand the ledger on, or anybody could take it over."""
    stored = stored_rotation(place, place.signer, SECOND)
    assert read_rotation(stored, 5, bytes(32), place.signer.verifier)[0] == SECOND.verifier
    stored.detail[f"{forged}_signature"] = stored_signature(place, forged)
    new, fault = read_rotation(stored, 5, bytes(32), place.signer.verifier)
    assert new is None
    assert fault.verdict is Verdict.UNTRUSTED_KEY


def stored_signature(place, forged):
    """Give a signature by somebody else where a key's own belongs."""
    return rotation_detail(5, bytes(32), place.other_signer, THIRD)[f"{forged}_signature"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("old_key_id", "00000000"),
        ("old_signature", "AA=="),
        ("new_signature", ""),
        ("new_verifier", "nobody"),
        ("new_verifier", 7),
        ("more", "x"),
    ],
)
def test_a_change_of_another_form_is_corrupt(place, field, value):
    """Otherwise two texts would say the same, or one would say nothing that can be checked."""
    stored = stored_rotation(place, place.signer, SECOND)
    stored.detail[field] = value
    assert read_rotation(stored, 5, bytes(32), place.signer.verifier)[1].verdict is Verdict.CORRUPT


@pytest.mark.parametrize(("size", "root"), [(6, bytes(32)), (5, bytes([1] * 32))])
def test_a_change_belongs_to_its_place_in_its_ledger(place, size, root):
    """Otherwise a change of key could be moved to another history."""
    stored = stored_rotation(place, place.signer, SECOND)
    assert read_rotation(stored, size, root, place.signer.verifier)[1].verdict is Verdict.UNTRUSTED_KEY


def test_every_checkpoint_after_a_change_is_by_the_new_key(place, keys):
    """Otherwise the old key would still be needed, and its theft still matter."""
    with place.create() as ledger:
        ledger.heads.rotate(SECOND)
        ledger.record(place.tenant, place.draft())
        assert ledger.checkpoint().note != b""
        assert ledger.verifier_key() == SECOND.verifier.text()
        assert ledger.verify().verdict is Verdict.OK
    with place.open(signer=Keyring(keys)) as ledger:
        ledger.record(place.tenant, place.draft())
        assert ledger.verify().verdict is Verdict.OK
        assert ledger.heads.keys() == {place.signer.verifier: (0, 2), SECOND.verifier: (2, None)}
        assert ledger.verifier_key() == SECOND.verifier.text()


def test_a_crash_after_the_record_and_before_the_checkpoint_loses_nothing(place, keys):
    """Otherwise a change of key could leave a ledger that neither key opens."""
    ledger = place.create()
    ledger._writer._sign = lambda: None
    ledger.heads.rotate(SECOND)
    place.abandon(ledger)
    with place.open(signer=Keyring(keys[:2])) as ledger:
        assert ledger.checkpoint().size > 0
        assert ledger.verify().verdict is Verdict.OK


def test_without_the_new_private_key_records_go_on_and_nothing_is_signed(place):
    """Otherwise a process that was open meanwhile would sign with a key that was given up, or lose records."""
    other = place.create()
    with place.open() as ledger:
        ledger.heads.rotate(SECOND)
    receipt = other.record(place.tenant, place.draft())
    assert other.read(receipt.index).index == receipt.index
    with pytest.raises(NotTrusted) as refused:
        other.checkpoint()
    assert refused.value.code == "ledger-key"
    place.abandon(other)
    with place.open(signer=Keyring([place.signer, SECOND])) as ledger:
        assert ledger.verify().verdict is Verdict.OK


def test_another_process_finds_the_new_key_by_looking_again(place):
    """Otherwise every process would have to be started anew after a change of key."""
    signers = [place.signer]
    keyring = Keyring(signers, load=lambda: signers)
    place.create().close()
    with place.open(signer=keyring) as first:
        with place.open() as second:
            signers.append(SECOND)
            second.heads.rotate(SECOND)
        first.record(place.tenant, place.draft())
        assert SECOND.verifier.key_id in base64.b64decode(first.checkpoint().note.split()[-1])[:4]


def test_a_key_is_used_once_and_is_named_like_the_ledger(place):
    """Otherwise it could not be said which sizes a key signs."""
    with place.create() as ledger:
        ledger.heads.rotate(SECOND)
        for signer in (place.signer, SECOND, Signer("bailiwick/other", new_secret(bytes(range(9, 41))))):
            with pytest.raises(UsageRefused):
                ledger.heads.rotate(signer)


def test_the_old_key_does_not_sign_after_the_change(rotated, place, keys):
    """Otherwise a stolen old key could cut off the change and go on alone, below what a policy allows."""
    text = "".join(f"log {each.verifier.text()}\n" for each in keys)
    limited = f"{text}#signs {place.signer.verifier.text()} 0 4\nquorum none\n"
    for policy, verdict in ((limited, Verdict.UNTRUSTED_KEY), (f"{text}quorum none\n", Verdict.OK)):
        report = verify_bundle(rotated / "first", key=None, policy=Policy.read(policy.encode()))
        assert report.verdict is verdict, report.problems


def test_growth_is_proved_across_a_change_of_key(place, keys, tmp_path):
    """Otherwise two checkpoints that were kept, under two keys, could not be compared without the whole ledger."""
    with place.create() as ledger:
        ledger.record_many(place.tenant, place.drafts(3))
        older = ledger.checkpoint()
        ledger.heads.rotate(SECOND)
        ledger.record_many(place.tenant, place.drafts(30))
        text = ledger.heads.prove_growth(older.size)
        assert ledger.heads.prove_growth(2, older.size).startswith("old 2\n")
        for wrong in (older.size + 1, 1, 10**9):
            with pytest.raises(Exception, match="no checkpoint"):
                ledger.heads.prove_growth(1, wrong)
        with pytest.raises(UsageRefused):
            ledger.heads.prove_growth(10**6)
        receipt, raw = ledger.prove(2), ledger.read(2).raw
    policy = Policy.read("".join(f"log {each.verifier.text()}\n" for each in keys).encode() + b"quorum none\n")
    before, after = verify_growth(text, older.note, policy=policy)
    assert (before.size, after.size) == (4, 37)
    assert verify_receipt(receipt, raw, policy=policy)[0] == 2
    with pytest.raises(NotTrusted):
        verify_growth(text, older.note, key=place.signer.verifier.text())
    for position, character in enumerate(text):
        changed = text[:position] + chr(ord(character) ^ 1) + text[position + 1 :]
        with pytest.raises((ProofRejected, NotTrusted)):
            verify_growth(changed, older.note, policy=policy)


def test_a_forged_rotation_stops_the_opening(place, keys, tmp_path):
    """Otherwise whoever can write the files could hand the ledger to themselves."""
    with place.create() as ledger:
        ledger.heads.rotate(SECOND)
    data = place.bytes_of(place.segment())
    genuine = next(line for line in data.split(b"\n") if KEY_ROTATED.encode() in line)
    text = decode(genuine).detail["new_signature"].encode()
    forged = rotation_detail(1, bytes(32), place.signer, THIRD)["new_signature"].encode()
    place.overwrite(place.segment(), data.replace(text, forged))
    place.overwrite(place.folder / "head", b"")
    ledger = place.open(signer=Keyring(keys))
    with pytest.raises(LedgerBroken) as broken:
        ledger.record(place.tenant, place.draft())
    assert broken.value.verdict in {Verdict.UNTRUSTED_KEY, Verdict.ALTERED}
    assert ledger.verify().verdict is not Verdict.OK
    place.abandon(ledger)


def test_a_bundle_cut_before_the_change_needs_a_kept_checkpoint(rotated, place):
    """Otherwise it would look as if a key could vouch for what came after it: a checkpoint that was kept can."""
    shutil.copytree(rotated / "first", rotated / "cut")
    key = place.signer.verifier.text()
    assert verify_bundle(rotated / "cut", key=key).verdict is Verdict.OK
    policy = f"log {key}\nlog {THIRD.verifier.text()}\nquorum none\n"
    report = verify_bundle(rotated / "third", key=None, since=rotated / "second", policy=Policy.read(policy.encode()))
    assert report.verdict is Verdict.OK
    assert verify_bundle(rotated / "cut", key=key, since=rotated / "third").verdict is not Verdict.OK
