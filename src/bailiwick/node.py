"""The front hall: joins ports to adapters and rooms to rooms, starts and stops. No use case lives here.

with Node.open(Settings.resolve(environ=os.environ)) as node:
    for answer in node.decide("local", "us-osha-1904", inputs, legal_date="2020-09-25"):
        print(answer.to_json())
"""

from __future__ import annotations

import getpass
import hmac
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Self

from bailiwick import __version__
from bailiwick.adapters.auditsink_choice import open_sink
from bailiwick.adapters.blobstore_sqlite import SqliteBlobStore
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.effectchannel_folder import FolderEffectChannel
from bailiwick.adapters.effectqueue_sqlite import SqliteEffectQueue
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import WrappedKeyStore, first_lock, system_keys
from bailiwick.adapters.ledgerindex_sqlite import SqliteLedgerIndex
from bailiwick.adapters.ledgerstore_place import LedgerPlaces
from bailiwick.adapters.packsource_builtin import builtin_module, builtin_packs, pack_files
from bailiwick.adapters.panicswitch_file import FilePanicSwitch
from bailiwick.canonical import time_text
from bailiwick.decisions import (
    BATCH_MAX,
    Decided,
    EffectsReport,
    Eraser,
    Executor,
    Explanation,
    Loop,
    RawInput,
    ReadRow,
    Refused,
    Replayer,
    ReplayReport,
    catch_up,
    check_modules,
    explain,
    find_projection,
    keep,
    read_inputs,
)
from bailiwick.engine import Artefact, Engine, Guest
from bailiwick.errors import BailiwickError, InputRefused, NotFound, Unavailable, UsageRefused
from bailiwick.keys import SEED_BYTES, Signer, new_secret
from bailiwick.ledger import Keyring, Ledger, Page, Past, Query, Search, Timeline, read_moment
from bailiwick.model import Actor, Draft, JsonValue, ModuleRef, QueuedEffect, Run, Tier, check_tenant
from bailiwick.packs import CaseReport, Pack, check_date, load_pack, run_cases
from bailiwick.ports import Clock, Disk, Entropy, KeyStore
from bailiwick.settings import NODE_FILE, LedgerSettings, Settings
from bailiwick.sinks import Outflow, read_sinks

PANIC_FILE = "panic.json"
PSEUDONYM_NAME = "pseudonym"
SIGNING_NAME = "ledger"
ORIGIN_NAME = "origin"
SECRET_BYTES = 32
ID_BYTES = 8
"""Length of the opaque ids of nodes and ledgers, in bytes of randomness."""


