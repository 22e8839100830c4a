"""Policies of auditors: read as C2SP tlog-policy says, and no more lenient than that."""

import pytest

from bailiwick.errors import InputRefused
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger.note import cosign, sign_checkpoint
from bailiwick.ledger.policy import POLICY_BYTES_MAX, KnownWitness, Policy, witness_policy

ROOT = bytes(range(32))
WITNESSES = [Signer(f"w.example/{number}", new_secret(bytes([number] * 32)), COSIGNATURE) for number in range(1, 7)]
KEYS = [witness.verifier.text() for witness in WITNESSES]
LOG = Signer("bailiwick/0123456789abcdef", new_secret(bytes(range(32))))
OTHER = Signer("bailiwick/0123456789abcdef", new_secret(bytes(range(1, 33))))

TWO_LEVELS = f"""\
# two organisations, as in the specification's own example
log {LOG.verifier.text()}
witness X1 {KEYS[0]}
witness X2 {KEYS[1]}
witness X3 {KEYS[2]} https://x3.example/api
group X 2 X1 X2 X3

witness Y1\t{KEYS[3]}
 witness Y2 {KEYS[4]}
witness Y3 {KEYS[5]}\t
group Y any Y1 Y2 Y3
group X-and-Y all X Y
quorum X-and-Y
"""


def cosigners(*numbers):
    """Give who cosigned a checkpoint, by the policy above."""
    note = sign_checkpoint(5, ROOT, LOG).note
    lines = [cosign(note, 1_700_000_000, WITNESSES[number]) for number in numbers]
    return Policy.read(TWO_LEVELS.encode()).cosigners(note, lines)


@pytest.mark.parametrize(
    ("numbers", "is_met"),
    [((), False), ((0, 1), False), ((0, 3), False), ((0, 1, 3), True), ((1, 2, 5), True), ((3, 4, 5, 0), False)],
)
def test_a_quorum_of_groups_is_counted_as_the_specification_says(numbers, is_met):
    """Otherwise one organisation alone, or too few witnesses, could stand for a checkpoint."""
    assert Policy.read(TWO_LEVELS.encode()).is_met(cosigners(*numbers)) is is_met


def test_reading_what_was_written_gives_the_same_policy():
    """Otherwise a policy that is handed on would say something else."""
    policy = Policy.read(TWO_LEVELS.encode())
    assert Policy.read(policy.text().encode()) == policy
    assert policy.witnesses[2].url == "https://x3.example/api"


def test_a_cosignature_of_another_checkpoint_counts_for_nothing():
    """Otherwise a witness's line could be moved to a checkpoint that it never saw."""
    note, other = (sign_checkpoint(size, ROOT, LOG).note for size in (5, 6))
    line = cosign(other, 1_700_000_000, WITNESSES[0])
    assert Policy.read(TWO_LEVELS.encode()).cosigners(note, [line]) == set()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum X\n",
        f"quorum X\nwitness X {KEYS[0]}\n",
        f"witness none {KEYS[0]}\nquorum none\n",
        f"witness X {KEYS[0]}\nwitness X {KEYS[1]}\nquorum X\n",
        f"witness X {KEYS[0]}\nwitness Y {KEYS[0]}\nquorum X\n",
        f"witness X {LOG.verifier.text()}\nquorum X\n",
        f"log {KEYS[0]}\nquorum none\n",
        f"log {LOG.verifier.text()}\nlog {LOG.verifier.text()}\nquorum none\n",
        f"witness X {KEYS[0]}\ngroup G 0 X\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G 2 X\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G 01 X\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G any\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G any X X\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G any X\ngroup H any X\nquorum G\n",
        f"witness X {KEYS[0]}\ngroup G any none\nquorum G\n",
        f"group G any G\nwitness X {KEYS[0]}\nquorum G\n",
        f"witness X {KEYS[0]} url more\nquorum X\n",
        "believe everybody\nquorum none\n",
        "quorum none\r\n",
        "quorum\x0bnone\n",
        "quorum none\n\x00",
        "log x+00000000+AAAA\nquorum none\n",
        f"log {LOG.verifier.text()}\n#signs {LOG.verifier.text()} 5 5\nquorum none\n",
        f"log {LOG.verifier.text()}\n#signs {LOG.verifier.text()} 5\nquorum none\n",
        f"log {LOG.verifier.text()}\n#signs {OTHER.verifier.text()} 0 -\nquorum none\n",
        f"log {LOG.verifier.text()}\n#signs-of-life {LOG.verifier.text()} 0 -\nquorum none\n",
        "#" * POLICY_BYTES_MAX + "\nquorum none\n",
    ],
)
def test_a_policy_of_another_form_is_refused_with_its_line(text):
    """Otherwise a slip in a trust file would quietly trust more, or somebody else."""
    with pytest.raises(InputRefused) as refused:
        Policy.read(text.encode())
    assert refused.value.code == "policy-form"


def test_names_are_opaque_bytes():
    """Otherwise two names that look alike to some reader of Unicode would be one."""
    text = b"witness \xe2\x84\xaa %b\nwitness K %b\nquorum K\n" % (KEYS[0].encode(), KEYS[1].encode())
    policy = Policy.read(text)
    assert [each.name for each in policy.witnesses] == [b"\xe2\x84\xaa", b"K"]
    assert not policy.is_met({b"\xe2\x84\xaa"})


def test_a_key_signs_only_its_sizes():
    """Otherwise a key that was given up, and stolen later, could sign what comes after."""
    text = f"log {LOG.verifier.text()}\nlog {OTHER.verifier.text()}\n"
    text += f"#signs {LOG.verifier.text()} 0 10\n#signs {OTHER.verifier.text()} 10 -\nquorum none\n"
    policy = Policy.read(text.encode())
    assert [policy.may_sign(LOG.verifier, size) for size in (0, 9, 10, 11)] == [True, True, False, False]
    assert [policy.may_sign(OTHER.verifier, size) for size in (0, 9, 10, 11)] == [False, False, True, True]
    assert Policy.read(policy.text().encode()) == policy


@pytest.mark.parametrize(("least", "given", "is_met"), [(None, 1, False), (None, 2, True), (1, 1, True), (0, 0, True)])
def test_a_policy_that_is_made_asks_for_so_many(least, given, is_met):
    """Otherwise the quorum that an owner hands out would not be the one that was meant."""
    known = [KnownWitness(name=each.verifier.name.encode(), verifier=each.verifier) for each in WITNESSES[:2]]
    policy = witness_policy([LOG.verifier], known, least=least)
    assert policy.is_met([each.name for each in known[:given]]) is is_met
    assert Policy.read(policy.text().encode()) == policy
    with pytest.raises(InputRefused):
        witness_policy([], known, least=3)
