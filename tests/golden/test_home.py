"""What lies in a home stays, byte for byte, and is read here by the words of `docs/formats` alone.

The files are written under fixed keys, a fixed clock and fixed randomness. The readers below use the standard library
and a cipher, and nothing of the code that wrote them: if a page is wrong or lacks a word, they fail.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bailiwick.adapters.auditsink_file import FileAuditSink
from bailiwick.adapters.blobstore_sqlite import SqliteBlobStore
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.keystore_envelope import Stretching
from bailiwick.adapters.keystore_locks import PassphraseLock
from bailiwick.adapters.keystore_wrapped import WrappedKeyStore
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.witnessmemory_folder import FolderWitnessMemory
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, Ledger, Projection, Timeline, witness_policy
from bailiwick.model import Actor, Draft
from bailiwick.sinks import Pump
from bailiwick.testing import MemoryClock, MemoryEntropy

FOLDER = Path(__file__).parent / "home"
ORIGIN = "bailiwick/0123456789abcdef"
ACTOR = Actor(id="operator-1", role="operator")
SIGNER = Signer(ORIGIN, new_secret(bytes([1] * 32)))
WITNESS = Signer("witness.example/w1", new_secret(bytes([3] * 32)), COSIGNATURE)
PASSPHRASE = "correct horse battery"
SUBJECT = "observation/0123456789abcdef0123456789abcdef"
BLOB = b'{"what":"nobody may read this without its key"}'
COUNT = Projection(
    name="count",
    version=1,
    says="tests that were done",
    event_types=frozenset({"test.done"}),
    start=dict,
    fold=lambda state, record: {"done": state.get("done", 0) + 1},
)


# --- writing --------------------------------------------------------------------------------------------------------


def write(out: Path) -> None:
    """Write one of each."""
    write_ledger(out)
    write_keys(out)


def write_ledger(out: Path) -> None:
    """Write a ledger in short segments, sealed, witnessed, with a snapshot, and sent to a sink."""
    clock = MemoryClock(1_700_000_000 * 10**9, step_ns=1_000_000)
    disk = SystemDisk()
    making = {"clock": clock, "origin": ORIGIN, "node_id": "node-1", "actor": ACTOR, "checkpoint_ms": None}
    store = FileLedgerStore(out / "ledger", disk, segment_records=8)
    known = KnownWitness(name=b"w1", verifier=WITNESS.verifier, url="https://witness.example/api")
    memory = FolderWitnessMemory(out / "witness", disk)
    with Ledger.create("local", store, SIGNER, guard=lambda draft: None, **making) as ledger:
        ledger.heads.name_witness(WITNESS.verifier)
        ledger.checkpoint()
        for start in range(0, 20, 5):
            drafts = [
                Draft(event_type="test.done", resource="r/1", detail={"n": start + n}, actor=ACTOR) for n in range(5)
            ]
            ledger.record_many("local", drafts, key=f"batch-{start}")
        Timeline(ledger).state_at(clock.now_ns(), COUNT, now_ns=clock.now_ns(), is_kept=True)
        ledger.checkpoint()
        witness = Cosigner(memory, WITNESS, [SIGNER.verifier], clock=clock)
        assert ledger.heads.ask([(known, witness)], witness_policy([], [known])).is_met
        assert ledger.verify(check="full-and-seal").verdict.value == "ok"
        ledger.prove(3)
        sink = FileAuditSink(out / "events", disk)
        cursors = FileCursorStore(out / "tenants", disk)
        pump = Pump("archive", ledger, sink=sink, cursors=cursors, clock=clock, entropy=MemoryEntropy())
        assert pump.step().sent == ledger.size()
        sink.close()


def write_keys(out: Path) -> None:
    """Write wrapped keys, and a blob of a subject under one of them."""
    disk, entropy = SystemDisk(), MemoryEntropy(seed=5)
    lock = PassphraseLock({"BAILIWICK_PASSPHRASE": PASSPHRASE})
    keys = WrappedKeyStore(out / "keys", disk, entropy, lambda _kind, _home: lock, stretching=Stretching(work=16))
    keys.start("passphrase")
    keys.put("local", "ledger", new_secret(bytes([1] * 32)))
    with closing(SqliteBlobStore(out / "tenants", keys, entropy)) as blobs:
        blobs.put_many("local", [BLOB], [SUBJECT])
    with closing(sqlite3.connect(out / "tenants/local/blobs.db")) as database:
        rows = {
            "subjects": [
                [name, key.hex(), erased]
                for name, key, erased in database.execute("SELECT name, key, erased FROM subjects")
            ],
            "sealed": [
                [digest.hex(), data.hex()] for digest, data in database.execute("SELECT digest, bytes FROM sealed")
            ],
        }
    (out / "blobs.json").write_text(json.dumps(rows, indent=2) + "\n")


def files_of(folder: Path) -> dict[str, bytes]:
    """Give every file that is described, by its path: neither locks nor the file of SQLite, which is its own."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    skipped = (".lock", "blobs.db", "blobs.db-wal", "blobs.db-shm", "lines")
    found = {str(path.relative_to(folder)): path.read_bytes() for path in paths if not path.name.endswith(skipped)}
    # 64 KiB of it are line ends that fill the slot.
    return {name: data.rstrip(b"\n") + b"\n" if name.endswith("/cosigned") else data for name, data in found.items()}


