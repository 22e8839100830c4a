"""What a tenant has and whom it trusts: a fold over the ``module.*`` and ``pack.*`` records of its ledger.

The ledger is the truth. The folded state is kept so that nobody folds from the first record each time; it carries a MAC
under a secret of the tenant, so that a state from elsewhere, or a changed one, is worth nothing and is folded anew.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import BailiwickError
from bailiwick.keys import Verifier
from bailiwick.ledger import ERASED, EXPIRED
from bailiwick.model import Cursor, ModuleRef, Record, Tier
from bailiwick.schema import parse_document
from bailiwick.supervisor.packstate import (
    DAY_CHARACTERS,
    PACK_ACTIVATED,
    PACK_INSTALLED,
    SOURCE_CHANGED,
    FollowedSource,
    InstalledPack,
    fold_activated,
    fold_installed,
    fold_source,
    read_packs,
    write_packs,
)
from bailiwick.supervisor.swapstate import (
    PINNED,
    ROLLED_BACK,
    SWAP_ABANDONED,
    SWAP_STARTED,
    SWAPPED,
    UNPINNED,
    Swaps,
)
from bailiwick.trust import TrustedKeys

FORMAT = "bailiwick-modules/3"
STATE_BYTES_MAX = 65_536
"""Longest state that is kept, in bytes: what a ``CursorStore`` takes. A longer one is folded anew each time."""
MAC_CONTEXT = b"bailiwick-modules-state\n"
START = Cursor(count=0, leaf="")

KEY_TRUSTED, KEY_REVOKED = "module.key-trusted", "module.key-revoked"
INSTALLED, REFUSED, REMOVED = "module.installed", "module.refused", "module.removed"
GRANTED, GRANT_REVOKED = "module.granted", "module.grant-revoked"
STARTED, STOPPED = "module.started", "module.stopped"
DEADLINE = "module-deadline"
"""Code of a call that the clock stopped."""
CALLED, DENIED = "module.called", "module.denied"
SERIES = "module.series"
"""Many calls that one record stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A module that is installed. ``manifest`` and ``signature`` are blobs; ``pieces`` joined are the binary.

    ``record`` is where it was installed; ``key`` is the verifier key of whoever signed it. A script has an ``engine``,
    kept in pieces like a binary.
    """

    name: str
    version: str
    digest: str
    manifest: str
    signature: str
    pieces: tuple[str, ...]
    key: str
    tier: str
    internal: bool
    dependencies: tuple[str, ...]
    record: int
    is_started: bool = True
    engine: str = ""
    engine_digest: str = ""
    engine_pieces: tuple[str, ...] = ()

    @property
    def reference(self) -> ModuleRef:
        """Name and binary."""
        return ModuleRef(name=self.name, digest=self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Functions of one host interface that one module may use; ``scope`` is a blob, ``record`` where it was granted."""

    module: str
    interface: str
    functions: tuple[str, ...]
    scope: str
    record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The highest version of a name that was ever installed, and its manifest's digest: nothing older comes after."""

    version: str
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetState:
    """Everything that the records up to ``cursor`` say.

    ``fuel_used`` is what the calls of ``day`` (UTC) took; ``erasures`` how often something that was kept was destroyed.
    ``previous`` has, for each module, the version before the active one, which a rollback would bring back.
    """

    origin: str
    cursor: Cursor = START
    trusted: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    modules: Mapping[str, Installed] = field(default_factory=dict)
    floors: Mapping[str, Floor] = field(default_factory=dict)
    grants: Mapping[str, Mapping[str, Grant]] = field(default_factory=dict)
    day: str = ""
    fuel_used: int = 0
    erasures: int = 0
    previous: Mapping[str, Installed] = field(default_factory=dict)
    swaps: Swaps = field(default_factory=Swaps)
    packs: Mapping[str, InstalledPack] = field(default_factory=dict)
    sources: Mapping[str, FollowedSource] = field(default_factory=dict)

    @property
    def keys(self) -> TrustedKeys:
        """Whom the tenant trusts, and whom no more."""
        return TrustedKeys(
            trusted=frozenset(map(Verifier.read, self.trusted)), revoked=frozenset(map(Verifier.read, self.revoked))
        )

    def granted(self, module: str) -> Mapping[str, Grant]:
        """Give the grants of one module, by interface."""
        return self.grants.get(module, {})

    def fuel_of(self, day: str) -> int:
        """Say how much fuel the calls of a day took; 0 for any but the newest."""
        return self.fuel_used if day == self.day else 0

    def fold(self, record: Record) -> FleetState:
        """Give the state after one more record; one that says nothing of modules changes nothing."""
        change = _CHANGES.get(record.event_type)
        return self if change is None else change(self, record)

    def to_bytes(self, secret: bytes) -> bytes:
        """Write the state down, with a MAC under the tenant's secret."""
        stored = {
            each.name: _plain(getattr(self, each.name)) for each in fields(self) if each.name not in ("packs", "swaps")
        }
        apart = {"packs": write_packs(self.packs), "swaps": self.swaps.to_json()}
        body = canonical_bytes({"format": FORMAT, **stored, **apart})
        return _mac(secret, body) + b"\n" + body


