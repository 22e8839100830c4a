"""Old histories under new code: what was decided once is decided again to the same bytes, by the pack that decided it.

A history holds the observations, the pack's files, the module and the digests of the evidence, as a ledger's records
and blobs do. Nothing in it follows what is installed today, so a change that moves a byte of evidence shows here.


``make golden`` writes the history of the installed pack where its version has none yet; it never rewrites one.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.adapters.packsource_builtin import builtin_module, builtin_packs
from bailiwick.decisions import Decided, Loop, RawInput, Replayer, keep
from bailiwick.engine import Engine
from bailiwick.model import Actor, ModuleRef, Record, Tier
from bailiwick.packs import Pack, load_pack
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryRecorder

FOLDER = Path(__file__).parent / "histories"
TENANT = "golden"
ACTOR = Actor(id="local:golden", role="operator")
PACK = "us-osha-1904"
HEADER = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,src_of_injury,event_type,fall_distance"
ROWS = [
    ("2024-01-01", "221158942,1,1,11,26,2,3,"),
    ("2024-01-01", "221159072,1,2,12,31,14,5,12"),
    ("2024-01-01", "221159072,2,3,1,10,23,2,"),
    ("2024-01-01", "221159072,3,,21,8,43,14,"),
    ("2014-12-31", "221159189,1,2,18,12,3,3,"),
    ("1999-01-01", "221159189,2,1,2,5,29,8,"),
]
DOCUMENTS = [
    '{"summary_nr": 7, "injury_line_nr": 1, "degree": "fatality", "incident_date": "2015-01-01",'
    ' "known_at": "2015-01-01T20:00:00-05:00"}',
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as started:
        yield started


class Reader:
    """Runs the guest whose binary is among the blobs."""

    def __init__(self, engine: Engine, blobs: MemoryBlobStore, pack: Pack) -> None:
        self._engine = engine
        self._reader = pack.intake["csv"]
        self._guest = engine.load(blobs.get(TENANT, self._reader.digest))

    def __call__(self, envelope: bytes):
        run = self._engine.run(self._guest, self._reader.function, envelope, Tier.LIGHTWEIGHT.budget)
        return run, ModuleRef(name=self._reader.module, digest=self._reader.digest)


def write_history(engine: Engine) -> None:
    """Decide the rows above and keep everything that replaying them needs."""
    files = builtin_packs().files(PACK)
    pack = load_pack(PACK, files)
    path = FOLDER / f"{PACK}-{pack.version}.json"
    if path.exists():
        return
    blobs, recorder = MemoryBlobStore(), MemoryRecorder()
    keep(
        TENANT, pack, files, {"osha-intake": builtin_module("osha-intake")}, blobs=blobs, recorder=recorder, actor=ACTOR
    )
    loop = Loop(
        tenant=TENANT,
        pack=pack,
        read_row=Reader(engine, blobs, pack),
        recorder=recorder,
        blobs=blobs,
        clock=MemoryClock(),
        entropy=MemoryEntropy(),
        secret=bytes(32),
        actor=ACTOR,
        versions={},
    )
    answers = [each for date, row in ROWS for each in loop.run([csv(row)], legal_date=date)]
    answers += loop.run([RawInput(media="json", body=body) for body in DOCUMENTS])
    assert all(isinstance(answer, Decided) for answer in answers), answers
    details = [draft.detail for draft in recorder.drafts(TENANT) if draft.event_type == "decision.sealed"]
    module = pack.intake["csv"].digest
    needed = [pack.digest, module, *json.loads(blobs.get(TENANT, pack.digest)).values()]
    needed += [detail["observation"] for detail in details]
    kept = {each: base64.b64encode(blobs.get(TENANT, each)).decode() for each in needed}
    path.write_text(json.dumps({"records": details, "blobs": kept}, indent=1, sort_keys=True) + "\n")


def csv(row: str) -> RawInput:
    return RawInput(media="csv", header=HEADER, body=row)


if os.environ.get("BAILIWICK_WRITE_GOLDEN"):

    def test_the_installed_pack_has_a_history(engine: Engine):
        """Wrong if a version could be released whose decisions nobody can compare later."""
        write_history(engine)
        assert any(FOLDER.iterdir())


def histories() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", histories(), ids=lambda path: path.stem)
def test_an_old_history_is_decided_the_same_way(engine: Engine, path: Path):
    """Wrong if an upgrade changed what was decided, or how it is written."""
    history = json.loads(path.read_text())
    blobs = MemoryBlobStore()
    stored = blobs.put_many(TENANT, [base64.b64decode(text) for text in history["blobs"].values()])
    assert stored == list(history["blobs"])
    records = [
        Record(
            index=index,
            raw=b"",
            event_type="decision.sealed",
            resource="observation/golden",
            detail=detail,
            actor=ACTOR,
            node_id="golden",
            timestamp="",
            prev_hash="",
        )
        for index, detail in enumerate(history["records"])
    ]
    replayer = Replayer(tenant=TENANT, blobs=blobs, reader_for=lambda pack: Reader(engine, blobs, pack))
    report = replayer.run(records)
    assert report.unavailable == (), (
        "evidence differs from what was sealed; it was not kept, so only its digest is known"
    )
    assert (report.replayed, report.differing) == (len(ROWS) + len(DOCUMENTS), ())


def test_the_installed_pack_is_in_a_history():
    """Wrong if the golden histories did not cover what is shipped."""
    pack = load_pack(PACK, builtin_packs().files(PACK))
    kept = json.loads((FOLDER / f"{PACK}-{pack.version}.json").read_text())
    assert {record["pack"]["digest"] for record in kept["records"]} == {pack.digest}
