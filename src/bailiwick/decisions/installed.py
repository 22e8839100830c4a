"""Which law a tenant decides by: packs installed, activated from a day on, and rolled back; each act is a record.

Who installs has shown the pack: its lock is signed by a key that the tenant trusts, and its cases come out as written.
Look, check and record happen under one lock of the tenant's state (``supervisor.LedgerState``), which is folded from
proven records: neither two terminals nor a changed byte bring an older law back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bailiwick.canonical import canonical_bytes, digest, time_text
from bailiwick.errors import NotFound, NotTrusted, PackRefused, UsageRefused
from bailiwick.keys import Verifier
from bailiwick.model import Actor, Draft, JsonValue, ModuleRef
from bailiwick.packs import Pack, check_date
from bailiwick.ports import BlobStore, Clock
from bailiwick.supervisor import (
    PACK_ACTIVATED,
    PACK_INSTALLED,
    Activation,
    FleetState,
    InstalledPack,
    LedgerState,
    PackVersion,
    read_version,
)

PACKS_MAX = 100
"""Most packs of one tenant, by name."""
VERSIONS_MAX = 100
"""Most versions of one pack that are installed; the newest of a year's weeks, twice over."""
PLANNED_MAX = 16
"""Most activations of one pack that lie in the future."""
DAY_CHARACTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A pack that may be installed: loaded, tried, vouched for by ``key``. Nothing of it is recorded yet.

    ``files`` by path, those that identify it; ``lock`` and ``signature`` beside them, the latter None where a signed
    commit vouches for it; ``attachments`` by digest; ``source`` is the opaque name of the followed place, or None.
    """

    pack: Pack
    files: Mapping[str, bytes] = field(repr=False)
    lock: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)
    attachments: Mapping[str, bytes] = field(repr=False)
    modules: Mapping[str, tuple[ModuleRef, bytes]] = field(repr=False)
    key: str
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The version of a pack that is in use on a day: which, since when, until when another is planned, and by whom.

    ``key`` and ``record`` are None for one that came with bailiwick and was never activated; ``until`` is the first day
    on which it is not used any more, or None.
    """

    name: str
    version: str
    digest: str
    since: str | None
    until: str | None
    key: str | None
    record: int | None

    def to_json(self) -> dict[str, JsonValue]:
        """Give it as JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "since": self.since,
            "until": self.until,
            "key": self.key,
            "record": self.record,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """The packs of one tenant, and what may be done to them. ``shipped`` gives version and digest by name, or None."""

    tenant: str
    state: LedgerState
    blobs: BlobStore
    clock: Clock
    shipped: Callable[[str], tuple[str, str] | None]

    # --- looking ----------------------------------------------------------------------------------------------------

    def today(self) -> str:
        """Give the day by the node's clock, in UTC."""
        return time_text(self.clock.now_ns())[:DAY_CHARACTERS]

    def names(self) -> list[str]:
        """List the packs that are installed, by name."""
        return sorted(self.state.now().packs)

    def installed(self, name: str) -> InstalledPack:
        """Give what is installed of a pack; nothing where it is not."""
        return self.state.now().packs.get(name, InstalledPack())

    def in_use(self, name: str, day: str | None = None) -> InUse | None:
        """Say which version is used on a day (today, or one to come); None where the tenant has no such pack.

        Raises:
            NotTrusted: the key that signed it was revoked since (code ``key-revoked``).
            NotFound: it is installed, and its first day is still to come (code ``pack-not-yet``).
        """
        now = self.state.now()
        return self._in_use(now, name, day or self.today())

    def find(self, name: str, version: str) -> tuple[str, str | None]:
        """Give digest and key of an installed version, or of the shipped one, whose key is None.

        Raises:
            NotFound: that version is neither (code ``pack-version-not-found``).
        """
        return self._find(self.state.now(), name, version)

    def superseding(self, name: str, version: str) -> PackVersion | None:
        """Give the newest installed version that says it corrects this one, or None."""
        found = [each for each in self.installed(name).versions.values() if each.supersedes == version]
        return max(found, key=lambda each: each.record) if found else None

    # --- changing ---------------------------------------------------------------------------------------------------

    def check(self, offer: Offer, active_from: str | None = None) -> None:
        """Refuse what may not be installed now; see ``install``. Records nothing."""
        self._check(self.state.now(), offer, self._first_day(active_from))

    def install(self, offer: Offer, actor: Actor, *, active_from: str | None = None) -> Activation:
        """Install a pack and use it from a day on; what is so already costs nothing.

        Args:
            offer: What was shown.
            actor: Who installs it.
            active_from: ``YYYY-MM-DD`` (UTC), today or later; None is today.

        Raises:
            NotTrusted: its key was revoked meanwhile (code ``key-revoked``).
            PackRefused: its version is older than what is used on that day (``pack-downgrade``), or taken by other
                content (``pack-version-taken``), or there are too many (``packs-many``).
            UsageRefused: ``active_from`` is no date, or past (code ``active-from``).
        """
        with self.state.exclusive() as now:
            self._check(now, offer, self._first_day(active_from))
            pack = offer.pack
            held = now.packs.get(pack.name, InstalledPack())
            drafts: list[Draft] = []
            if pack.version not in held.versions:
                self._keep(offer)
                drafts.append(self._draft(PACK_INSTALLED, pack.name, _told(offer), actor))
            return self._activate(
                now, pack.name, pack.version, pack.digest, active_from=active_from, actor=actor, drafts=drafts
            )

    def activate(self, name: str, version: str, actor: Actor, *, active_from: str | None = None) -> Activation:
        """Use an installed version from a day on, an older one too: this is how one rolls back.

        Raises:
            NotFound: that version is neither installed nor shipped (code ``pack-version-not-found``).
            NotTrusted: its key was revoked (code ``key-revoked``).
            UsageRefused: ``active_from`` is no date, or past (code ``active-from``).
        """
        self._first_day(active_from)
        with self.state.exclusive() as now:
            content, key = self._find(now, name, version)
            _check_key(now, f"pack {name} {version}", key)
            return self._activate(now, name, version, content, active_from=active_from, actor=actor, drafts=[])

    # --- inside -----------------------------------------------------------------------------------------------------

    def _in_use(self, now: FleetState, name: str, day: str) -> InUse | None:
        pack = now.packs.get(name, InstalledPack())
        active = pack.on(day)
        later = min((each.acts_from for each in pack.planned if each.acts_from > day), default=None)
        shipped = self.shipped(name)
        if active is None:
            if shipped is not None:
                version, content = shipped
                return InUse(name=name, version=version, digest=content, since=None, until=later, key=None, record=None)
            if later is None:
                return None
            raise NotFound(
                f"pack {name} is installed, and used from {later} on; today is {day}",
                hint=f"to use it now: bailiwick pack activate {name} VERSION",
                code="pack-not-yet",
            )
        held = pack.versions.get(active.version)
        # Without an installation it came with this or an earlier bailiwick: whoever activated it answers for it.
        key = held.key if held is not None and held.digest == active.digest else None
        _check_key(now, f"pack {name} {active.version}", key)
        return InUse(
            name=name,
            version=active.version,
            digest=active.digest,
            since=active.acts_from,
            until=later,
            key=key,
            record=active.record,
        )

    def _find(self, now: FleetState, name: str, version: str) -> tuple[str, str | None]:
        held = now.packs.get(name, InstalledPack()).versions.get(version)
        if held is not None:
            return held.digest, held.key
        shipped = self.shipped(name)
        if shipped is not None and shipped[0] == version:
            return shipped[1], None
        raise NotFound(
            f"pack {name[:80]} has no version {version[:40]!r} here",
            hint=f"bailiwick pack history {name[:80]} lists its versions",
            code="pack-version-not-found",
        )

    def _check(self, now: FleetState, offer: Offer, day: str) -> None:
        pack, held = offer.pack, now.packs.get(offer.pack.name, InstalledPack())
        subject = f"pack {pack.name} {pack.version}"
        _check_key(now, subject, offer.key)
        shipped = self.shipped(pack.name)
        known = held.versions.get(pack.version)
        taken = known.digest if known is not None else None
        if taken is None and shipped is not None and shipped[0] == pack.version:
            taken = shipped[1]
        if taken is not None and taken != pack.digest:
            raise PackRefused(
                f"{subject} is not the {pack.version} that was here before, {taken}",
                hint="a version names one content for ever: raise the version in pack.yaml and sign again",
                violations=[],
                code="pack-version-taken",
            )
        if known is None and (
            len(held.versions) >= VERSIONS_MAX or (not held.versions and len(now.packs) >= PACKS_MAX)
        ):
            raise PackRefused(
                f"a tenant has at most {PACKS_MAX} packs of {VERSIONS_MAX} versions each",
                hint="keep packs of different tenants apart",
                violations=[],
                code="packs-many",
            )
        used = held.on(day)
        before = used.version if used is not None else shipped[0] if shipped is not None else None
        if before is not None and read_version(pack.version) < read_version(before):
            raise PackRefused(
                f"{subject} is older than {before}, which is used on {day}",
                hint=f"to go back on purpose: bailiwick pack activate {pack.name} VERSION, with a version that is here",
                violations=[],
                code="pack-downgrade",
            )

    def _first_day(self, active_from: str | None) -> str:
        today = self.today()
        if active_from is None:
            return today
        if check_date(active_from) < today:
            raise UsageRefused(
                f"{active_from} is past, today is {today}: what was decided stays decided",
                hint="leave the date out to use it from today on; bailiwick what-changed tells what would differ",
                code="active-from",
            )
        return active_from

    def _activate(
        self,
        now: FleetState,
        name: str,
        version: str,
        content: str,
        *,
        active_from: str | None,
        actor: Actor,
        drafts: list[Draft],
    ) -> Activation:
        held = now.packs.get(name, InstalledPack())
        day = self._first_day(active_from)
        used = held.on(day)
        if not drafts and used is not None and used.digest == content and used.version == version:
            return used
        if active_from is not None and len(held.planned) >= PLANNED_MAX:
            raise UsageRefused(
                f"{PLANNED_MAX} activations of pack {name} lie in the future already",
                hint=f"bailiwick pack history {name}",
                code="packs-planned",
            )
        # A day that is today already is today: it is not left to the clock of the record.
        day_or_now = None if day == self.today() else day
        detail: dict[str, JsonValue] = {"name": name, "version": version, "digest": content, "from": day_or_now}
        drafts.append(self._draft(PACK_ACTIVATED, name, detail, actor))
        self.state.ledger.record_many(self.tenant, drafts)
        found = self.state.now().packs[name].on(day)
        assert found is not None, "what was activated for a day is used on it"
        return found

    def _keep(self, offer: Offer) -> None:
        """Keep everything that deciding by it and showing it needs; the manifest last, which stands for the rest."""
        manifest = canonical_bytes({path: digest(raw) for path, raw in offer.files.items()})
        assert digest(manifest) == offer.pack.digest, "a pack's digest is the digest of its manifest"
        beside = [offer.lock] if offer.signature is None else [offer.lock, offer.signature]
        wasm = [raw for _, raw in offer.modules.values()]
        blobs = [*wasm, *offer.attachments.values(), *offer.files.values(), *beside, manifest]
        self.blobs.put_many(self.tenant, blobs)

    @staticmethod
    def _draft(event_type: str, name: str, detail: dict[str, JsonValue], actor: Actor) -> Draft:
        return Draft(event_type=event_type, resource=f"pack/{name}", detail=detail, actor=actor)


def _check_key(now: FleetState, subject: str, key: str | None) -> None:
    if key is not None and now.keys.is_revoked(Verifier.read(key)):
        raise NotTrusted(
            f"{subject} is signed by {key}, which was revoked",
            hint="install a version that another key of its author signed, or activate one: bailiwick pack activate",
            code="key-revoked",
        )


def _told(offer: Offer) -> dict[str, JsonValue]:
    """Give the detail of the record that a pack was installed."""
    pack = offer.pack
    detail: dict[str, JsonValue] = {
        "name": pack.name,
        "version": pack.version,
        "digest": pack.digest,
        "modules": [reference.to_json() for reference, _ in offer.modules.values()],
        "key": offer.key,
        "lock": digest(offer.lock),
    }
    if offer.signature is not None:
        detail["signature"] = digest(offer.signature)
    if offer.attachments:
        detail["attachments"] = [*sorted(offer.attachments)]
    if offer.source is not None:
        detail["source"] = offer.source
    corrects = pack.supersedes
    if corrects is not None:
        named: dict[str, JsonValue] = {"version": corrects.version}
        detail["supersedes"] = named if corrects.digest is None else {**named, "digest": corrects.digest}
    return detail
