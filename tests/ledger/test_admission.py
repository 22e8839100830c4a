"""Admission: what a contract lists gets in, personal data and secrets do not, and nothing legitimate is turned away."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from bailiwick.errors import RecordRefused
from bailiwick.keys import Signer, Verifier, new_secret
from bailiwick.ledger import Ledger
from bailiwick.ledger.admission import Admission
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.sensitive import find_sensitive
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock, MemoryLedgerStore

ACTOR = Actor(id="local:0123456789abcdef", role="operator")
RECORDS = 10_000
EXAMPLES = Path(__file__).parents[1] / "schema" / "examples"
ANYTHING = {"type": "object", "properties": {"text": {"type": "string"}, "deep": {}}, "additionalProperties": False}

PERSONAL = {
    "an e-mail address": [
        "jane@example.org",
        "Jane Doe <jane.doe+work@mail.example.co.uk>",
        "jürgen@müller.example",
        "mailto:x_1@a-b.io",
        "see (bob@example.com).",
    ],
    "an IBAN": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "gb29nwbk60161331926819",
        "paid from FR1420041010050500013M02606 today",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
    ],
    "a payment card number": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "378282246310005",
        "card 6011000990139424.",
        "2223003122003222",
        "3530111333300000",
        "30569309025904",
    ],
    "a phone number": [
        "+4915112345678",
        "+49 151 1234-5678",
        "+1 (415) 555-2671",
        "0043 664 1234567",
        "tel:+41446681800",
        "(415) 555-2671",
        "415-555-2671",
        "call 030 / 901 820",
    ],
}
SECRETS = [
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----begin ec private key-----",
    "PRIVATE+KEY+example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    "AGE-SECRET-KEY-1QQPQYZ",
    new_secret(bytes(range(32))).decode(),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "aB3" * 12,
    "github_pat_11ABCDEFG0123456789abc",
    "xoxb-123456789012-abcdefGHIJ",
    "glpat-aBcDeFgHiJkLmNoPqRsT",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "sk-proj-abcdefghij0123456789",
    "AIza" + "Sy0-_" * 7,
    "npm_" + "a1B2c3" * 6,
    "Authorization: Bearer abcdef0123456789abcdef",
    "postgres://user:hunter22@db.example/ledger",
    "password=correct-horse",
    "api_key: 0123456789",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    base64.b64encode(random.Random(7).randbytes(32)).decode(),
    base64.urlsafe_b64encode(random.Random(8).randbytes(24)).decode(),
]
LEGITIMATE = [
    "",
    "report-within-8-hours",
    "us-osha-1904",
    "0.1.0",
    "50.0.1",
    "2024-01-01",
    "2020-09-13T12:26:40.000000001Z",
    "sha256:" + "4111111111111111" * 4,
    "hmac-sha256:" + "0" * 64,
    "0" * 64,
    "bailiwick/0123456789abcdef",
    "node:1234567890123456",
    "local:4111111111111111",
    "observation/4111111111111111" + "0" * 16,
    "effect/41111111111111114111111111111111",
    "pack/us-osha-1904",
    "outbox/" + "1" * 64 + ".json",
    "000000000012-3f2a9bc0",
    "1732190000000000000",
    "1732190000000",
    "bailiwick:data@0.1.0",
    "module@1.2.3",
    "c2sp.org/tlog-proof@v1",
    "sha-256",
    "permanent",
    "ledger",
    "29 CFR 1904.39(a)(2)",
    "2020-2024",
    "10.0.0.1",
    "TheQuickBrownFoxJumpsOver13LazyDogs",
    "/v1/tenants/local/ledger/records/1234567",
]


def draft(detail, *, event_type="test.said", resource="test/1", actor=ACTOR) -> Draft:
    return Draft(event_type=event_type, resource=resource, detail=detail, actor=actor)


@pytest.fixture
def admission() -> Admission:
    return Admission.of_product().extended({"test.said": ANYTHING})


def refused(admission: Admission, made: Draft) -> RecordRefused:
    with pytest.raises(RecordRefused) as caught:
        admission.check(made)
    return caught.value


# --- what is listed ---------------------------------------------------------------------------------------------------


def test_every_type_that_the_product_writes_has_a_contract():
    """Wrong if the product could not record what it does."""
    assert set(Admission.of_product().types()) >= {
        "clock.regression",
        "decision.sealed",
        "effect.result",
        "ledger.checkpoint",
        "ledger.genesis",
        "ledger.recovered",
        "pack.installed",
        "panic.set",
        "subject.erased",
    }


def test_a_type_without_a_contract_is_refused_until_it_is_registered(admission: Admission):
    """Wrong if a new room could write whatever it likes, or a registered one could not write at all."""
    assert refused(Admission.of_product(), draft({"text": "x"})).code == "record-field"
    admission.check(draft({"text": "x"}))


def test_a_field_that_the_contract_does_not_list_is_refused_and_not_told(admission: Admission):
    """Wrong if a name could come in as a field, or out again in the error."""
    error = refused(admission, draft({"jane-doe": "x"}))
    assert error.code == "record-field"
    assert "jane" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("detail", "where"),
    [
        ({"frozen": "yes"}, "detail.frozen"),
        ({"frozen": 1}, "detail.frozen"),
        ({"frozen": True, "reason": "Jane asked"}, "detail.(a field)"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_place(detail, where):
    """Wrong if typed text could stand where a word of the contract should."""
    error = refused(Admission.of_product(), draft(detail, event_type="panic.set", resource="panic"))
    assert (error.code, where in error.message) == ("record-field", True)
    assert "Jane" not in error.message


def test_typed_text_does_not_fit_a_decision():
    """Wrong if an outcome or a module's name could be a sentence about somebody."""
    good = json.loads((EXAMPLES / "decision-sealed" / "good-1.json").read_text())
    for place, value in [
        ("outcome", "Jane Doe lost a finger"),
        ("evidence", "sha256:" + "A" * 64),
        ("pack", {**good["pack"], "name": "Jane"}),
        ("modules", [{"name": "a b", "digest": good["evidence"]}]),
        ("versions", {"cel": 1}),
    ]:
        made = draft({**good, place: value}, event_type="decision.sealed", resource="observation/" + "0" * 32)
        assert refused(Admission.of_product(), made).code == "record-field", place


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/good-*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_good_examples_of_every_detail_are_admitted(path: Path):
    """Wrong if admission and the published contract disagreed."""
    admission = Admission.of_product()
    schema = json.loads((EXAMPLES.parents[2] / f"src/bailiwick/contracts/schemas/{path.parent.name}.json").read_text())
    kind = schema["title"].removeprefix("Detail of ")
    if kind in admission.types():
        admission.check(draft(json.loads(path.read_text()), event_type=kind, resource="ledger"))


