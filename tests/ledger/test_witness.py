"""Witnesses: what they answer, what they refuse, and what a ledger makes of one that lies, lags or is down."""

import base64
import threading

import pytest

from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Unavailable
from bailiwick.keys import COSIGNATURE, Signer, Verifier, new_secret
from bailiwick.ledger import (
    Policy,
)
from bailiwick.ledger.note import cosign, is_cosigned, read_cosignatures, sign_checkpoint
from bailiwick.ledger.tree import EMPTY_ROOT
from bailiwick.ledger.witness import PROOF_LINES_MAX, REQUEST_BYTES_MAX, write_request

W1 = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
ROOT = bytes(range(32))


def request(signer, size, older=0, proof=(), root=ROOT):
    """Give a request for a checkpoint."""
    return write_request(older, proof, sign_checkpoint(size, root, signer).note)


def test_a_first_checkpoint_is_cosigned_and_held(place):
    """Otherwise nobody could begin to be witnessed."""
    witness = place.witness()
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
    witness = place.witness()
    answer = witness.add_checkpoint(change(place))
    assert answer.status == status, answer.body
    assert witness.checkpoint(place.origin) == b""
    if status == 409:
        assert (answer.body, answer.media) == (b"0\n", "text/x.tlog.size")


def test_an_empty_tree_is_cosigned_under_its_own_root(place):
    """Otherwise a log could not be witnessed from its very beginning."""
    assert place.witness().add_checkpoint(request(place.signer, 0, root=EMPTY_ROOT)).status == 200


def test_signatures_and_lines_that_nobody_knows_are_ignored(place):
    """Otherwise another log's checkpoint, with more lines than ours has, could not be witnessed."""
    body = f"{place.origin}\n7\n{base64.b64encode(ROOT).decode()}\nextension\n".encode()
    lines = b""
    for signer in (place.other_signer, place.signer):
        blob = base64.b64encode(signer.verifier.key_id + signer.sign(body)).decode()
        lines += f"\u2014 {place.origin} {blob}\n".encode()
    witness = place.witness()
    assert witness.add_checkpoint(b"old 0\n\n" + body + b"\n" + lines).status == 200
    held = witness.checkpoint(place.origin)
    assert lines.splitlines()[1] in held
    assert lines.splitlines()[0] not in held
    forged = b"old 0\n\n" + body.replace(b"ext", b"out") + b"\n" + lines
    assert place.witness().add_checkpoint(forged).status == 403


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
    witness = place.witness(memory=memory)
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

    witness = place.witness(memory=BrokenMemory())
    with pytest.raises(Unavailable):
        witness.add_checkpoint(request(place.signer, 7))


def test_a_witness_key_is_of_its_own_kind(place):
    """Otherwise one key could sign a ledger and stand for it too."""
    text = W1.verifier.text()
    assert Verifier.read(text, COSIGNATURE) == W1.verifier
    with pytest.raises(Exception, match="does not hold"):
        Verifier.read(text)
    with pytest.raises(Exception, match="does not hold"):
        Verifier.read(place.signer.verifier.text(), COSIGNATURE)
    assert isinstance(place.policy(W1), Policy)