def read_state(raw: bytes, secret: bytes) -> FleetState:
    """Read back what ``to_bytes`` wrote under the same secret.

    Raises:
        ValueError: it is something else, was changed, or belongs to another tenant.
    """
    mac, _, body = raw.partition(b"\n")
    if not hmac.compare_digest(mac, _mac(secret, body)):
        raise ValueError("its MAC is not this tenant's")
    try:
        stored: Any = parse_document(body)
        if stored.pop("format") != FORMAT:
            raise ValueError("it has another format")
        return _state(stored)
    except (BailiwickError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error


def _state(stored: dict[str, Any]) -> FleetState:
    return FleetState(
        origin=stored["origin"],
        cursor=Cursor(**stored["cursor"]),
        trusted=tuple(stored["trusted"]),
        revoked=tuple(stored["revoked"]),
        modules={name: Installed(**_tuples(each)) for name, each in stored["modules"].items()},
        floors={name: Floor(**each) for name, each in stored["floors"].items()},
        grants={
            name: {interface: Grant(**_tuples(each)) for interface, each in grants.items()}
            for name, grants in stored["grants"].items()
        },
        day=stored["day"],
        fuel_used=stored["fuel_used"],
        erasures=stored["erasures"],
        previous={name: Installed(**_tuples(each)) for name, each in stored["previous"].items()},
        swaps=Swaps.read(stored["swaps"]),
        packs=read_packs(stored["packs"]),
        sources={name: FollowedSource(**each) for name, each in stored["sources"].items()},
    )


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.new(secret, MAC_CONTEXT + body, "sha256").hexdigest().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Cursor | Installed | Grant | Floor | FollowedSource):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return list(value) if isinstance(value, tuple) else value


def _tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


# --- what each record changes ---------------------------------------------------------------------------------------


def _trust(state: FleetState, record: Record) -> FleetState:
    key = str(record.detail["key"])
    return replace(state, trusted=(*(each for each in state.trusted if each != key), key))


def _revoke(state: FleetState, record: Record) -> FleetState:
    key = str(record.detail["key"])
    trusted = tuple(each for each in state.trusted if each != key)
    return replace(state, trusted=trusted, revoked=(*(each for each in state.revoked if each != key), key))


def _install(state: FleetState, record: Record) -> FleetState:
    detail: Any = record.detail
    module = Installed(
        record=record.index,
        **{name: detail[name] for name in ("name", "version", "digest", "manifest", "signature", "key", "tier")},
        internal=detail["internal"],
        pieces=tuple(detail["pieces"]),
        dependencies=tuple(detail["dependencies"]),
        **_engine(detail.get("engine")),
    )
    before = state.modules.get(module.name)
    grants = state.grants
    if before is not None and before.key != module.key:
        # Another author under the same name inherits nothing.
        grants = _without(grants, module.name)
    floor = Floor(version=module.version, manifest=module.manifest)
    previous = _without(state.previous, module.name)
    return replace(
        state,
        previous=previous if before is None else {**previous, module.name: before},
        modules={**state.modules, module.name: module},
        floors={**state.floors, module.name: floor},
        grants=grants,
    )


def _engine(told: Any) -> dict[str, Any]:
    if told is None:
        return {}
    return {"engine": told["name"], "engine_digest": told["digest"], "engine_pieces": tuple(told["pieces"])}


def _remove(state: FleetState, record: Record) -> FleetState:
    name = str(record.detail["name"])
    return replace(
        state,
        modules=_without(state.modules, name),
        grants=_without(state.grants, name),
        previous=_without(state.previous, name),
        swaps=state.swaps.without(name),
    )