# --- what is personal or secret ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_refused_wherever_it_stands_and_never_repeated(admission: Admission, what: str, text: str):
    """Wrong if a record could hold what can never be taken back, or the error spread it further."""
    for made, where in [
        (draft({"text": text}), "detail.text"),
        (draft({"deep": [{"x": text}]}), "detail.deep"),
        (draft({"text": "x"}, resource=text), "resource"),
        (draft({"text": "x"}, actor=Actor(id=text, role="operator")), "actor.id"),
        (draft({"text": "x"}, actor=Actor(id="a", role=text)), "actor.role"),
    ]:
        error = refused(admission, made)
        assert (error.code, what in error.message, where in error.message) == ("record-personal-data", True, True)
        assert text not in f"{error.message} {error.hint} {error!r}"


@pytest.mark.parametrize("text", SECRETS, ids=range(len(SECRETS)))
def test_secrets_are_refused_and_never_repeated(admission: Admission, text: str):
    """Wrong if a key could be published with the ledger."""
    error = refused(admission, draft({"text": text}))
    assert error.code == "record-secret"
    assert text not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_is_neither_passes(text: str):
    """Wrong if the lint cried wolf, and people switched it off."""
    assert find_sensitive(text) is None


@pytest.mark.parametrize(
    "text", ["DE88370400440532013000", "ZZ89370400440532013000", "4111111111111112", "DE8937040044"]
)
def test_a_wrong_check_digit_is_no_iban_and_no_card(text: str):
    """Wrong if any long number were taken for one."""
    assert find_sensitive(text) is None


