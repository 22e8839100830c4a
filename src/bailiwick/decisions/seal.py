"""Step three: a decision becomes evidence in canonical bytes, and the draft of its record. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from bailiwick.canonical import canonical_bytes, check_profile, digest, noun_bytes
from bailiwick.model import Actor, Decision, Draft, Effect, Evidence, JsonValue, Observation, Sealed
from bailiwick.packs import Pack

EVIDENCE_FORMAT = "bailiwick-evidence/1"
SEALED = "decision.sealed"


def seal(
    observation: Observation,
    decision: Decision,
    pack: Pack,
    *,
    secret: bytes,
    actor: Actor,
    versions: Mapping[str, JsonValue],
) -> Sealed:
    """Bundle everything that the decision rested on, and draft the record that stands for it.

    Args:
        observation: What was judged.
        decision: What the pack concluded.
        pack: Whose rules; its digest identifies them.
        secret: The tenant's key for opaque names, 32 bytes.
        actor: Who asked.
        versions: Engine versions, for the record only: evidence must be the same after an upgrade.
    """
    evidence = evidence_of(observation, decision, pack)
    effects: list[JsonValue] = [_effect(effect, effect_key(observation, effect, secret)) for effect in decision.effects]
    draft = Draft(
        event_type=SEALED,
        resource=subject_name(observation.unsalted, secret),
        detail={
            "observation": observation.digest,
            "evidence": evidence.digest,
            "pack": _pack(pack),
            "modules": _modules(observation, decision),
            "outcome": decision.impact.outcome,
            "effects": effects,
            "fuel": observation.fuel + decision.fuel,
            "versions": dict(versions),
        },
        actor=actor,
    )
    return Sealed(observation=observation, decision=decision, evidence=evidence, draft=draft)


def effect_key(observation: Observation, effect: Effect, secret: bytes) -> str:
    """Give the opaque key of an effect: the same act, asked for again, has the same key.

    It covers tenant, effect type and the pack's own key text; where the pack gives none, the observation's bytes before
    salting. Keyed, so that the ledger tells nobody whose act it was.
    """
    what = effect.key.encode() if effect.key is not None else observation.unsalted
    source = b"pack" if effect.key is not None else b"observation"
    scope = canonical_bytes([observation.tenant, effect.type, source.decode()])
    return "hmac-sha256:" + _keyed(secret, "effect", scope + b"\n" + what)


def subject_name(unsalted: bytes, secret: bytes) -> str:
    """Give the opaque name of what a decision is about: the same input has the same name, and tells nobody what it is.

    Args:
        unsalted: Canonical bytes of the input as it came.
        secret: The tenant's key for opaque names.
    """
    return "observation/" + _keyed(secret, "observation", unsalted)[:32]


def _keyed(secret: bytes, purpose: str, data: bytes) -> str:
    return hmac.new(secret, purpose.encode() + b"\n" + data, "sha256").hexdigest()


def _effect(effect: Effect, key: str) -> dict[str, JsonValue]:
    """Give what the record says of an effect: opaque, but for its type and whether a person has to approve it."""
    told: dict[str, JsonValue] = {"type": effect.type, "key": key}
    return told if effect.approval is None else {**told, "approval": dict(effect.approval)}


def _modules(observation: Observation, decision: Decision) -> list[JsonValue]:
    """List the modules that took part, each once: those that read the input, then those that rules called."""
    found = {module.digest: module for module in (*observation.modules, *decision.modules)}
    return [module.to_json() for module in found.values()]


def _pack(pack: Pack) -> dict[str, JsonValue]:
    return {"name": pack.name, "version": pack.version, "digest": pack.digest}


def evidence_of(observation: Observation, decision: Decision, pack: Pack) -> Evidence:
    """Give the canonical bytes of everything that a decision rested on, and their digest."""
    body: dict[str, Any] = {
        "format": EVIDENCE_FORMAT,
        "salt": observation.evidence_salt,
        "observation": observation.digest,
        "pack": _pack(pack),
        "modules": _modules(observation, decision),
        "legal_date": observation.legal_date,
        "decided_at": observation.decided_at,
        "facts": dict(observation.facts),
        "measurements": decision.measurements,
        "impact": decision.impact.to_json(),
        "effects": [effect.to_json() for effect in decision.effects],
        "trace": decision.trace,
    }
    # Facts enter here. Whatever else is not the kernel's own was checked where it came in: what rules gave in
    # ``expressions.checked``, what the pack says when it was loaded.
    check_profile({"facts": body["facts"]})
    blob = noun_bytes(body)
    return Evidence(blob=blob, digest=digest(blob))