def _silent(_: int) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """A home that is ready: where, which node, the key that anchors its ledger, and whether this call made it."""

    home: Path
    node_id: str
    verifier_key: str
    created: bool

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "home": str(self.home),
            "node_id": self.node_id,
            "verifier_key": self.verifier_key,
            "created": self.created,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the doctor looked at: whether it is well, what was seen, and what to try."""

    name: str
    ok: bool
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the check as JSON."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "hint": self.hint}


class Node:
    """One running bailiwick on one home. A context manager; several may run on one home, in several processes.

    Disk, clock and entropy are the system's; a simulation hands in others.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.settings = settings
        self.node_id = settings.node_id()
        root = settings.home
        self._tenants = root / "tenants"
        self._closing = ExitStack()
        self._disk = disk or SystemDisk()
        self._closing.callback(self._disk.close)
        self._clock = clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        self._keys = system_keys(root / "keys", self._disk, self._entropy)
        self.places = LedgerPlaces(root, self._disk, settings.ledger, lambda each: self._keys.get(each, ORIGIN_NAME))
        self._panic = FilePanicSwitch(root / PANIC_FILE, self._disk)
        self._blobs = SqliteBlobStore(self._tenants, self._keys, self._entropy)
        self._closing.callback(self._blobs.close)
        self._queue = SqliteEffectQueue(self._tenants)
        self._closing.callback(self._queue.close)
        self._index = SqliteLedgerIndex(self._tenants)
        self._closing.callback(self._index.close)
        self.artefact: Artefact | None = None
        self._timelines: dict[str, Timeline] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._lock = threading.RLock()

    # --- life -------------------------------------------------------------------------------------------------------

    @classmethod
    def init(
        cls, home: Path, tenant: str, *, ledger: LedgerSettings = LedgerSettings(), disk: Disk | None = None
    ) -> InitReport:
        """Make a home with one tenant, or finish making one; what is there already stays as it is.

        Several processes may do this at once, and any of them may be killed: the next call finishes.

        Raises:
            Unavailable: the folder cannot be written.
        """
        check_tenant(tenant)
        disk = disk or SystemDisk()
        try:
            disk.make_folder(home)
            with disk.lock(home / "init.lock"):
                created = not (home / NODE_FILE).exists()
                if created:
                    _make_home(home, disk)
                node_id = Settings(home=home, tenant=tenant, origins={}).node_id()
                key = _make_tenant(home, tenant, node_id, disk, ledger)
        except OSError as error:
            raise Unavailable(
                f"the home {home} cannot be made: {error.strerror}",
                hint="choose a folder that you may write: --home DIR",
                code="home-unwritable",
            ) from error
        finally:
            disk.close()
        return InitReport(home=home, node_id=node_id, verifier_key=key, created=created)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> Self:
        """Open an initialised home.

        Raises:
            NotFound: there is no home there.
        """
        return cls(settings, disk=disk, clock=clock, entropy=entropy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sign a last checkpoint where records came since, and let go of everything."""
        with self._lock:
            for ledger in self._ledgers.values():
                ledger.close()
            self._ledgers.clear()
            self._closing.close()

    # --- rooms ------------------------------------------------------------------------------------------------------

    def ledger(self, tenant: str) -> Ledger:
        """Give the tenant's ledger, open; for reading alone where it is broken (``Ledger.failure``).

        Raises:
            NotFound: there is no such tenant on this node.
        """
        with self._lock:
            if tenant not in self._ledgers:
                self._ledgers[tenant] = self._open_ledger(check_tenant(tenant))
            return self._ledgers[tenant]

    def _open_ledger(self, tenant: str) -> Ledger:
        store = self.places.open(tenant)
        self._closing.callback(store.close)
        keys = Keyring.load(self._keys, tenant, origin_name=ORIGIN_NAME, key_name=SIGNING_NAME)
        return Ledger.open(tenant, store, keys, clock=self._clock, node_id=self.node_id)

    def state_at(self, tenant: str, moment: str, projection: str = "effects", **how: Any) -> Past:
        """Give the state of a projection as it was at a moment in RFC 3339, or ``now``; ``how``: see ``Timeline``.

        Raises:
            UsageRefused: no such projection (code ``projection-unknown``), no moment, or one that has not come yet.
        """
        timeline = self._timelines.setdefault(tenant, Timeline(self.ledger(tenant)))
        now_ns = self._clock.now_ns()
        at_ns = now_ns if moment == "now" else read_moment(moment)
        return timeline.state_at(at_ns, find_projection(projection), now_ns=now_ns, **how)

    def find(self, tenant: str, query: Query, **page: Any) -> Page:
        """Give records of a tenant's ledger that fulfil a query, proven; ``page`` as ``Search.find`` takes it."""
        return Search(self.ledger(tenant), self._index).find(query, **page)

    @cached_property
    def engine(self) -> Engine:
        """The one engine of this process, started when first needed."""
        return self._closing.enter_context(Engine(artefact=self.artefact))

    # --- packs ------------------------------------------------------------------------------------------------------

    @staticmethod
    def packs() -> list[Pack]:
        """Load every installed pack, by name."""
        source = builtin_packs()
        return [load_pack(name, source.files(name)) for name in source.names()]

    @staticmethod
    def pack(name: str) -> Pack:
        """Load one pack: an installed name, or the path of a folder.

        Raises:
            NotFound: neither an installed pack nor a folder with a ``pack.yaml``.
            PackRefused: it does not load; every fault is named.
        """
        return load_pack(*pack_files(name))

    @staticmethod
    def run_cases(name: str) -> CaseReport:
        """Run the cases of a pack, an installed name or a folder."""
        return run_cases(Node.pack(name))

    # --- the main job -----------------------------------------------------------------------------------------------

    def read_inputs(self, stream: BinaryIO, media: str) -> Iterator[RawInput | InputRefused]:
        """Cut a stream into inputs: one JSON object, JSON objects one a line, or CSV rows under a header line.

        Raises:
            UsageRefused: ``media`` is none of ``json``, ``jsonl`` and ``csv``.
        """
        return read_inputs(stream, media)

    def decide(
        self,
        tenant: str,
        pack: str,
        inputs: Iterable[RawInput | InputRefused],
        *,
        legal_date: str | None = None,
        batch: int = BATCH_MAX,
    ) -> Iterator[Decided | Refused]:
        """Decide inputs by a pack and give one durable answer for each, in order.

        Args:
            tenant: Whose ledger.
            pack: An installed name, or the path of a folder.
            inputs: See ``read_inputs``; may be endless.
            legal_date: ``YYYY-MM-DD`` to judge by; None takes each input's own.
            batch: How many inputs share a flush; 1 answers each before the next is read.
        """
        if legal_date is not None:
            check_date(legal_date)
        return self.loop(tenant, pack).run(inputs, legal_date=legal_date, batch=batch)

    def loop(self, tenant: str, pack: str) -> Loop:
        """Join everything that deciding for a tenant by a pack needs, and keep the pack for replay."""
        name, files = pack_files(pack)
        loaded = load_pack(name, files)
        modules = {reader.module: builtin_module(reader.module) for reader in loaded.intake.values()}
        check_modules(loaded, modules)
        ledger = self.ledger(tenant)
        actor = self.actor(tenant)
        keep(tenant, loaded, files, modules, blobs=self._blobs, recorder=ledger, actor=actor)
        return Loop(
            tenant=tenant,
            pack=loaded,
            read_row=self._reader(loaded, {ref.digest: (ref, wasm) for ref, wasm in modules.values()}),
            recorder=ledger,
            blobs=self._blobs,
            clock=self._clock,
            entropy=self._entropy,
            secret=self._keys.get(tenant, PSEUDONYM_NAME),
            actor=actor,
            versions=engine_versions(),
        )

    def explain(self, tenant: str, record: int) -> Explanation:
        """Say why one decision came out as it did.

        Raises:
            NotFound: no such record, not a decision, or its evidence is not kept.
        """
        return explain(tenant, self.ledger(tenant).read(record), self._blobs)

    def replay(
        self, tenant: str, records: Iterable[int] | None = None, *, progress: Callable[[int], None] = _silent
    ) -> ReplayReport:
        """Decide again from what was kept and compare every byte of evidence; None means the whole ledger."""
        ledger = self.ledger(tenant)
        replayer = Replayer(tenant=tenant, blobs=self._blobs, reader_for=lambda pack: self._kept_reader(tenant, pack))
        chosen = ledger.records() if records is None else map(ledger.read, records)
        return replayer.run(chosen, progress)

    def _kept_reader(self, tenant: str, pack: Pack) -> ReadRow:
        """Give the reader of a pack from the modules that were kept with it."""
        modules = {
            reader.digest: (ModuleRef(name=reader.module, digest=reader.digest), self._blobs.get(tenant, reader.digest))
            for reader in pack.intake.values()
        }
        return self._reader(pack, modules)

    def _reader(self, pack: Pack, modules: Mapping[str, tuple[ModuleRef, bytes]]) -> ReadRow:
        """Give a function that runs the pack's CSV reader on one envelope, loading the guest when first needed."""
        guests: dict[str, Guest] = {}

        def read_row(envelope: bytes) -> tuple[Run, ModuleRef]:
            reader = pack.intake.get("csv")
            if reader is None:
                raise UsageRefused(
                    f"pack {pack.name} has no reader for CSV", hint="give it JSON: --format json", code="media"
                )
            reference, wasm = modules[reader.digest]
            if reference.digest not in guests:
                guests[reference.digest] = self.engine.load(wasm)
            run = self.engine.run(guests[reference.digest], reader.function, envelope, Tier.LIGHTWEIGHT.budget)
            return run, reference

        return read_row

    # --- effects ----------------------------------------------------------------------------------------------------

    def effects(self, tenant: str) -> list[QueuedEffect]:
        """List the effects that decisions asked for, oldest first."""
        catch_up(tenant, self.ledger(tenant), self._queue)
        return self._queue.listed(tenant)

    def run_effects(self, tenant: str, *, progress: Callable[[int], None] = _silent) -> EffectsReport:
        """Perform the waiting effects of a tenant, one executor at a time, unless the panic switch holds.

        Raises:
            Unavailable: another executor holds the tenant's fence for longer than ``FENCE_SECONDS_MAX``.
        """
        ledger = self.ledger(tenant)
        folder = self._tenants / tenant
        executor = Executor(
            tenant=tenant,
            ledger=ledger,
            queue=self._queue,
            blobs=self._blobs,
            panic=self._panic,
            channel=FolderEffectChannel(self._tenants, self._disk),
            actor=Actor(id=f"node:{self.node_id}", role="executor"),
        )
        with self._disk.lock(folder / "effects.lock"):
            return executor.run(progress)

    def sinks(self, tenant: str) -> Outflow:
        """Give the sinks that the tenant's ledger is sent to, as ``node.toml`` declares them; secrets stay outside."""
        ports: dict[str, Any] = {"disk": self._disk, "clock": self._clock, "entropy": self._entropy}
        return Outflow(
            self.ledger(tenant),
            read_sinks(self.settings.sinks()),
            partial(open_sink, home=self.settings.home, environ=os.environ, **ports),
            cursors=FileCursorStore(self._tenants, self._disk),
            clock=self._clock,
            entropy=self._entropy,
            actor=self.actor(tenant),
        )

    def panic_state(self) -> Mapping[str, JsonValue]:
        """Say whether effects are frozen, since when, by whom and why."""
        return self._panic.state()

    def set_panic(self, tenant: str, *, frozen: bool, reason: str) -> Mapping[str, JsonValue]:
        """Throw or release the panic switch, and record it; the switch is set first, whatever the ledger's state."""
        actor = self.actor(tenant)
        self._panic.set(frozen=frozen, reason=reason, by=actor.id, at=time_text(self._clock.now_ns()))
        draft = Draft(event_type="panic.set", resource="panic", detail={"frozen": frozen}, actor=actor)
        self.ledger(tenant).record(tenant, draft)
        return self._panic.state()

    def actor(self, tenant: str) -> Actor:
        """Give the local operating-system user as an opaque actor of the tenant."""
        name = hmac.new(self._keys.get(tenant, PSEUDONYM_NAME), b"actor\n" + getpass.getuser().encode(), "sha256")
        return Actor(id=f"local:{name.hexdigest()[:16]}", role="operator")

    # --- privacy ----------------------------------------------------------------------------------------------------

    def eraser(self, tenant: str) -> Eraser:
        """Give what erases the subjects of a tenant."""
        return Eraser(tenant=tenant, ledger=self.ledger(tenant), blobs=self._blobs, actor=self.actor(tenant))

    @staticmethod
    def keys(home: Path) -> WrappedKeyStore:
        """Give the keys of a home, to look at how they lie on disk, or to lock them in another way."""
        return system_keys(home / "keys", SystemDisk(), SystemEntropy())

    # --- looking after ----------------------------------------------------------------------------------------------

    def doctor(self, tenant: str) -> list[Check]:
        """Look at everything that this node needs, and say of each part whether it is well."""
        return [
            _checked("key", lambda: self.ledger(tenant).verifier_key()),
            _checked("keys", lambda: self._keys.report().text()),
            _checked("ledger", lambda: _ledger_state(self.ledger(tenant))),
            _checked("packs", lambda: ", ".join(f"{pack.name} {pack.version}" for pack in self.packs())),
            _checked("modules", lambda: ", ".join(self._module_checks())),
            _checked("panic", lambda: "frozen" if self._panic.is_frozen() else "free"),
            _checked("effects", lambda: f"{sum(each.result is None for each in self.effects(tenant))} waiting"),
            _checked("engines", lambda: ", ".join(f"{name} {each}" for name, each in engine_versions().items())),
        ]

    def _module_checks(self) -> list[str]:
        found = {reader.module for pack in self.packs() for reader in pack.intake.values()}
        seen = []
        for name in sorted(found):
            reference, wasm = builtin_module(name)
            self.engine.load(wasm)
            seen.append(f"{name} {reference.digest[:19]}")
        return seen


def _ledger_state(ledger: Ledger) -> str:
    if ledger.failure is not None:
        raise ledger.failure
    return f"{ledger.size()} records, opened and recovered"


def engine_versions() -> dict[str, JsonValue]:
    """Give the versions of everything that computed, for records; evidence holds none of them."""
    return {
        "bailiwick": __version__,
        "cel": version("cel-expr-python"),
        "wasmtime": version("wasmtime"),
    }


def _make_home(home: Path, disk: Disk) -> None:
    """Lay out a home; ``node.toml`` comes last and says that the rest is there."""
    FilePanicSwitch(home / PANIC_FILE, disk).set(
        frozen=False, reason="", by="init", at=time_text(SystemClock().now_ns())
    )
    node_id = SystemEntropy().take(ID_BYTES).hex()
    text = f'# The node\'s opaque name. To change the terminal\'s tenant: tenant = "..."\nnode_id = "{node_id}"\n'
    replace_file(disk, home / NODE_FILE, text.encode(), 0o644)


def _make_tenant(home: Path, tenant: str, node_id: str, disk: Disk, ledger: LedgerSettings) -> str:
    """Make a tenant's keys and ledger where they are missing, and give its verifier key."""
    entropy = SystemEntropy()
    keys = system_keys(home / "keys", disk, entropy)
    keys.start(first_lock())
    _ensure(keys, tenant, PSEUDONYM_NAME, lambda: entropy.take(SECRET_BYTES))
    _ensure(keys, tenant, SIGNING_NAME, lambda: new_secret(entropy.take(SEED_BYTES)))
    _ensure(keys, tenant, ORIGIN_NAME, lambda: b"bailiwick/" + entropy.take(ID_BYTES).hex().encode())
    store = LedgerPlaces(home, disk, ledger, lambda each: keys.get(each, ORIGIN_NAME)).make(tenant)
    signer = _signer(keys, tenant)
    if store.count() == 0:
        actor = Actor(id=f"node:{node_id}", role="node")
        Ledger.create(
            tenant, store, signer, clock=SystemClock(), origin=signer.verifier.name, node_id=node_id, actor=actor
        ).close()
    store.close()
    return signer.verifier.text()


def _ensure(keys: KeyStore, tenant: str, name: str, make: Callable[[], bytes]) -> None:
    try:
        keys.get(tenant, name)
    except NotFound:
        keys.put(tenant, name, make())


def _signer(keys: KeyStore, tenant: str) -> Signer:
    return Signer(keys.get(tenant, ORIGIN_NAME).decode(), keys.get(tenant, SIGNING_NAME))


def _checked(name: str, look: Callable[[], str]) -> Check:
    """Run one check; what it raises is its finding."""
    try:
        return Check(name=name, ok=True, detail=look())
    except BailiwickError as error:
        return Check(name=name, ok=False, detail=f"{error.code}: {error.message}", hint=error.hint)