def test_random_tokens_are_seen_and_names_in_code_are_not():
    """Wrong if the measure of disorder missed tokens, or took identifiers for them."""
    source = random.Random(24)
    missed = sum(
        find_sensitive(base64.urlsafe_b64encode(source.randbytes(size)).decode().rstrip("=")) is None
        for size in (24, 32, 48)
        for _ in range(2_000)
    )
    assert missed <= 120, f"{missed} of 6,000"
    for name in (
        "AbstractSingletonProxyFactoryBean2",
        "getElementsByClassNameAndTag1And2",
        "Utf8ToUtf16ConverterFactoryBuilder",
    ):
        assert find_sensitive(name) is None, name


def test_no_digest_and_no_key_is_mistaken():
    """Wrong if one digest in many looked like a telephone, and a decision were refused by chance."""
    source = random.Random(20)
    for _ in range(20_000):
        drawn = source.randbytes(32)
        verifier = Verifier(name=f"bailiwick/{drawn[:8].hex()}", public=drawn)
        for text in (
            f"sha256:{drawn.hex()}",
            drawn.hex(),
            f"observation/{drawn[:16].hex()}",
            f"node:{drawn[:8].hex()}",
            verifier.text(),
            base64.b64encode(drawn + drawn + drawn[:4]).decode(),
        ):
            assert find_sensitive(text) is None, text


def test_ten_thousand_generated_records_are_admitted():
    """Wrong if the false positives had no bound: not one of these may be refused."""
    source = random.Random(1904)
    admission = Admission.of_product()
    signer = Signer("bailiwick/0123456789abcdef", new_secret(bytes(32)))
    for number in range(RECORDS):
        admission.check(generated(source, signer, number))


def generated(source: random.Random, signer: Signer, number: int) -> Draft:
    """Draw a record as the product writes them."""

    def digest() -> str:
        return "sha256:" + source.randbytes(32).hex()

    def key() -> str:
        return "hmac-sha256:" + source.randbytes(32).hex()

    actor = Actor(id=f"local:{source.randbytes(8).hex()}", role="operator")
    node = Actor(id=f"node:{source.randbytes(8).hex()}", role="node")
    pack = {"name": "us-osha-1904", "version": f"{number % 50}.{number % 7}.0", "digest": digest()}
    module = {"name": "osha-intake", "digest": digest()}
    versions = {"bailiwick": "0.1.0", "cel": "0.1.3", "wasmtime": "50.0.1"}
    effects = [{"type": "osha.report", "key": key()} for _ in range(number % 4)]
    if number % 5 == 0:
        note = sign_checkpoint(number, source.randbytes(32), signer).note.decode()
        return Draft(event_type="ledger.checkpoint", resource="ledger", detail={"note": note}, actor=node)
    if number % 5 == 1:
        effect = source.randbytes(32).hex()
        detail = {"key": f"hmac-sha256:{effect}", "type": "osha.report", "record": number, "delivered": "now"}
        detail["file"] = f"outbox/{source.randbytes(32).hex()}.json"
        return Draft(event_type="effect.result", resource=f"effect/{effect[:32]}", detail=detail, actor=node)
    if number % 5 == 2:
        verifier = Verifier(name=f"bailiwick/{source.randbytes(8).hex()}", public=source.randbytes(32)).text()
        detail = {"format": "bailiwick-ledger/1", "hash": "sha-256", "origin": verifier.split("+")[0]}
        detail |= {"previous": None, "retention": "permanent", "verifier": verifier}
        return Draft(event_type="ledger.genesis", resource="ledger", detail=detail, actor=node)
    detail = {"observation": digest(), "evidence": digest(), "pack": pack, "modules": [module], "versions": versions}
    detail |= {"outcome": f"report-within-{number % 48}-hours", "effects": effects, "fuel": source.randrange(10**8)}
    resource = f"observation/{source.randbytes(16).hex()}"
    return Draft(event_type="decision.sealed", resource=resource, detail=detail, actor=actor)