def test_what_is_written_now_is_what_was_written_then(tmp_path):
    """Wrong if a home of an older version could not be read by this one, or the other way round."""
    write(tmp_path)
    if os.environ.get("BAILIWICK_WRITE_GOLDEN"):
        shutil.rmtree(FOLDER, ignore_errors=True)
        for name, data in files_of(tmp_path).items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_bytes(data)
    assert files_of(tmp_path) == files_of(FOLDER)
    assert (tmp_path / "ledger/cosigned").stat().st_size == 65_536


def test_what_was_written_then_still_opens_and_goes_on(tmp_path):
    """Wrong if a new version could not go on with an old home."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    disk, clock = SystemDisk(), MemoryClock(1_700_000_100 * 10**9, step_ns=1_000_000)
    store = FileLedgerStore(tmp_path / "ledger", disk, segment_records=8)
    opening = {"clock": clock, "node_id": "node-1", "guard": lambda draft: None}
    with Ledger.open("local", store, SIGNER, **opening) as ledger:
        assert ledger.verify(check="fast").verdict.value == "ok"
        assert ledger.verify().verdict.value == "ok"
        past = Timeline(ledger).state_at(clock.now_ns(), COUNT, now_ns=clock.now_ns())
        assert (past.state, past.folded < ledger.size()) == ({"done": 20}, True)
        before = ledger.size()
        again = Draft(event_type="test.done", resource="r/1", detail={"n": 20}, actor=ACTOR)
        ledger.record("local", again)
        sink = FileAuditSink(tmp_path / "events", disk)
        cursors = FileCursorStore(tmp_path / "tenants", disk)
        pump = Pump("archive", ledger, sink=sink, cursors=cursors, clock=clock, entropy=MemoryEntropy())
        assert pump.step().sent == ledger.size() - before == 1
        sink.close()
        witness = Cosigner(FolderWitnessMemory(tmp_path / "witness", disk), WITNESS, [SIGNER.verifier], clock=clock)
        known = KnownWitness(name=b"w1", verifier=WITNESS.verifier, url="https://witness.example/api")
        assert ledger.heads.ask([(known, witness)], witness_policy([], [known])).is_met


# --- reading, by the pages --------------------------------------------------------------------------------------------


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def lines() -> list[bytes]:
    """Give the stored bytes of all records, from the segments in order."""
    return [line for path in sorted((FOLDER / "ledger/seg").iterdir()) for line in path.read_bytes().splitlines()]


def leaf(raw: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + raw).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: list[bytes]) -> bytes:
    """Give the RFC 6962 root of leaf digests."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:split]), root(hashes[split:]))


def peaks(hashes: list[bytes]) -> list[bytes]:
    """Give the roots of the complete subtrees, tallest first."""
    found = []
    while hashes:
        width = 1 << len(hashes).bit_length() - 1
        found.append(root(hashes[:width]))
        hashes = hashes[width:]
    return found


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def public_key() -> Ed25519PublicKey:
    """Give the ledger's key from its first record: a name, a hash, and base64 of a type and 32 bytes."""
    verifier = json.loads(lines()[0])["detail"]["verifier"]
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(verifier.split("+", 2)[2])[1:])


def note_parts(note: str) -> tuple[str, int, bytes]:
    """Give origin, size and root of a checkpoint, its first signature checked."""
    origin, size, digest = note.split("\n")[:3]
    signature = base64.b64decode(note.split("\n\n")[1].split("\n", maxsplit=1)[0].rsplit(" ", 1)[1])[4:]
    public_key().verify(signature, f"{origin}\n{size}\n{digest}\n".encode())
    return origin, int(size), base64.b64decode(digest)


