"""Witnesses: what they answer, what they refuse, and what a ledger makes of one that lies, lags or is down."""

import base64
import threading

import pytest

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import LedgerBroken, NotTrusted, ProofRejected, Unavailable, UsageRefused, Verdict
from bailiwick.keys import COSIGNATURE, Signer, Verifier, new_secret
from bailiwick.ledger import (
    Cosigner,
    Keyring,
    KnownWitness,
    Policy,
    WitnessVerdict,
    restore_ledger,
    verify_bundle,
    verify_receipt,
    witness_policy,
)
from bailiwick.ledger.note import cosign, is_cosigned, read_cosignatures, sign_checkpoint, split_cosignatures
from bailiwick.ledger.tree import EMPTY_ROOT
from bailiwick.ledger.witness import PROOF_LINES_MAX, REQUEST_BYTES_MAX, write_request
from bailiwick.model import WitnessAnswer
from bailiwick.testing import MemoryClock

W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
W2 = Signer("witness.example/w2", new_secret(bytes([2] * 32)), COSIGNATURE)
ROOT = bytes(range(32))


def witness_of(place, signer=W1, memory=None, logs=None):
    """Give a witness that knows the ledger's key."""
    logs = [place.signer.verifier] if logs is None else logs
    return Cosigner(memory or MemoryWitnessMemory(), signer, logs, clock=MemoryClock(1_700_000_000 * 10**9))


def known(signer=W1):
    """Give what a ledger knows of a witness."""
    return KnownWitness(name=signer.verifier.name.encode(), verifier=signer.verifier)


def policy_of(place, *signers, least=None):
    """Give a policy of the ledger's key and these witnesses."""
    return witness_policy([place.signer.verifier], [known(each) for each in signers], least=least)


def request(signer, size, older=0, proof=(), root=ROOT):
    """Give a request for a checkpoint."""
    return write_request(older, proof, sign_checkpoint(size, root, signer).note)


# --- what a witness answers -----------------------------------------------------------------------------------------


def test_a_first_checkpoint_is_cosigned_and_held(place):
    """Otherwise nobody could begin to be witnessed."""
    witness = witness_of(place)
    note = sign_checkpoint(7, ROOT, place.signer).note
    answer = witness.add_checkpoint(write_request(0, [], note))
    assert (answer.status, answer.body.count(b"\n")) == (200, 1)
    (line,) = read_cosignatures(answer.body)
    assert is_cosigned(note, line, W1.verifier)
    assert line.time_s == 1_700_000_000
    assert witness.checkpoint(place.origin) == note + answer.body


def test_a_cosignature_is_over_the_text_that_the_specification_gives(place):
    """Otherwise nobody else's verifier would accept it."""
    note = sign_checkpoint(7, ROOT, place.signer).note
    line = cosign(note, 1_679_315_147, W1)
    body = f"{place.origin}\n7\n{base64.b64encode(ROOT).decode()}\n"
    message = f"cosignature/v1\ntime 1679315147\n{body}".encode()
    assert W1.verifier.is_signed(message, line.signature)
    assert line.line().decode().startswith("\u2014 witness.example/w1 ")
    blob = base64.b64decode(line.line().split()[-1])
    assert (blob[:4], blob[4:12], len(blob)) == (W1.verifier.key_id, (1_679_315_147).to_bytes(8, "big"), 76)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda place: b"", 400),
        (lambda place: b"old 0\n", 400),
        (lambda place: request(place.signer, 7)[4:], 400),
        (lambda place: request(place.signer, 7).replace(b"old 0", b"old 00"), 400),
        (lambda place: request(place.signer, 7).replace(b"old 0", b"old -1"), 400),
        (lambda place: request(place.signer, 7).replace(b"\n7\n", b"\n07\n"), 400),
        (lambda place: request(place.signer, 7).replace(b"\n7\n", b"\n9007199254740992\n"), 400),
        (lambda place: request(place.signer, 7, older=8), 400),
        (lambda place: request(place.signer, 7, proof=[b"short"]), 400),
        (lambda place: request(place.signer, 7, proof=[ROOT] * (PROOF_LINES_MAX + 1)), 400),
        (lambda place: request(place.signer, 7)[:-1], 400),
        (lambda place: request(place.signer, 7).replace(b"\n7\n", b"\n7\r\n"), 400),
        (lambda place: request(place.signer, 7) + b"x" * REQUEST_BYTES_MAX, 400),
        (lambda place: b"\xff" * 100, 400),
        (lambda place: request(Signer("bailiwick/unknown", new_secret(bytes(32))), 7), 404),
        (lambda place: request(place.other_signer, 7), 403),
        (lambda place: request(place.signer, 7).replace(b"\n7\n", b"\n8\n"), 403),
        (lambda place: request(place.signer, 7, proof=[ROOT]), 422),
        (lambda place: request(place.signer, 0), 422),
        (lambda place: request(place.signer, 7, older=3), 409),
    ],
)
def test_a_request_is_refused_with_the_status_of_the_specification(place, change, status):
    """Otherwise a log could not tell what to mend, or would be cosigned where it must not be."""
    witness = witness_of(place)
    answer = witness.add_checkpoint(change(place))
    assert answer.status == status, answer.body
    assert witness.checkpoint(place.origin) == b""
    if status == 409:
        assert (answer.body, answer.media) == (b"0\n", "text/x.tlog.size")


