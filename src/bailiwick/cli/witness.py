"""`bailiwick ledger witness`, `rotate-key`, `policy` and `restore`: who stands for the ledger, and under which key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.ledger_stores import Store
from bailiwick.cli.options import Options, TenantOptions, open_node

if TYPE_CHECKING:
    from bailiwick.ledger import KnownWitness, Ledger, WitnessReport
    from bailiwick.node import Witnesses


def add(url: str, key: str, /, *, ca_file: Path | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Ask a witness to cosign each checkpoint from now on (C2SP tlog-witness).

    A record names its key, so that anybody can check its lines. Its owner has to know this ledger too: there,
    `bailiwick ledger witness trust` with this ledger's key.

    Args:
        url: Its submission prefix, such as https://witness.example/api.
        key: Its verifier key, got from its owner.
        ca_file: Authorities, as PEM, to believe beside the system's when witnesses are asked over https; kept.
    """
    with open_witnesses(options) as (witnesses, ledger):
        if ca_file is not None:
            witnesses.believe(ca_file)
        known = witnesses.add(ledger, url, key)
    screen.give(_known(known), f"{known.verifier.name} is asked from now on", as_json=options.json)
    return 0


def list_witnesses(*, options: TenantOptions = TenantOptions()) -> int:
    """List the witnesses that are asked, and the logs that this tenant is a witness of."""
    with open_side(options) as witnesses:
        asked = [_known(each) for each in witnesses.asked().witnesses]
        trusted = [key.text() for key in witnesses.trusted()]
    rows = [("asked", each["name"], each["url"]) for each in asked] + [("trusted", key, "") for key in trusted]
    text = screen.columns(rows) if rows else "nobody is asked, and no log is trusted"
    screen.give({"asked": asked, "trusted": trusted}, text, as_json=options.json)
    return 0