def test_a_segment_is_records_a_line_each_and_named_by_its_first():
    """Wrong if a reader of segments would lose a record, or take it for another."""
    paths = sorted((FOLDER / "ledger/seg").iterdir())
    assert len(paths) > 2
    previous = "0" * 64
    for index, raw in enumerate(lines()):
        record = json.loads(raw)
        assert (record["entry_id"], record["prev_hash"]) == (index, previous)
        assert canonical(record) == raw
        previous = hashlib.sha256(raw).hexdigest()
    for path in paths:
        assert path.name == f"{json.loads(path.read_bytes().splitlines()[0])['entry_id']:012d}.jsonl"
        assert path.read_bytes().endswith(b"\n")


def test_records_that_stand_or_fall_together_are_marked():
    """Wrong if a reader could not tell a whole group from a torn one, or by which key it was asked for."""
    marked = [json.loads(raw)["detail"] for raw in lines() if b'"~group"' in raw]
    assert [(each["~group"], each["~key"]) for each in marked] == [(5, f"batch-{start}") for start in range(0, 20, 5)]


def test_the_head_has_two_slots_and_the_newer_leads_to_the_newest_checkpoint():
    """Wrong if somebody who looks for the newest checkpoint in a home would not find it by the page."""
    data = read("ledger/head")
    assert len(data) == 8_192
    slots = []
    for slot in (data[:4_096], data[4_096:]):
        digest, line, rest = slot.split(b"\n", 2)
        assert hashlib.sha256(line).hexdigest().encode() == digest
        assert rest.strip(b"\n") == b""
        slots.append(json.loads(line))
    newest = max(slots, key=lambda slot: note_parts(slot["note"])[1])
    assert newest["format"] == "bailiwick-head/1"
    _, size, top = note_parts(newest["note"])
    assert top == root([leaf(raw) for raw in lines()[:size]])
    assert [bytes.fromhex(peak) for peak in newest["peaks"]] == peaks([leaf(raw) for raw in lines()[:size]])
    assert newest["record"] == hashlib.sha256(lines()[size]).hexdigest()


def test_the_tree_has_the_leaves_and_the_root_of_each_sixteen():
    """Wrong if a proof built from these files by their page were not one."""
    hashes = [leaf(raw) for raw in lines()]
    leaves, upper = read("ledger/tree/0"), read("ledger/tree/4")
    assert leaves == b"".join(hashes)[: len(leaves)]
    assert len(leaves) // 32 > 16
    assert upper == root(hashes[:16])


def test_the_seals_are_signed_and_name_what_full_segments_hash_to():
    """Wrong if the fast check could not be done again by somebody else."""
    line, signature = read("ledger/seals").split(b"\n")[:2]
    public_key().verify(base64.b64decode(signature), line)
    seals = json.loads(line)
    assert canonical(seals) == line
    assert seals["format"] == "bailiwick-seals/1"
    for first, stop, digest in seals["segments"]:
        path = FOLDER / f"ledger/seg/{first:012d}.jsonl"
        assert digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        assert len(path.read_bytes().splitlines()) == stop - first
    assert seals["last_hash"] == hashlib.sha256(lines()[stop - 1]).hexdigest()
    assert [bytes.fromhex(peak) for peak in seals["peaks"]] == peaks([leaf(raw) for raw in lines()[:stop]])


def test_a_snapshot_is_what_its_record_says():
    """Wrong if a state that was kept could not be tied to the ledger."""
    position, record, size = struct.unpack("<QQQ", read("ledger/snapshot/count-1"))
    data = read(f"ledger/snapshot/count-1-{position:012d}.json")[:size]
    said = json.loads(lines()[record])
    assert said["event_type"] == "ledger.snapshot"
    assert said["detail"] == {
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "position": position,
        "projection": "count",
        "size": size,
        "version": 1,
    }
    done = sum(json.loads(raw)["event_type"] == "test.done" for raw in lines()[: position + 1])
    assert json.loads(data) == {"done": done}


