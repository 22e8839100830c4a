"""What strangers' tools are given: exports of two ledgers, Go's programs, and a reader for tlog-scales."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tlog_scales import tiles
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, Ledger, witness_policy
from bailiwick.model import Actor, Draft
from bailiwick.testing import MemoryClock

ORIGIN = "bailiwick/fedcba9876543210"
ACTOR = Actor(id="operator-1", role="operator")
GO_SOURCES = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev puts its sources."""
GO_PROGRAMS = Path(__file__).parent / "go"
RECORDS = 600
WITNESSED_RECORDS = 50


def drafts(count, mark=0):
    """Give things to record, some with text beyond ASCII."""
    detail = [{"number": mark + number, "text": "é\u2028" * (number % 3)} for number in range(count)]
    return [Draft(event_type="test.done", resource="r/1", detail=each, actor=ACTOR) for each in detail]


def new_ledger(signer, clock):
    """Begin a ledger in memory that signs no checkpoint by itself."""
    words = {"clock": clock, "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR, "guard": lambda draft: None}
    return Ledger.create("local", MemoryLedgerStore(), signer, checkpoint_ms=None, **words)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A ledger of three tiles at level 0 and one above, exported early and late."""
    folder = tmp_path_factory.mktemp("exported")
    signer = Signer(ORIGIN, new_secret(bytes(32)))
    with new_ledger(signer, MemoryClock(step_ns=1)) as ledger:
        ledger.record_many("local", drafts(99))
        ledger.export(folder / "early")
        ledger.record_many("local", drafts(RECORDS - 101))
        ledger.export(folder / "late")
        (folder / "receipt").write_text(ledger.prove(7))
        (folder / "record").write_bytes(ledger.read(7).raw)
    return folder, signer.verifier.text()


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    """Build one of the Go programs, without any network; skip where Go or its packages are not installed."""
    if shutil.which("go") is None or not (GO_SOURCES / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip("Go or its x/mod sources are missing: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    build = {**os.environ, "GOPATH": str(GO_SOURCES), "GO111MODULE": "off", "GOCACHE": str(folder / "cache")}

    def built(name):
        program = folder / name
        if not program.exists():
            sources = [GO_PROGRAMS / f"{name}.go", GO_PROGRAMS / "checks.go"]
            subprocess.run(["go", "build", "-o", program, *sources], env=build, check=True, capture_output=True)
        return program

    return built


@pytest.fixture(scope="session")
def go_verify(go_program):
    """Run the Go program on a bundle."""
    program = go_program("verify")

    def run(*arguments):
        return subprocess.run([program, *arguments], check=False, capture_output=True, text=True)

    return run


def write_witnessed(out, mark=0):
    """Export a log of 50 records that changed its key and was cosigned; give what an auditor may be told of it."""
    first, second = (Signer(ORIGIN, new_secret(bytes([number] * 32))) for number in (3, 4))
    cosigner = Signer("witness.example/w1", new_secret(bytes([5] * 32)), COSIGNATURE)
    clock = MemoryClock(step_ns=1)
    witness = Cosigner(MemoryWitnessMemory(), cosigner, [second.verifier], clock=clock)
    known = KnownWitness(name=b"w1", verifier=cosigner.verifier)
    with new_ledger(first, clock) as ledger:
        ledger.heads.name_witness(cosigner.verifier)
        ledger.heads.rotate(second)
        ledger.record_many("local", drafts(WITNESSED_RECORDS - ledger.size(), mark))
        assert ledger.heads.ask([(known, witness)], witness_policy([], [known])).is_met
        ledger.export(out)
    policy = witness_policy([first.verifier, second.verifier], [known])
    return SimpleNamespace(bundle=out, key=second.verifier.text(), signer=second, policy=policy)


@pytest.fixture(scope="session")
def witnessed(tmp_path_factory):
    """The export of a log of 50 records, its key changed and its head cosigned; never to be changed in its place."""
    return write_witnessed(tmp_path_factory.mktemp("witnessed") / "bundle")


@pytest.fixture(scope="session")
def write_log():
    """Write further exports of the same keys."""
    return write_witnessed


# --- edits, and who is asked about them -------------------------------------------------------------------------------


def read_files(bundle):
    """Give the bytes of a bundle's files by their path within it."""
    return {str(path.relative_to(bundle)): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def apply_edits(files, edits):
    """Give the files after a row of edits: from byte ``at`` of a file, ``cut`` bytes go out and ``put`` goes in."""
    changed = dict(files)
    for path, at, cut, put in edits:
        old = changed.get(path, b"")
        assert 0 <= at <= at + cut <= len(old), (path, at, cut)
        changed[path] = old[:at] + put + old[at + cut :]
    return changed


class _InMemory:
    """Tiles for tlog-scales."""

    def __init__(self, files):
        self._files = files

    def get(self, *path):
        return self._files.get("/".join(path))


def ask_scales(key, files, older=None):
    """Say why tlog-scales refuses a bundle, or nothing where it accepts; every record is proven in the signed tree."""
    try:
        reader = TilesReader(_InMemory(files))
        checkpoint = reader.get_checkpoint()
        checkpoint.verify(Vkey.from_string(key))
        if checkpoint.origin != ORIGIN or reader.calculate_root_hash() != checkpoint.root_hash:
            return "another origin or root"
        leaves = [tiles.leaf_hash(reader.get_entry(index)) for index in range(checkpoint.size)]
        for index, leaf in enumerate(leaves):
            if leaf != reader.mth(index, index + 1):
                return f"record {index} is not that of its leaf"
        for index, leaf in enumerate(leaves):
            reader.get_inclusion_proof(index, checkpoint.size).check(leaf, checkpoint.root_hash)
        if older is not None:
            kept = TilesReader(_InMemory(older)).get_checkpoint()
            kept.verify(Vkey.from_string(key))
            growth = reader.get_consistency_proof(kept.size, checkpoint.size)
            growth.check(kept.root_hash, checkpoint.root_hash)
    except Exception as error:  # its errors are of many kinds, some of them Python's own: none of them is a yes
        return repr(error)
    return ""


@pytest.fixture(scope="session")
def ask_go(go_program):
    """Ask Go about a bundle after each row of edits: why it refuses, or nothing where it accepts."""
    program = go_program("edits")

    def ask(key, bundle, rows):
        lines = [
            json.dumps([[path, at, cut, base64.b64encode(put).decode()] for path, at, cut, put in edits])
            for edits in rows
        ]
        words = [program, key, str(bundle)]
        ran = subprocess.run(words, input="\n".join(lines), check=True, capture_output=True, text=True)
        told = ran.stdout.splitlines()
        assert len(told) == len(rows)
        return ["" if line == "accepted" else json.loads(line) for line in told]

    return ask


@pytest.fixture(scope="session")
def ask_tlog_scales():
    """Ask tlog-scales about a bundle after each row of edits: why it refuses, or nothing where it accepts."""

    def ask(key, bundle, rows):
        files = read_files(bundle)
        return [ask_scales(key, apply_edits(files, edits)) for edits in rows]

    return ask


@pytest.fixture
def ask_with_kept(request):
    """Ask a tool about a bundle and the checkpoint of an older one that was kept."""

    def ask(tool, key, bundle, kept):
        if tool == "tlog-scales":
            return ask_scales(key, read_files(bundle), read_files(kept))
        return request.getfixturevalue("go_verify")(key, bundle, kept / "checkpoint").stderr

    return ask
