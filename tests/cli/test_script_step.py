"""A pack that decides with a script of its tenant: pinned whole, kept with the pack, replayed without the script."""

from __future__ import annotations

import json

import pytest

from bailiwick.engine import Compiler

SCRIPT = """
function fee(given) {
  if (given.days < 0) throw { code: "days-negative", message: "nobody is late before time" };
  return { cents: given.days * given.cents };
}
"""
ANY = {"title": "Anything", "input": True, "output": True}
BOOK = {"borrower": "adult", "days_out": 38, "returned_on": "2024-05-01"}
CALLS = """
calls:
  - id: reckon
    module: fee-script
    function: fee
    input: {days: m.late_days, cents: p.fee_cents_a_day}
    gives: [{id: fee_by_script, type: integer, unit: cent, path: /cents}]
    cite: Lending Rules 3
"""
OLD = "expr: m.late_days * p.fee_cents_a_day"


def write_script(folder, text=SCRIPT, version="1.0.0", **changes):
    """Write the folder of a script, unsigned."""
    folder.mkdir(exist_ok=True)
    manifest = {
        "format": "bailiwick-module/1",
        "name": "fee-script",
        "version": version,
        "title": "Reckons fees",
        "licence": "Apache-2.0",
        "file": "script.js",
        "abi": "script/1",
        "engine": {"name": "quickjs"},
        "tier": "lightweight",
        "capabilities": [],
        "functions": {"fee": ANY},
        **changes,
    }
    (folder / "script.js").write_text(text)
    (folder / "module.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def compiled():
    """Give a compiler that remembers what it made: each home of these tests would compile the same megabyte."""
    made, compiler = {}, Compiler()

    def make(wasm, kind):
        """Compile what is new."""
        if wasm not in made:
            made[wasm] = compiler(wasm, kind)
        return made[wasm]

    return make


@pytest.fixture
def town(cli, folder, compiled, monkeypatch):
    """Give a home with a script, and a folder with a pack that calls it."""
    monkeypatch.setattr("bailiwick.node.supervising.Compiler", lambda: compiled)
    assert cli("init").code == 0
    install(cli, folder)
    assert cli("pack", "new", "town-fees").code == 0
    pack = folder / "town-fees"
    (pack / "pack.yaml").write_text((pack / "pack.yaml").read_text() + pinned(cli))
    (pack / "rules" / "calls.yaml").write_text(CALLS)
    measures = pack / "rules" / "measures.yaml"
    assert OLD in measures.read_text()
    measures.write_text(measures.read_text().replace(OLD, "expr: m.fee_by_script"))
    (folder / "book.json").write_text(json.dumps(BOOK))
    return pack


def install(cli, folder, **changes):
    """Write, sign and install a version of the script."""
    write_script(folder / "fee-script", **changes)
    for words in (("build",), ("sign",), ("install",)):
        ran = cli("module", *words, "fee-script")
        assert ran.code == 0, ran.err


def pin(cli):
    """Give the digest by which packs name the script."""
    return cli("module", "show", "fee-script", "--json").json["pin"]


def pinned(cli):
    """Write the part of pack.yaml that pins the script."""
    return f'modules:\n  fee-script: {{digest: "{pin(cli)}"}}\n'


def decide(cli, pack="town-fees"):
    """Decide the book."""
    return cli("decide", pack, "book.json", "--json")


def fee_of(cli, record):
    """Give the fee that a decision came to."""
    told = cli("explain", str(record), "--json").json["rules"]
    return next(each["value"] for each in told if each["rule"] == "fee")


def replayed(cli):
    """Decide every decision again, and give how that came out."""
    ran = cli("replay", "--all", "--json")
    assert ran.code == 0, ran.out
    return ran.json


def test_a_pack_decides_with_a_script_and_replays_after_it_is_gone(cli, town):
    """Wrong if a decision rests on a script that its tenant may remove at any time."""
    first = decide(cli).json
    assert fee_of(cli, first["record"]) == 200
    assert cli("module", "remove", "fee-script").code == 0
    assert replayed(cli)["differing"] == []
    assert decide(cli).json["outcome"] == "fee-due"


def test_a_pack_keeps_to_the_script_that_it_pins(cli, folder, town):
    """Wrong if a new version of a script changes law that nobody changed."""
    decide(cli)
    install(cli, folder, text=SCRIPT.replace("given.days *", "7 * given.days *"), version="1.1.0")
    assert fee_of(cli, decide(cli).json["record"]) == 200
    replayed(cli)


def test_a_pack_that_pins_another_script_than_is_installed_does_not_decide(cli, folder, town):
    """Wrong if a pack runs whatever goes by the name."""
    decided_with = pin(cli)
    text = (town / "pack.yaml").read_text()
    (town / "pack.yaml").write_text(text.replace(decided_with, "sha256:" + "7" * 64))
    ran = decide(cli)
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "module-not-found")


def test_the_text_the_variants_and_the_engine_are_all_in_the_pin(cli, folder, town):
    """Wrong if two scripts that may answer otherwise go by one pin."""
    pins = {pin(cli)}
    install(cli, folder, version="1.1.0", tier="standard")
    pins.add(pin(cli))
    (folder / "fee-script" / "free.js").write_text("function fee() { return { cents: 0 }; }")
    variant = {"name": "free", "file": "free.js", "percent": 99}
    install(cli, folder, version="1.2.0", variants=[variant])
    pins.add(pin(cli))
    assert len(pins) == 3
    text = (town / "pack.yaml").read_text()
    (town / "pack.yaml").write_text(text[: text.index("modules:")] + pinned(cli))
    assert fee_of(cli, decide(cli).json["record"]) == 0
    replayed(cli)


def test_a_script_in_a_pack_is_granted_nothing(cli, folder, town):
    """Wrong if a decision depends on the time of day, or on luck."""
    clock = {"interface": "bailiwick:clock/clock@0.1.0", "functions": ["now"], "reason": "the test wants it"}
    text = "function fee(given) { return { cents: host.now() }; }"
    install(cli, folder, text=text, version="1.1.0", capabilities=[clock])
    assert cli("module", "grant", "fee-script").code == 0
    pack = (town / "pack.yaml").read_text()
    (town / "pack.yaml").write_text(pack[: pack.index("modules:")] + pinned(cli))
    told = decide(cli).json
    assert fee_of(cli, told["record"]) is None
    assert "module-refused: fee-script: denied" in json.dumps(cli("explain", str(told["record"]), "--json").json)


def test_a_signed_pack_with_a_script_is_installed_and_decides(cli, folder, town):
    """Wrong if only the folder of a pack may call a script, or its cases run without one."""
    for words in (("pack", "sign", "town-fees"), ("pack", "install", "town-fees", "--yes")):
        ran = cli(*words)
        assert ran.code == 0, ran.err
    assert fee_of(cli, decide(cli).json["record"]) == 200
    assert cli("module", "remove", "fee-script").code == 0
    assert fee_of(cli, decide(cli).json["record"]) == 200
    replayed(cli)
