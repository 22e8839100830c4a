"""Witnesses at the terminal: asked over HTTP, lied to by an edge that lost its disk, and a ledger brought back."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager

from bailiwick.node import Node
from bailiwick.settings import Settings


@contextmanager
def running(home, **certificate):
    """Run the witness that a home is, as `ledger witness serve` does, and give its address."""
    settings = Settings.resolve(home=home, environ={})
    with Node.open(settings) as node, node.witnesses(settings.tenant).server("127.0.0.1:0", **certificate) as server:
        yield server.url


def test_a_hub_stands_for_an_edge_until_the_edge_loses_its_disk_and_comes_back(cli, folder):
    """If it failed, a lost disk would end in a second past, or in no ledger at all."""
    for home in ("hub", "edge"):
        assert cli("init", "--home", home).code == 0
    log = cli("init", "--home", "edge", "--json").json["verifier_key"]
    key = cli("ledger", "witness", "key", "--home", "hub", "--json").json["key"]
    assert cli("ledger", "witness", "trust", log, "--home", "hub").code == 0
    with running(folder / "hub") as url:
        assert cli("ledger", "witness", "add", url, key, "--home", "edge").code == 0
        asked = cli("ledger", "checkpoint", "--home", "edge", "--json")
        assert (asked.code, asked.json["quorum"]) == (0, True), asked.err
        assert cli("ledger", "policy", "--home", "edge", "--out", "policy").code == 0
        assert cli("ledger", "export", "--home", "edge", "--out", "small").code == 0
        shutil.copytree(folder / "edge", folder / "image")
        cli("panic", "on", "--home", "edge", "--reason", "exercise")
        assert cli("ledger", "checkpoint", "--home", "edge").code == 0
        assert cli("ledger", "export", "--home", "edge", "--out", "mirror").code == 0
        assert cli("verify", "mirror", "--policy", "policy").code == 0

        back = cli("ledger", "checkpoint", "--home", "image")
        assert back.code == 11, "an older image of the disk is not to be gone on with"
        assert "a-node-lost-its-disk" in back.err
        shutil.rmtree(folder / "image/tenants/local/ledger")
        refused = cli("ledger", "restore", "small", "--witness", url, "--home", "image", "--json")
        assert refused.code == 11
        restored = cli("ledger", "restore", "mirror", "--witness", url, "--home", "image")
        assert restored.code == 0, restored.err
        again = cli("ledger", "checkpoint", "--home", "image", "--json")
        assert (again.code, again.json["quorum"]) == (0, True), again.out
    down = cli("ledger", "checkpoint", "--home", "image", "--json")
    assert (down.code, down.json["witnesses"][0]["outcome"]) == (0, "unavailable")


def test_a_witness_over_tls_is_asked_by_whoever_believes_its_certificate(cli, folder, certificate):
    """If it failed, a witness could be asked in the clear only, or by whoever believes anybody."""
    for home in ("hub", "edge", "stranger"):
        assert cli("init", "--home", home).code == 0
    key = cli("ledger", "witness", "key", "--home", "hub", "--json").json["key"]
    for home in ("edge", "stranger"):
        cli("ledger", "witness", "trust", cli("init", "--home", home, "--json").json["verifier_key"], "--home", "hub")
    authority = str(certificate.certificate)
    with running(folder / "hub", certificate=certificate.certificate, certificate_key=certificate.key) as url:
        assert url.startswith("https://")
        assert cli("ledger", "witness", "add", url, key, "--home", "stranger").code == 0
        refused = cli("ledger", "checkpoint", "--home", "stranger", "--json")
        assert (refused.json["quorum"], refused.json["witnesses"][0]["outcome"]) == (False, "unavailable")
        assert cli("ledger", "witness", "add", url, key, "--ca-file", authority, "--home", "edge").code == 0
        assert cli("ledger", "checkpoint", "--home", "edge", "--json").json["quorum"]
        assert cli("ledger", "export", "--home", "edge", "--out", "mirror").code == 0
        shutil.rmtree(folder / "edge/tenants/local")
        assert cli("ledger", "restore", "mirror", "--witness", url, "--home", "edge").code == 5
        words = ["ledger", "restore", "mirror", "--witness", url, "--ca-file", authority, "--home", "edge", "--json"]
        restored = cli(*words)
        assert (restored.code, restored.json["witnessed"] > 0) == (0, True), restored.err
    unusable = cli("ledger", "witness", "add", url, key, "--ca-file", "mirror/checkpoint", "--home", "edge")
    assert (unusable.code, "PEM" in unusable.err) == (2, True)


def test_half_a_certificate_is_refused_before_anything_listens(cli, folder):
    """If it failed, a witness that was meant to encrypt would serve in the clear."""
    cli("init")
    ran = cli("ledger", "witness", "serve", "--listen", "127.0.0.1:0", "--certificate", "chain.pem")
    assert (ran.code, "go together" in ran.err) == (2, True)


def test_a_proof_that_was_written_is_verified_from_its_file(decided, folder):
    """If it failed, a proof could be handed out, and nobody could check it at a terminal."""
    key = decided("init", "--json").json["verifier_key"]
    (folder / "kept").write_text(decided("ledger", "checkpoint", "--json").json["note"])
    size = decided("ledger", "checkpoint", "--json").json["size"]
    decided("panic", "on", "--reason", "exercise")
    assert decided("ledger", "prove", "--from", str(size), "--out", "growth").code == 0
    assert decided("verify", "growth", "--since", "kept", "--key", key).code == 0
    assert decided("ledger", "prove", "1", "--out", "proof").code == 0
    assert decided("ledger", "export", "--out", "bundle").code == 0
    lines = (folder / ".bailiwick/tenants/local/ledger/seg/000000000000.jsonl").read_bytes().splitlines()
    (folder / "record").write_bytes(lines[1])
    assert decided("verify", "proof", "--record", "record", "--key", key).code == 0
    (folder / "record").write_bytes(lines[2])
    assert decided("verify", "proof", "--record", "record", "--key", key).code == 1
    assert decided("verify", "proof", "--key", key).code == 2
    assert decided("ledger", "prove", "--to", "3").code == 2


def test_a_witness_can_be_listed_and_left(decided):
    """If it failed, a witness that is gone would be asked for ever."""
    key = decided("ledger", "witness", "key", "--name", "hub.example/w1", "--json").json["key"]
    assert decided("ledger", "witness", "add", "http://127.0.0.1:1", key).code == 0
    assert decided("ledger", "witness", "add", "http://127.0.0.1:1", key).code == 2
    assert decided("ledger", "witness", "list", "--json").json["asked"][0]["name"] == "hub.example/w1"
    assert decided("ledger", "witness", "remove", "hub.example/w1").code == 0
    assert decided("ledger", "witness", "remove", "hub.example/w1").code == 4
    assert decided("ledger", "witness", "list", "--json").json["asked"] == []


def test_serving_prints_the_key_and_ends_with_the_program(cli, folder, monkeypatch):
    """If it failed, nobody would know which key to hand on."""
    cli("init")
    from bailiwick.adapters.witness_httpserver import WitnessServer

    served = threading.Event()
    monkeypatch.setattr(WitnessServer, "serve", lambda self: served.set())
    ran = cli("ledger", "witness", "serve", "--listen", "127.0.0.1:0", "--json")
    assert (ran.code, served.is_set()) == (0, True)
    assert ran.json["key"] == cli("ledger", "witness", "key", "--json").json["key"]