# --- at the ledger's door ---------------------------------------------------------------------------------------------


@pytest.fixture
def guarded():
    """Give a ledger with the product's own admission."""
    signer = Signer("bailiwick/test", new_secret(bytes(32)))
    making = {"clock": MemoryClock(), "origin": "bailiwick/test", "node_id": "test", "actor": ACTOR}
    with Ledger.create("local", MemoryLedgerStore(), signer, checkpoint_ms=None, **making) as ledger:
        yield ledger


def test_a_ledger_refuses_what_is_not_admitted_and_keeps_nothing_of_the_group(guarded: Ledger):
    """Wrong if a caller that knows nothing of admission could get round it."""
    good = draft({"frozen": True}, event_type="panic.set", resource="panic")
    bad = draft({"frozen": True, "by": "jane@example.org"}, event_type="panic.set", resource="panic")
    worse = draft({"frozen": True}, event_type="panic.set", resource="jane@example.org")
    before = guarded.size()
    for group, code in [([good, bad], "record-field"), ([good, worse], "record-personal-data")]:
        with pytest.raises(RecordRefused) as caught:
            guarded.record_many("local", group)
        assert caught.value.code == code
        with pytest.raises(RecordRefused):
            guarded.submit(group[1])
    assert guarded.size() == before
    guarded.record("local", good)


def test_the_key_of_a_retry_holds_nothing_personal(guarded: Ledger):
    """Wrong if the one field that callers choose freely were a way in."""
    good = draft({"frozen": True}, event_type="panic.set", resource="panic")
    with pytest.raises(RecordRefused) as caught:
        guarded.record("local", good, key="jane@example.org")
    assert caught.value.code == "record-personal-data"
    assert "jane" not in caught.value.message


DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize("pattern", ["^sha256:[0-9a-f]{64}$", "^[a-z]{1,20}$", ""])
@pytest.mark.parametrize(
    "text",
    [
        DIGEST,
        DIGEST + "\n",
        DIGEST.upper(),
        DIGEST[:-1],
        "x" + DIGEST,
        "word",
        "word\n",
        "",
        "jane@example.org",
        "AKIAABCDEFGHIJKLMNOP",
        "4111 1111 1111 1111",
    ],
)
def test_the_quick_look_at_a_text_lets_nothing_by_that_the_careful_one_refuses(pattern: str, text: str):
    """Wrong if what saves time at admission were a way round the contract or the lint, the first time or later."""
    form = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    schema = {"type": "object", "additionalProperties": False, "properties": {"text": form}}
    careful = _is_admitted(Admission({"a.b": schema}), text)
    admission = Admission({"a.b": schema})
    assert [_is_admitted(admission, text) for _ in range(3)] == [careful] * 3
    if pattern.startswith("^sha256"):
        assert careful == (text == DIGEST)
    elif pattern:
        assert careful == (text == "word")
    else:
        assert careful == (find_sensitive(text) is None)


@pytest.mark.parametrize("value", [None, 7, True, ["word"], {"word": "word"}, b"word"])
def test_what_is_no_text_is_refused_after_the_same_text_passed(value):
    """Wrong if a value were taken for a text because one like it is remembered."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    admission = Admission({"a.b": schema})
    assert _is_admitted(admission, "word")
    assert not _is_admitted(admission, value)


def _is_admitted(admission: Admission, value: object) -> bool:
    try:
        admission.check(draft({"text": value}, event_type="a.b", resource="panic"))
    except RecordRefused:
        return False
    return True