def test_an_empty_tree_is_cosigned_under_its_own_root(place):
    """Otherwise a log could not be witnessed from its very beginning."""
    assert witness_of(place).add_checkpoint(request(place.signer, 0, root=EMPTY_ROOT)).status == 200


def test_signatures_and_lines_that_nobody_knows_are_ignored(place):
    """Otherwise another log's checkpoint, with more lines than ours has, could not be witnessed."""
    body = f"{place.origin}\n7\n{base64.b64encode(ROOT).decode()}\nextension\n".encode()
    lines = b""
    for signer in (place.other_signer, place.signer):
        blob = base64.b64encode(signer.verifier.key_id + signer.sign(body)).decode()
        lines += f"\u2014 {place.origin} {blob}\n".encode()
    witness = witness_of(place)
    assert witness.add_checkpoint(b"old 0\n\n" + body + b"\n" + lines).status == 200
    held = witness.checkpoint(place.origin)
    assert lines.splitlines()[1] in held
    assert lines.splitlines()[0] not in held
    forged = b"old 0\n\n" + body.replace(b"ext", b"out") + b"\n" + lines
    assert witness_of(place).add_checkpoint(forged).status == 403


@pytest.fixture
def grown(place):
    """A ledger with a witness, cosigned at two sizes."""
    with place.create() as ledger:
        witness = MemoryWitness(witness_of(place))
        for _ in range(2):
            ledger.record_many(place.tenant, place.drafts(5))
            report = ledger.heads.ask([(known(), witness)], policy_of(place, W1))
            assert report.is_met, report.outcomes
        yield ledger, witness


def test_what_grew_is_cosigned_again_and_what_did_not_is_refused(grown, place):
    """Otherwise a witness would stand for two pasts, and for none."""
    ledger, witness = grown
    size = ledger.checkpoint().size
    forged = sign_checkpoint(size + 1, ROOT, place.signer).note
    assert witness.add_checkpoint(write_request(0, [], forged)).body == b"%d\n" % size
    assert witness.add_checkpoint(write_request(size, [ROOT], forged)).status == 422
    other_past = sign_checkpoint(size, ROOT, place.signer).note
    assert witness.add_checkpoint(write_request(size, [], other_past)).status == 422
    assert witness.add_checkpoint(write_request(size, [], ledger.checkpoint().note)).status == 200
    assert int(witness.checkpoint(place.origin).splitlines()[1]) == size


