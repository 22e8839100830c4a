"""What a ledger's records add up to, for people: effects, decisions, packs and the panic switch, at any moment.

Each is a pure fold (``ledger.projection``) over the records of the main job. A record of another shape than the main
job writes stops the fold, which says where: a count that silently left something out would be worse than none.
"""

from __future__ import annotations

from typing import Any

from bailiwick.decisions.execute import NEVER, RESULT
from bailiwick.decisions.seal import SEALED
from bailiwick.decisions.shelf import INSTALLED
from bailiwick.errors import UsageRefused
from bailiwick.ledger import KEYS, Projection, State
from bailiwick.model import JsonValue, Record

PANIC_SET = "panic.set"


def _fold_effect(state: State, record: Record) -> State:
    detail: Any = record.detail
    waiting, done = state["waiting"], state["done"]
    if record.event_type == SEALED:
        for position, effect in enumerate(detail["effects"]):
            key, place = effect["key"], {"record": record.index, "position": position}
            if key in waiting:
                waiting[key]["again"] = place
            elif _short(key) not in done:
                waiting[key] = {"type": effect["type"], **place, "again": None}
        return state
    key = detail["key"]
    if detail["delivered"] == NEVER:
        asked = waiting.get(key)
        if asked is not None and asked["record"] <= detail["record"]:
            del waiting[key]
            if asked["again"] is not None:
                waiting[key] = {"type": asked["type"], **asked["again"], "again": None}
        return state
    asked = waiting.pop(key, None)
    if asked is not None:
        done[_short(key)] = record.index
        state["counts"][asked["type"]] = state["counts"].get(asked["type"], 0) + 1
    return state


def _short(key: str) -> str:
    """Give as much of an effect's key as its result's resource has: 32 hexadecimal digits."""
    return key.rpartition(":")[2][:32]


def _show_effects(state: State) -> JsonValue:
    waiting: list[JsonValue] = [
        {"key": key, "type": effect["type"], "record": effect["record"], "position": effect["position"]}
        for key, effect in sorted(state["waiting"].items(), key=lambda item: (item[1]["record"], item[1]["position"]))
    ]
    return {"waiting": waiting, "done": sum(state["counts"].values()), "done_by_type": dict(state["counts"])}


EFFECTS = Projection(
    name="effects",
    version=2,
    says="effects that waited, oldest first, and how many were done",
    event_types=frozenset({SEALED, RESULT}),
    start=lambda: {"counts": {}, "done": {}, "waiting": {}},
    fold=_fold_effect,
    show=_show_effects,
)


def _fold_decision(state: State, record: Record) -> State:
    detail: Any = record.detail
    pack = detail["pack"]
    versions = state["packs"].setdefault(pack["name"], {})
    outcomes = versions.setdefault(pack["version"], {})
    outcomes[detail["outcome"]] = outcomes.get(detail["outcome"], 0) + 1
    state["decisions"] += 1
    return state


DECISIONS = Projection(
    name="decisions",
    version=1,
    says="decisions by pack, version and outcome",
    event_types=frozenset({SEALED}),
    start=lambda: {"decisions": 0, "packs": {}},
    fold=_fold_decision,
)


def _fold_pack(state: State, record: Record) -> State:
    detail: Any = record.detail
    state[detail["name"]] = {
        "digest": detail["digest"],
        "modules": detail["modules"],
        "record": record.index,
        "since": record.timestamp,
        "version": detail["version"],
    }
    return state


PACKS = Projection(
    name="packs",
    version=1,
    says="packs that were kept, each at its newest version",
    event_types=frozenset({INSTALLED}),
    start=dict,
    fold=_fold_pack,
)


def _fold_panic(state: State, record: Record) -> State:
    frozen = record.detail["frozen"]
    if not isinstance(frozen, bool):
        raise TypeError(f"frozen is {type(frozen).__name__}")
    del state
    return {"by": record.actor.id, "frozen": frozen, "record": record.index, "since": record.timestamp}


PANIC = Projection(
    name="panic",
    version=1,
    says="whether effects were frozen; null where nobody had set the switch yet",
    event_types=frozenset({PANIC_SET}),
    start=lambda: {"by": None, "frozen": None, "record": None, "since": None},
    fold=_fold_panic,
)

PROJECTIONS = {each.name: each for each in (DECISIONS, EFFECTS, KEYS, PACKS, PANIC)}
"""Every projection that ships, by name."""


def find_projection(name: str) -> Projection:
    """Give a projection by its name.

    Raises:
        UsageRefused: there is none of that name (code ``projection-unknown``).
    """
    if name not in PROJECTIONS:
        raise UsageRefused(
            f"there is no projection {name[:80]!r}",
            hint=f"one of {', '.join(PROJECTIONS)}",
            code="projection-unknown",
        )
    return PROJECTIONS[name]