def remove(name: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Ask a witness no more; what it cosigned stays.

    Args:
        name: Its name, as `bailiwick ledger witness list` shows it.
    """
    with open_side(options) as witnesses:
        witnesses.remove(name)
    screen.give({"removed": name}, f"{name} is asked no more", as_json=options.json)
    return 0


def key(*, name: str | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Give the key that this tenant cosigns with as a witness, made when first asked for.

    Hand it to those who want to be witnessed: `bailiwick ledger witness add URL KEY`.

    Args:
        name: What the witness is called, only when it is first asked for; a random name otherwise.
    """
    with open_side(options) as witnesses:
        verifier = witnesses.witness_key(name)
    screen.give({"name": verifier.name, "key": verifier.text()}, verifier.text(), as_json=options.json)
    return 0


def trust(log: str, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Be a witness of a log, or of one more key of it; a running witness takes it in when it is started anew.

    Args:
        log: The log's verifier key, got from its owner.
    """
    with open_side(options) as witnesses:
        verifier = witnesses.trust(log)
    screen.give({"trusted": verifier.text()}, f"{verifier.name} is witnessed", as_json=options.json)
    return 0


def serve(
    *,
    listen: str = "127.0.0.1:8630",
    certificate: Path | None = None,
    certificate_key: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Be a witness: answer `add-checkpoint` until interrupted (C2SP tlog-witness).

    With a certificate it speaks HTTPS, TLS 1.2 or newer; a renewed one is taken in when it is started anew. Without,
    it speaks plain HTTP: put it behind a proxy that encrypts, or on a network that is yours.

    Args:
        listen: Address and port.
        certificate: Certificate for its name with the chain, a PEM file.
        certificate_key: The private key of that, a PEM file without a passphrase.
    """
    with open_side(options) as witnesses:
        server = witnesses.server(listen, certificate=certificate, certificate_key=certificate_key)
        answer = {"url": server.url, "key": witnesses.witness_key().text(), "logs": len(witnesses.trusted())}
        screen.give(
            answer, f"{answer['key']}\nat {server.url}, for {answer['logs']} keys of logs", as_json=options.json
        )
        try:
            server.serve()
        finally:
            server.close()
    return 0


def rotate_key(*, options: TenantOptions = TenantOptions()) -> int:
    """Hand the ledger on to a new key, by a record that the old and the new key sign.

    Whoever trusts the old key can follow it. Tell witnesses and auditors the new one all the same: an old key that is
    stolen later could sign a second past.
    """
    with open_node(options) as (node, tenant):
        verifier = node.rotate_key(tenant)
    text = f"new key  {verifier.text()}\nnext     bailiwick ledger policy, for auditors"
    screen.give({"key": verifier.text()}, text, as_json=options.json)
    return 0


def policy(
    *,
    quorum: Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=256))] = None,
    out: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Print the policy for an auditor: this ledger's keys, its witnesses, and how many are enough (C2SP tlog-policy).

    `bailiwick verify BUNDLE --policy FILE` checks by it. Hand it on by another way than the bundle.

    Args:
        quorum: How many of the witnesses are enough; all of them otherwise.
        out: File to write it to, instead of printing it.
    """
    with open_witnesses(options) as (witnesses, ledger):
        text = witnesses.auditor_policy(ledger, least=quorum).text()
    if out is not None:
        from bailiwick.cli.ledger import write_text

        write_text(out, text)
    answer = {"policy": text, "out": str(out) if out else None}
    screen.give(answer, f"{out}" if out else text.rstrip("\n"), as_json=options.json)
    return 0


def restore(
    bundle: Path,
    /,
    *,
    witness: tuple[str, ...] = (),
    to: Store | None = None,
    ca_file: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Bring a lost ledger back from a bundle; a record then says from where on records may be missing.

    The home needs the ledger's own keys, from a copy, and no records of its own. Where a witness stands for more
    records than the bundle has, nothing is restored: that past cannot be taken back.

    Args:
        bundle: Folder that `bailiwick ledger export` wrote.
        witness: Address of a witness to ask first how much it stands for; give it once for each.
        to: The store it goes to, as with `bailiwick ledger move`; where its place is already, or the settings say,
            otherwise.
        ca_file: Authorities, as PEM, to believe beside the system's when witnesses are asked over https; kept.
    """
    with open_node(options) as (node, tenant):
        answer = node.restore(tenant, bundle, witness, to=to, ca_file=ca_file).to_json()
    asked = f"a witness stands for {answer['witnessed']}" if witness else "no witness was asked: --witness URL"
    text = f"{answer['records']} records are back; {asked}.\nRecords after them, if there were any, are lost."
    screen.give(answer, text, as_json=options.json)
    return 0


def ask(options: TenantOptions) -> WitnessReport:
    """Sign a checkpoint where one is due, and ask the witnesses, if there are any."""
    with open_witnesses(options) as (witnesses, ledger):
        return witnesses.ask(ledger)


def outcome_lines(answer: dict[str, Any]) -> list[str]:
    """Say for people what each witness answered, and whether they are enough."""
    lines = [f"witness {each['name']}: {each['outcome']}, {each['message']}" for each in answer["witnesses"]]
    if not answer["quorum"]:
        lines.append("the newest checkpoint is not witnessed by all; ask again: bailiwick ledger checkpoint")
    if answer["verdict"] != "ok":
        lines.append(
            f"verdict {answer['verdict']}: a witness holds what this ledger's own key signed, and it is not here.\n"
            "Append nothing more; docs/howto/a-node-lost-its-disk.md says what to do"
        )
    return lines


@contextmanager
def open_side(options: Options) -> Iterator[Witnesses]:
    """Open the witnesses of the tenant that the options mean; the ledger stays closed."""
    with open_node(options) as (node, tenant):
        yield node.witnesses(tenant)


@contextmanager
def open_witnesses(options: TenantOptions) -> Iterator[tuple[Witnesses, Ledger]]:
    """Open the witnesses of the tenant that the options mean, and its ledger."""
    with open_node(options) as (node, tenant):
        yield node.witnesses(tenant), node.ledger(tenant)


def _known(known: KnownWitness) -> dict[str, Any]:
    return {"name": known.verifier.name, "key": known.verifier.text(), "url": known.url}
