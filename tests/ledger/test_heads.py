"""What a ledger makes of witnesses: one that lies, lags or is down, and one that knows of more than is here."""

import pytest

from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.errors import Verdict
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import (
    WitnessVerdict,
    verify_bundle,
)
from bailiwick.ledger.note import cosign, sign_checkpoint
from bailiwick.ledger.witness import write_request
from bailiwick.model import WitnessAnswer

W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
W2 = Signer("witness.example/w2", new_secret(bytes([2] * 32)), COSIGNATURE)
ROOT = bytes(range(32))


def request(signer, size, older=0, proof=(), root=ROOT):
    """Give a request for a checkpoint."""
    return write_request(older, proof, sign_checkpoint(size, root, signer).note)


def test_a_witness_that_is_down_is_a_warning(grown, place):
    """Otherwise records would wait for somebody else's machine."""
    ledger, witness = grown
    witness.is_down = True
    ledger.record(place.tenant, place.draft())
    report = place.ask(ledger, witness)
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
    report = place.ask(ledger, witness)
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
    report = place.ask(ledger, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.REFUSED
    assert report.verdict is Verdict.OK


def test_a_witness_that_lags_behind_another_is_brought_up(grown, place):
    """Otherwise a witness that was down for a day would be lost for good."""
    ledger, first = grown
    second = MemoryWitness(place.witness(W2))
    second.is_down = True
    ledger.record_many(place.tenant, place.drafts(3))
    report = place.ask(ledger, first, second, signers=(W1, W2))
    assert not report.is_met
    second.is_down = False
    assert place.ask(ledger, first, second, signers=(W1, W2)).is_met
    ledger.record_many(place.tenant, place.drafts(300))
    assert place.ask(ledger, first, second, signers=(W1, W2)).is_met


def test_the_lines_can_be_lost_and_asked_for_again(grown, place):
    """Otherwise the side file would be a truth of its own."""
    ledger, witness = grown
    place.overwrite(place.folder / "cosigned", b"x" * 70_000)
    report = place.ask(ledger, witness)
    assert report.is_met
    assert report.checkpoint.note.count("\u2014".encode()) == 2


def test_an_edge_that_comes_back_smaller_is_told_that_it_lost_records(grown, make_place, place):
    """Otherwise a node that lost its disk would begin a second past under its old key."""
    _, witness = grown
    edge = make_place()
    with edge.create() as back:
        report = edge.ask(back, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.AHEAD
    assert (report.verdict, report.verdict.exit_code) == (Verdict.TRUNCATED, 11)
    assert "this ledger signed" in report.outcomes[0].message


def test_an_edge_that_grew_past_it_on_another_way_is_forked(grown, make_place):
    """Otherwise the second past would be witnessed as soon as it is longer than the first."""
    _, witness = grown
    edge = make_place()
    with edge.create() as back:
        back.record_many(edge.tenant, edge.drafts(40, start=1_000))
        report = edge.ask(back, witness)
    assert report.outcomes[0].verdict is WitnessVerdict.FORKED
    assert report.verdict is Verdict.FORKED


def test_who_holds_the_key_cannot_show_two_pasts_to_two_witnesses_that_share_an_auditor(make_place, tmp_path):
    """Otherwise a split view would pass where both are asked."""
    bundles = []
    witnesses = [MemoryWitness(make_place().witness(signer)) for signer in (W1, W2)]
    for number, (signer, witness) in enumerate(zip((W1, W2), witnesses, strict=True)):
        place = make_place()
        with place.create() as ledger:
            ledger.heads.name_witness(signer.verifier)
            ledger.record_many(place.tenant, place.drafts(5, start=number * 100))
            place.ask(ledger, witness, signers=(signer,))
            bundles.append(ledger.export(tmp_path / str(number)).path)
    both = make_place().policy(W1, W2)
    for bundle in bundles:
        assert verify_bundle(bundle, key=None, policy=both).verdict is Verdict.STALE_WITNESS
