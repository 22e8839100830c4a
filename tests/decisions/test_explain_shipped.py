"""Explanations of what the packs that ship decide, and of what older versions of them decided: nothing differs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Explanation, RawInput, explain, fetch
from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import intake, restore
from bailiwick.decisions.seal import seal
from bailiwick.engine import Engine
from bailiwick.model import Actor, Record, Run
from bailiwick.packs import Pack, Speech, evaluate, load_pack
from bailiwick.schema import Schemas, parse_document
from bailiwick.testing import MemoryBlobStore

SCHEMAS = Schemas()
HISTORIES = sorted((Path(__file__).parents[1] / "golden" / "histories").glob("*.json"))
CASES_EACH = 6
"""Cases of each pack that are explained, spread over all of them."""
ACTOR = Actor(id="local:test", role="operator")
TENANT = "golden"
DIGEST = "sha256:" + "0" * 64
MOMENT = "2020-01-01T00:00:00.000000000Z"


def record(detail: dict[str, Any]) -> Record:
    """Give the record of a decision."""
    return Record(
        index=1,
        raw=b"",
        event_type="decision.sealed",
        resource="observation/golden",
        detail=detail,
        actor=ACTOR,
        node_id="golden",
        timestamp=MOMENT,
        prev_hash="",
    )


def evidence(pack: Pack, facts: dict[str, Any], day: str) -> dict[str, Any]:
    """Give the evidence of a case, without its modules: what they would give stays open."""
    decision = evaluate(pack, facts, day)
    body = {
        "format": "bailiwick-evidence/1",
        "salt": "0" * 32,
        "observation": DIGEST,
        "pack": {"name": pack.name, "version": pack.version, "digest": pack.digest},
        "modules": [],
        "legal_date": day,
        "decided_at": MOMENT,
        "facts": facts,
        "measurements": [each.to_json() for each in decision.measurements],
        "impact": decision.impact.to_json(),
        "effects": [each.to_json() for each in decision.effects],
        "trace": [each.to_json() for each in decision.trace],
    }
    told: dict[str, Any] = parse_document(canonical_bytes(body))
    return told


@pytest.mark.parametrize("name", builtin_packs().names())
def test_every_rule_of_a_shipped_pack_is_judged_again_to_the_same(name: str):
    """Wrong if a kind of rule that a pack uses could not be explained, or was explained falsely."""
    pack = load_pack(name, builtin_packs().files(name))
    speech = Speech(pack)
    step = max(1, len(pack.cases) // CASES_EACH)
    for case in pack.cases[::step]:
        facts = dict(case.input)
        day = case.legal_date or pack.legal_date_in(facts)
        if day is None:
            continue
        sealed = evidence(pack, facts, day)
        SCHEMAS.check("evidence", sealed)
        for spoken in (speech, None):
            explanation = Explanation(record=record({"evidence": DIGEST}), evidence=sealed, speech=spoken)
            told = explanation.to_json()
            SCHEMAS.check("explanation", told)
            assert told["recomputed"]["differing"] == [], case.name
            assert spoken is None or told["recomputed"]["not_possible"] == [], case.name
            assert explanation.tree().branches


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_shipped_pack_is_explained_in_its_languages(language: str):
    """Wrong if a translation broke the explanation, or was left out of it."""
    pack = load_pack("us-mi-esta", builtin_packs().files("us-mi-esta"))
    case = pack.cases[0]
    day = case.legal_date or pack.legal_date_in(case.input)
    sealed = evidence(pack, dict(case.input), str(day))
    told = Explanation(record=record({"evidence": DIGEST}), evidence=sealed, speech=Speech(pack, language)).to_json()
    assert told["language"] == language
    assert set(told["pack"]["languages"]) >= {"en", "es"}
    texts = [each["text"] for each in told["assumptions"]]
    assert (
        texts == [each.text for each in pack.assumptions if each.id in {a["rule"] for a in told["assumptions"]}]
    ) == (language == "en")


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_old_evidence_is_explained_by_the_pack_that_decided(path: Path):
    """Wrong if an upgrade left decisions of earlier years without their reasons."""
    history = json.loads(path.read_text())
    blobs = MemoryBlobStore()
    blobs.put_many(TENANT, [base64.b64decode(text) for text in history["blobs"].values()])
    with Engine() as engine:
        for detail in history["records"]:
            raw, day, moment = restore(blobs.get(TENANT, detail["observation"]))
            pack = fetch(TENANT, detail["pack"]["name"], detail["pack"]["digest"], blobs)
            sealed = again(engine, blobs, pack, raw, day, moment)
            assert sealed.digest == detail["evidence"]
            blobs.put_many(TENANT, [sealed.blob])
            told = explain(TENANT, record(detail), blobs).to_json()
            assert told["pack"]["kept"] is True
            assert (told["recomputed"]["differing"], told["recomputed"]["not_possible"]) == ([], [])
            SCHEMAS.check("explanation", told)


def again(engine: Engine, blobs: MemoryBlobStore, pack: Pack, raw: RawInput, day: str | None, moment: Any) -> Any:
    """Decide an observation again, and give its evidence."""
    from bailiwick.model import ModuleRef, Tier

    def read_row(envelope: bytes) -> tuple[Run, ModuleRef]:
        """Run the pack's own reader."""
        reader = pack.intake["csv"]
        guest = engine.load(blobs.get(TENANT, reader.digest))
        run = engine.run(guest, reader.function, envelope, Tier.LIGHTWEIGHT.budget)
        return run, ModuleRef(name=reader.module, digest=reader.digest)

    observation = intake(TENANT, raw, pack, legal_date=day, moment=moment, read_row=read_row)
    decision = decide(observation, pack)
    return seal(observation, decision, pack, secret=b"", actor=ACTOR, versions={}).evidence