def test_what_a_witness_remembers_and_what_the_ledger_keeps_of_it_agree():
    """Wrong if a witness moved to another machine would forget, and cosign a second past."""
    held = read(f"witness/{hashlib.sha256(ORIGIN.encode()).hexdigest()}").decode()
    digest, line = read("ledger/cosigned").split(b"\n")[:2]
    assert hashlib.sha256(line).hexdigest().encode() == digest
    slot = json.loads(line)
    origin, size, _ = note_parts(held)
    assert (slot["format"], origin) == ("bailiwick-cosigned/1", ORIGIN)
    assert list(slot["held"].values()) == [size]
    own, cosignature = slot["notes"][0].rstrip("\n").rsplit("\n", 1)
    assert held.startswith(own)
    raw = base64.b64decode(cosignature.rsplit(" ", 1)[1])
    text = "".join(f"{each}\n" for each in own.split("\n")[:3])
    signed = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(WITNESS.verifier.public).verify(raw[12:], signed)


def test_a_cursor_says_how_far_a_sink_is_and_the_events_are_the_records():
    """Wrong if another program could not take over a sink, or a receiver not tie an event to its record."""
    raw = read("tenants/local/cursors/sink-archive.json")
    cursor = json.loads(raw)
    assert raw == canonical(cursor) + b"\n"
    assert (cursor["format"], cursor["origin"], cursor["failures"]) == ("bailiwick-sink/1", ORIGIN, 0)
    assert cursor["leaf"] == leaf(lines()[cursor["count"] - 1]).hex()
    events = read("events/events.jsonl").splitlines()
    assert len(events) == cursor["count"]
    for index, (line, record) in enumerate(zip(events, lines(), strict=False)):
        event = json.loads(line)
        assert canonical(event) == line
        assert event["metadata"]["uid"] == f"{ORIGIN}#{index}"
        assert event["raw_data"].encode() == record
        assert event["raw_data_hash"]["value"] == hashlib.sha256(record).hexdigest()
        assert event["unmapped"]["leaf"] == leaf(record).hex()
        detail = json.loads(record)["detail"]
        assert event["unmapped"]["detail"] == {name: detail[name] for name in detail if not name.startswith("~")}


# --- keys and blobs ---------------------------------------------------------------------------------------------------


def open_envelope(key: bytes, envelope: bytes, context: bytes) -> bytes:
    """Open a nonce of 12 bytes, a ciphertext and a tag of 16."""
    return AESGCM(key).decrypt(envelope[:12], envelope[12:], context)


def root_key() -> bytes:
    """Open the root key with the passphrase."""
    wrapping = json.loads(read("keys/wrapping.json"))
    digest = wrapping.pop("digest")
    assert hashlib.sha256(canonical(wrapping)).hexdigest() == digest
    envelope = base64.b64decode(wrapping.pop("root"))
    n, r, p = wrapping["scrypt"]
    key = hashlib.scrypt(PASSPHRASE.encode(), salt=bytes.fromhex(wrapping["salt"]), n=n, r=r, p=p, dklen=32)
    return open_envelope(key, envelope, b"bailiwick-root-key/1\n" + canonical(wrapping))


def test_a_wrapped_key_opens_by_the_page():
    """Wrong if a home could be opened by this program alone."""
    data = read("keys/local/ledger")
    context, envelope = data[: data.index(b"\n") + 1], data[data.index(b"\n") + 1 :]
    assert context == b"bailiwick-wrapped-key/1 local/ledger\n"
    assert open_envelope(root_key(), base64.b64decode(envelope), context) == new_secret(bytes([1] * 32))


@pytest.mark.parametrize("damage", [None, "blob", "subject"])
def test_a_blob_opens_by_its_subject_s_key_and_no_other_way(damage):
    """Wrong if evidence could be opened by this program alone, or without the key that erasing destroys."""
    data = read("keys/local/blobs")
    around = open_envelope(root_key(), base64.b64decode(data.split(b"\n", 1)[1]), data.split(b"\n", 1)[0] + b"\n")
    rows = json.loads(read("blobs.json"))
    ((name, sealed_key, erased),) = rows["subjects"]
    ((digest, sealed),) = rows["sealed"]
    assert (name, erased, digest) == (SUBJECT, 0, hashlib.sha256(BLOB).hexdigest())
    if damage == "subject":
        sealed_key = "00" * (len(sealed_key) // 2)
    if damage == "blob":
        sealed = sealed[:-2] + f"{int(sealed[-2:], 16) ^ 1:02x}"

    def opened() -> bytes:
        key = open_envelope(around, bytes.fromhex(sealed_key), f"bailiwick-subject-key/1\nlocal\n{name}".encode())
        return open_envelope(key, bytes.fromhex(sealed), b"bailiwick-blob/1\n" + bytes.fromhex(digest))

    if damage is None:
        assert opened() == BLOB
    else:
        from cryptography.exceptions import InvalidTag

        with pytest.raises(InvalidTag):
            opened()