def _grant(state: FleetState, record: Record) -> FleetState:
    detail: Any = record.detail
    grant = Grant(
        module=detail["name"],
        interface=detail["interface"],
        functions=tuple(detail["functions"]),
        scope=detail["scope"],
        record=record.index,
    )
    granted = {**state.granted(grant.module), grant.interface: grant}
    return replace(state, grants={**state.grants, grant.module: granted})


def _ungrant(state: FleetState, record: Record) -> FleetState:
    name = str(record.detail["name"])
    granted = _without(state.granted(name), str(record.detail["interface"]))
    return replace(state, grants={**_without(state.grants, name), **({name: granted} if granted else {})})


def _switch(state: FleetState, record: Record) -> FleetState:
    name = str(record.detail["name"])
    module = state.modules.get(name)
    if module is None:
        return state
    return replace(state, modules={**state.modules, name: replace(module, is_started=record.event_type == STARTED)})


def _call(state: FleetState, record: Record) -> FleetState:
    detail: Any = record.detail
    day, fuel = max(record.timestamp[:DAY_CHARACTERS], state.day), detail["fuel"]
    module = state.modules.get(detail["module"]["name"])
    if detail["code"] == DEADLINE and module is not None:
        # A guest that the clock stopped used an unknown part of its fuel: a day is charged with all that it could have.
        fuel = Tier(module.tier).budget.fuel
    swaps = state.swaps
    if swaps.under_way and module is not None and module.digest == detail["module"]["digest"]:
        swaps = swaps.called(module.name)
    return replace(state, day=day, fuel_used=state.fuel_of(day) + fuel, swaps=swaps)


def _series(state: FleetState, record: Record) -> FleetState:
    day = max(record.timestamp[:DAY_CHARACTERS], state.day)
    return replace(state, day=day, fuel_used=state.fuel_of(day) + int(str(record.detail["fuel"])))


def _swap(state: FleetState, record: Record) -> FleetState:
    state = replace(state, swaps=state.swaps.fold(record))
    name = str(record.detail["name"])
    before = state.previous.get(name)
    if record.event_type != SWAPPED or before is None or before.is_started:
        return state
    return replace(state, modules={**state.modules, name: replace(state.modules[name], is_started=False)})


def _roll_back(state: FleetState, record: Record) -> FleetState:
    name = str(record.detail["name"])
    before = state.previous.get(name)
    active = state.modules.get(name)
    state = replace(state, swaps=state.swaps.fold(record), previous=_without(state.previous, name))
    if before is None:
        return state
    # What one author's version was granted is not another's, in whichever order they come.
    is_of_another = active is not None and active.key != before.key
    grants = _without(state.grants, name) if is_of_another else state.grants
    # Who stopped the module stopped it in every version.
    is_started = active.is_started if active is not None else before.is_started
    return replace(state, modules={**state.modules, name: replace(before, is_started=is_started)}, grants=grants)


def _erase(state: FleetState, _: Record) -> FleetState:
    return replace(state, erasures=state.erasures + 1)


def _install_pack(state: FleetState, record: Record) -> FleetState:
    return replace(state, packs=fold_installed(state.packs, record))


def _activate_pack(state: FleetState, record: Record) -> FleetState:
    return replace(state, packs=fold_activated(state.packs, record))


def _move_source(state: FleetState, record: Record) -> FleetState:
    return replace(state, sources=fold_source(state.sources, record))


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


_CHANGES = {
    KEY_TRUSTED: _trust,
    KEY_REVOKED: _revoke,
    INSTALLED: _install,
    REMOVED: _remove,
    GRANTED: _grant,
    GRANT_REVOKED: _ungrant,
    STARTED: _switch,
    STOPPED: _switch,
    CALLED: _call,
    SERIES: _series,
    SWAP_STARTED: _swap,
    SWAPPED: _swap,
    SWAP_ABANDONED: _swap,
    ROLLED_BACK: _roll_back,
    PINNED: _swap,
    UNPINNED: _swap,
    ERASED: _erase,
    EXPIRED: _erase,
    PACK_INSTALLED: _install_pack,
    PACK_ACTIVATED: _activate_pack,
    SOURCE_CHANGED: _move_source,
}
FOLDED_TYPES = frozenset(_CHANGES)
"""Types of the records that say something of what a tenant has, and of whom it trusts."""