def test_two_requests_at_the_same_time_do_not_roll_the_memory_back(place):
    """Otherwise a slower request for a smaller size would undo the larger, and a second past could follow."""
    arrived, go = threading.Barrier(2, timeout=30), threading.Event()

    class SlowMemory(MemoryWitnessMemory):
        """Gives both requests the chance to read before either writes."""

        def read(self, origin):
            if not go.is_set():
                go.set()
            return super().read(origin)

    memory = SlowMemory()
    witness = witness_of(place, memory=memory)
    statuses = []

    def ask(size):
        arrived.wait()
        statuses.append(witness.add_checkpoint(request(place.signer, size)).status)

    threads = [threading.Thread(target=ask, args=[size]) for size in (5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409], "the one that came second had to say what it grew from"


def test_what_cannot_be_remembered_is_not_answered(place):
    """Otherwise a witness would give a line, forget it in a crash, and give one for another past."""

    class BrokenMemory(MemoryWitnessMemory):
        """A disk that is full."""

        def write(self, origin, note):
            raise Unavailable("full", hint="make room")

    witness = witness_of(place, memory=BrokenMemory())
    with pytest.raises(Unavailable):
        witness.add_checkpoint(request(place.signer, 7))


# --- what a ledger makes of it --------------------------------------------------------------------------------------


def ask(ledger, place, *witnesses, signers=(W1,), least=None):
    """Ask witnesses, and give the report."""
    pairs = [(known(signer), witness) for signer, witness in zip(signers, witnesses, strict=True)]
    return ledger.heads.ask(pairs, policy_of(place, *signers, least=least))


def test_a_witness_that_is_down_is_a_warning(grown, place):
    """Otherwise records would wait for somebody else's machine."""
    ledger, witness = grown
    witness.is_down = True
    ledger.record(place.tenant, place.draft())
    report = ask(ledger, place, witness)
    assert [each.verdict for each in report.outcomes] == [WitnessVerdict.UNAVAILABLE]
    assert (report.verdict, report.is_met) == (Verdict.OK, False)


@pytest.mark.parametrize(
    "say",
    [
        lambda request: WitnessAnswer(status=200, body=b""),
        lambda request: WitnessAnswer(status=200, body=b"garbage\n"),
        lambda request: WitnessAnswer(status=200, body=cosign(split_note(request), 1_700_000_000, W2).line()),
        lambda request: WitnessAnswer(status=200, body=cosign(split_note(request), 0, W1).line()),
        lambda request: WitnessAnswer(status=409, body=b"9007199254740991\n"),
        lambda request: WitnessAnswer(status=409, body=b"many\n"),
        lambda request: WitnessAnswer(status=422),
    ],
)
def test_a_witness_that_lies_is_named_and_not_believed(grown, place, say):
    """Otherwise anybody who is asked could stop a ledger, or stand for what they did not sign."""
    ledger, witness = grown
    witness.say = say
    witness.show = b""
    ledger.record(place.tenant, place.draft())
    report = ask(ledger, place, witness)
    assert [each.verdict for each in report.outcomes] == [WitnessVerdict.LIES]
    assert (report.verdict, report.is_met) == (Verdict.OK, False)


def split_note(request):
    """Give the checkpoint of a request."""
    return request.partition(b"\n\n")[2]


@pytest.mark.parametrize("status", [403, 404, 500, 301])
def test_a_witness_that_does_not_know_us_is_a_warning_that_says_what_to_do(grown, place, status):
    """Otherwise an owner could not tell a missing introduction from an attack."""
    ledger, witness = grown
    witness.say = lambda request: WitnessAnswer(status=status)
    ledger.record(place.tenant, place.draft())
    report = ask(ledger, place, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.REFUSED
    assert report.verdict is Verdict.OK


def test_a_witness_that_lags_behind_another_is_brought_up(grown, place):
    """Otherwise a witness that was down for a day would be lost for good."""
    ledger, first = grown
    second = MemoryWitness(witness_of(place, W2))
    second.is_down = True
    ledger.record_many(place.tenant, place.drafts(3))
    report = ask(ledger, place, first, second, signers=(W1, W2))
    assert not report.is_met
    second.is_down = False
    assert ask(ledger, place, first, second, signers=(W1, W2)).is_met
    ledger.record_many(place.tenant, place.drafts(300))
    assert ask(ledger, place, first, second, signers=(W1, W2)).is_met


def test_the_lines_can_be_lost_and_asked_for_again(grown, place):
    """Otherwise the side file would be a truth of its own."""
    ledger, witness = grown
    place.overwrite(place.folder / "cosigned", b"x" * 70_000)
    report = ask(ledger, place, witness)
    assert report.is_met
    assert report.checkpoint.note.count("\u2014".encode()) == 2


def test_an_edge_that_comes_back_smaller_is_told_that_it_lost_records(grown, make_place, place):
    """Otherwise a node that lost its disk would begin a second past under its old key."""
    _, witness = grown
    edge = make_place()
    with edge.create() as back:
        report = ask(back, edge, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.AHEAD
    assert (report.verdict, report.verdict.exit_code) == (Verdict.TRUNCATED, 11)
    assert "this ledger signed" in report.outcomes[0].message


def test_an_edge_that_grew_past_it_on_another_way_is_forked(grown, make_place):
    """Otherwise the second past would be witnessed as soon as it is longer than the first."""
    _, witness = grown
    edge = make_place()
    with edge.create() as back:
        back.record_many(edge.tenant, edge.drafts(40, start=1_000))
        report = ask(back, edge, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.FORKED
    assert report.verdict is Verdict.FORKED


def test_who_holds_the_key_cannot_show_two_pasts_to_two_witnesses_that_share_an_auditor(make_place, tmp_path):
    """Otherwise a split view would pass where both are asked."""
    bundles = []
    witnesses = [MemoryWitness(witness_of(make_place(), signer)) for signer in (W1, W2)]
    for number, (signer, witness) in enumerate(zip((W1, W2), witnesses, strict=True)):
        place = make_place()
        with place.create() as ledger:
            ledger.heads.name_witness(signer.verifier)
            ledger.record_many(place.tenant, place.drafts(5, start=number * 100))
            ask(ledger, place, witness, signers=(signer,))
            bundles.append(ledger.export(tmp_path / str(number)).path)
    both = policy_of(make_place(), W1, W2)
    for bundle in bundles:
        assert verify_bundle(bundle, key=None, policy=both).verdict is Verdict.STALE_WITNESS


# --- in a bundle and in a receipt -----------------------------------------------------------------------------------


@pytest.fixture
def witnessed(place, tmp_path):
    """A ledger that names its witness, exported witnessed and then, with more records, not quite."""
    with place.create() as ledger:
        witness = MemoryWitness(witness_of(place))
        ledger.heads.name_witness(W1.verifier)
        ledger.record_many(place.tenant, place.drafts(8))
        assert ask(ledger, place, witness).is_met
        ledger.export(tmp_path / "whole")
        (tmp_path / "receipt").write_text(ledger.prove(4))
        (tmp_path / "record").write_bytes(ledger.read(4).raw)
        ledger.record_many(place.tenant, place.drafts(8))
        ledger.export(tmp_path / "stale")
    return tmp_path


def test_a_witnessed_bundle_is_ok_by_policy_and_by_key(witnessed, place):
    """Otherwise witnesses would cost those who do not ask for them."""
    policy = policy_of(place, W1)
    report = verify_bundle(witnessed / "whole", key=None, policy=policy)
    assert (report.verdict, report.witnessed, report.to_json()["witnessed"]) == (Verdict.OK, 10, 10)
    plain = verify_bundle(witnessed / "whole", key=place.signer.verifier.text())
    assert (plain.verdict, "witnessed" in plain.to_json()) == (Verdict.OK, False)


def test_a_bundle_that_is_ahead_of_its_witnesses_is_stale_and_says_by_how_much(witnessed, place):
    """Otherwise the newest records, which only the owner stands for, would look like the others."""
    report = verify_bundle(witnessed / "stale", key=None, policy=policy_of(place, W1))
    assert (report.verdict, report.exit_code, report.witnessed) == (Verdict.STALE_WITNESS, 16, 10)
    assert verify_bundle(witnessed / "stale", key=place.signer.verifier.text()).verdict is Verdict.OK
    (witnessed / "stale" / "cosigned").unlink()
    assert verify_bundle(witnessed / "stale", key=None, policy=policy_of(place, W1)).witnessed == 0


def test_a_policy_that_knows_neither_key_is_untrusted(witnessed, place):
    """Otherwise witnesses alone could make up a ledger."""
    nobody = witness_policy([place.other_signer.verifier], [known()])
    report = verify_bundle(witnessed / "whole", key=None, policy=nobody)
    assert (report.verdict, report.exit_code) == (Verdict.UNTRUSTED_KEY, 15)
    other = witness_policy([place.signer.verifier], [known(W2)])
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
        anchor = {"key": None, "policy": policy_of(place, W1, least=0 if name == "stale" else None)}
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
    index, checkpoint = verify_receipt(text, raw, policy=policy_of(place, W1))
    assert (index, checkpoint.size) == (4, 10)
    for policy, code in ((policy_of(place, W1, W2), "witness-quorum"), (policy_of(place, W2), "witness-unknown")):
        with pytest.raises(NotTrusted) as refused:
            verify_receipt(text, raw, policy=policy)
        assert refused.value.code == code
    with pytest.raises(NotTrusted):
        verify_receipt(text, raw, key=place.signer.verifier.text())
    for position, character in enumerate(text):
        changed = text[:position] + chr(ord(character) ^ 1) + text[position + 1 :]
        with pytest.raises((ProofRejected, NotTrusted)):
            verify_receipt(changed, raw, policy=policy_of(place, W1))


# --- a ledger brought back ------------------------------------------------------------------------------------------


def restore(place, bundle, store, witnessed=None):
    """Bring a ledger back."""
    keys = Keyring([place.signer])
    return restore_ledger(place.tenant, store, keys, bundle, clock=place.clock, node_id="node-1", witnessed=witnessed)


def test_a_ledger_that_was_lost_comes_back_and_says_what_is_missing(witnessed, make_place, place):
    """Otherwise a lost disk would mean a lost ledger, or a gap that nobody declared."""
    back = make_place()
    done = restore(back, witnessed / "whole", back.store(), witnessed=10)
    assert (done.records, done.witnessed) == (10, 10)
    with back.open() as ledger:
        (record,) = [each for each in ledger.records(10) if each.event_type == "ledger.restored"]
        assert (record.detail["from_entry"], record.detail["witnessed"]) == (10, 10)
        assert ledger.verify().verdict is Verdict.OK
        ledger.export(witnessed / "again")
    key = place.signer.verifier.text()
    assert verify_bundle(witnessed / "again", key=key, since=witnessed / "whole").verdict is Verdict.OK
    assert verify_bundle(witnessed / "again", key=key, since=witnessed / "stale").verdict is not Verdict.OK


def test_a_ledger_is_not_brought_back_below_what_a_witness_stands_for(witnessed, make_place):
    """Otherwise the restored ledger would be a second past, which its witness refuses for ever."""
    back = make_place()
    with pytest.raises(LedgerBroken) as broken:
        restore(back, witnessed / "whole", back.store(), witnessed=11)
    assert broken.value.verdict is Verdict.TRUNCATED
    assert back.store().count() == 0


def test_a_witness_goes_on_with_a_ledger_that_was_brought_back(place, make_place, tmp_path):
    """Otherwise the node would be back, and nobody would stand for it."""
    witness = MemoryWitness(witness_of(place))
    with place.create() as ledger:
        ledger.heads.name_witness(W1.verifier)
        ledger.record_many(place.tenant, place.drafts(20))
        ask(ledger, place, witness)
        ledger.export(tmp_path / "bundle")
    back = make_place()
    size = Cosigner.size_of(witness.checkpoint(place.origin), [place.signer.verifier])
    restore(back, tmp_path / "bundle", back.store(), witnessed=size)
    with back.open() as ledger:
        assert ask(ledger, back, witness).is_met


def test_a_restoring_that_was_interrupted_goes_on(witnessed, make_place):
    """Otherwise a crash in the middle would leave neither a ledger nor an empty folder."""
    back = make_place()
    whole = make_place()
    restore(whole, witnessed / "whole", whole.store())
    full, store = whole.store(), back.store()
    assert full.count() > 4
    with store.exclusive():
        assert store.count() == 0
        store.append(0, full.read(0, 4))
    restore(back, witnessed / "whole", back.store())
    with back.open() as ledger:
        assert ledger.verify().verdict is Verdict.OK
    with pytest.raises(UsageRefused) as refused:
        restore(back, witnessed / "whole", back.store())
    assert refused.value.code == "ledger-exists"


def test_a_bundle_that_does_not_verify_is_not_restored(witnessed, place):
    """Otherwise a forged bundle would become the ledger, signed anew by its own key."""
    path = witnessed / "whole" / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n10\n", b"\n11\n"))
    with pytest.raises(LedgerBroken):
        restore(place, witnessed / "whole", MemoryLedgerStore())


def test_a_witness_key_is_of_its_own_kind(place):
    """Otherwise one key could sign a ledger and stand for it too."""
    text = W1.verifier.text()
    assert Verifier.read(text, COSIGNATURE) == W1.verifier
    with pytest.raises(Exception, match="does not hold"):
        Verifier.read(text)
    with pytest.raises(Exception, match="does not hold"):
        Verifier.read(place.signer.verifier.text(), COSIGNATURE)
    assert isinstance(policy_of(place, W1), Policy)
