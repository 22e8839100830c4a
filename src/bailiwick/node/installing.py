"""The theme of law in time: packs signed, shown against history, installed, activated from a day on, rolled back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.canonical import time_text
from bailiwick.decisions import Change, Comparer, InUse, Missing, Offer, Selection, check_modules, keep
from bailiwick.errors import NotFound, PackRefused, UsageRefused, Violation
from bailiwick.keys import Verifier
from bailiwick.ledger import ProvenReader, read_moment
from bailiwick.model import JsonValue, check_digest
from bailiwick.node.calling import decider
from bailiwick.node.deciding import Deciding
from bailiwick.node.packs import Law, shipped_pack
from bailiwick.node.parts import silent
from bailiwick.packs import (
    LOCK,
    SIGNATURE,
    CallModule,
    EngineName,
    Pack,
    content_of,
    lock_of,
    run_cases,
    sign_lock,
    verify_pack,
    write_lock,
)
from bailiwick.supervisor import PACK_ACTIVATED, PACK_INSTALLED, Activation

SEALED = "decision.sealed"
ENGINE = "cel-expr-python"
"""What compiles the expressions of packs, by the name of its distribution."""
MIDNIGHT = "T00:00:00.000000000Z"

_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}\Z").match
_NAMED = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,63})@(?P<version>[0-9.]{5,32})\Z")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z").match
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z").match


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Decisions that some law made, to be compared with what another would decide; ``run`` once."""

    selection: Selection
    pack: Pack
    comparer: Comparer
    records: Callable[[], Iterator[Any]]
    size: int

    def run(self, progress: Callable[[int], None] = silent) -> Iterator[Change | Missing]:
        """Give every decision that would differ, or cannot be compared, in the order of the ledger."""
        return self.comparer.run(self.records(), self.selection, progress)

    def to_json(self) -> dict[str, JsonValue]:
        """Give what is compared, and the counts so far, as JSON."""
        corrects = self.pack.supersedes
        told: dict[str, JsonValue] | None = None
        if corrects is not None:
            told = {"version": corrects.version, "digest": corrects.digest, "reason": corrects.reason}
        return {
            "old": self.selection.to_json(),
            "new": {"name": self.pack.name, "version": self.pack.version, "digest": self.pack.digest},
            "supersedes": told,
            **self.comparer.tally.to_json(),
        }


class Installing(Deciding):
    """What a node does with law that changes."""

    # --- authors ------------------------------------------------------------------------------------------------------

    def sign_pack(
        self, tenant: str, folder: Path, attachments: Mapping[str, bytes]
    ) -> tuple[Pack, dict[str, bytes], str]:
        """Sign a pack with the tenant's own author key: give it, the files to write beside it, and the key.

        Raises:
            PackRefused: it does not load, or a case of it fails (code ``pack-cases``): nobody signs what is not tried.
            NotTrusted: the tenant has revoked its own key (code ``key-revoked``).
        """
        law = self.folder_law(tenant, folder, attachments)
        modules = self.modules_of(tenant, law.pack)
        check_modules(law.pack, modules)
        _check_cases(law.pack, self._caller_of(tenant, modules))
        signer = self.author(tenant)
        lock = lock_of(law.pack, law.files, engine_name())
        return law.pack, {LOCK: write_lock(lock), SIGNATURE: sign_lock(lock, signer)}, signer.verifier.text()

    # --- installing ---------------------------------------------------------------------------------------------------

    def offer(self, tenant: str, folder: Path, attachments: Mapping[str, bytes]) -> Offer:
        """Load the pack of a folder and check everything about it but its place among the others; records nothing.

        Raises:
            NotTrusted: it is not signed, or by no key that the tenant trusts.
            PackRefused: it does not load, was changed after it was signed, lacks an attachment (``pack-attachment``),
                or a case of it fails (``pack-cases``).
            NotFound: a module that it pins is not installed.
        """
        law = self.folder_law(tenant, folder, attachments)
        keys = self.installer(tenant).state.now().keys
        key = verify_pack(law.pack, law.files, keys, engine_name())
        return self._offer(tenant, law, key, law.files[LOCK], signature=law.files[SIGNATURE])

    def _offer(
        self,
        tenant: str,
        law: Law,
        key: Verifier,
        lock: bytes,
        *,
        signature: bytes | None = None,
        source: str | None = None,
    ) -> Offer:
        modules = self.modules_of(tenant, law.pack)
        check_modules(law.pack, modules)
        _check_attachments(law.pack)
        _check_cases(law.pack, self._caller_of(tenant, modules))
        return Offer(
            pack=law.pack,
            files=content_of(law.files),
            lock=lock,
            signature=signature,
            attachments={each.digest: each.content for each in law.pack.attachments if each.content is not None},
            modules=modules,
            key=key.text(),
            source=source,
        )

    def install_pack(self, tenant: str, offer: Offer, *, active_from: str | None = None) -> Activation:
        """Install what was shown, and use it from a day on; see ``Installer.install``."""
        return self.installer(tenant).install(offer, self.actor(tenant), active_from=active_from)

    def activate_pack(self, tenant: str, name: str, wanted: str, *, active_from: str | None = None) -> Activation:
        """Use an installed version, or the shipped one, from a day on; see ``Installer.activate``."""
        installer, actor = self.installer(tenant), self.actor(tenant)
        content, _ = installer.find(name, wanted)
        if not self._blobs.has(tenant, content):
            # It came with bailiwick and was never decided by: what is used must outlive the package that it came with.
            law = self._shipped_law(name)
            modules = self.modules_of(tenant, law.pack)
            keep(tenant, law.pack, law.files, modules, blobs=self._blobs, recorder=self.ledger(tenant), actor=actor)
        return installer.activate(name, wanted, actor, active_from=active_from)

    def trust_pack_key(self, tenant: str, key: str) -> Verifier:
        """Accept packs, and modules, that a key signs from now on; one record for both."""
        return self.supervisor.registry(tenant).trust(key, self.actor(tenant))

    # --- looking ------------------------------------------------------------------------------------------------------

    @staticmethod
    def shipped(name: str) -> Pack | None:
        """Give a pack that comes with bailiwick, or None."""
        return shipped_pack(name)

    def packs_in_use(self, tenant: str) -> list[tuple[str, InUse | None, str | None]]:
        """List the packs that a tenant has or that are shipped: the name, what is in use, and the first day to come."""
        installer = self.installer(tenant)
        names = sorted({*builtin_packs().names(), *installer.names()})
        found: list[tuple[str, InUse | None, str | None]] = []
        for name in names:
            planned = installer.installed(name).planned
            later = planned[0].acts_from if planned else None
            try:
                found.append((name, installer.in_use(name), later))
            except NotFound:
                found.append((name, None, later))
        return found

    def pack_history(self, tenant: str, name: str) -> list[dict[str, JsonValue]]:
        """Give what happened to a pack, oldest first, from proven records.

        Raises:
            NotFound: nothing did (code ``pack-not-found``).
        """
        ledger = self.ledger(tenant)
        events: list[dict[str, JsonValue]] = []
        for record in ProvenReader(ledger).of_types({PACK_INSTALLED, PACK_ACTIVATED}, 0, ledger.size()):
            detail: Any = record.detail
            if detail["name"] == name:
                what = record.event_type.removeprefix("pack.")
                kept = {
                    each: detail[each]
                    for each in ("version", "digest", "from", "key", "supersedes", "source")
                    if each in detail
                }
                events.append(
                    {"record": record.index, "at": record.timestamp, "what": what, "by": record.actor.id, **kept}
                )
        if not events and name not in builtin_packs().names():
            raise NotFound(
                f"no pack {name[:80]!r} was ever installed here", hint="bailiwick pack list", code="pack-not-found"
            )
        return events

    # --- what changed -------------------------------------------------------------------------------------------------

    def compare(
        self,
        tenant: str,
        old: str | None,
        new: str,
        *,
        attachments: Mapping[str, bytes] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Comparison:
        """Prepare to decide again, by ``new``, what ``old`` decided in a tenant's ledger.

        Args:
            tenant: Whose ledger.
            old: ``NAME``, ``NAME@VERSION``, a version, a digest, or a folder; None: every version of the new pack.
            new: ``NAME``, ``NAME@VERSION``, a version or digest of the old pack, or a folder.
            attachments: Files that the new pack pins and does not hold, by digest.
            since: Only what was sealed from this day (UTC) or moment on.
            until: Only what was sealed before it.

        Raises:
            UsageRefused: a version without a name (code ``pack-version-bare``), or no day or moment.
            NotFound: one of the two is not here.
        """
        law = self._law_meant(tenant, new, None if old is None else self._name_meant(tenant, old), attachments or {})
        selection = self._selection(tenant, old, law.pack, _moment(since), _moment(until))
        return self.compare_with(tenant, law.pack, selection)

    def compare_offer(self, tenant: str, offer: Offer, *, since: str | None = None) -> Comparison:
        """Prepare to decide again, by a pack that is offered, what every version of it decided before."""
        return self.compare_with(tenant, offer.pack, Selection(name=offer.pack.name, since=_moment(since)))

    def compare_with(self, tenant: str, pack: Pack, selection: Selection) -> Comparison:
        """Prepare to decide selected decisions again by a pack that is at hand.

        Raises:
            NotFound: a module that it pins is not installed.
        """
        modules = self.modules_of(tenant, pack)
        check_modules(pack, modules)
        ledger = self.ledger(tenant)
        size = ledger.size()
        by_digest = {reference.digest: (reference, wasm) for reference, wasm in modules.values()}
        return Comparison(
            selection=selection,
            pack=pack,
            comparer=Comparer(
                tenant=tenant,
                pack=pack,
                read_row=self._reader(pack, by_digest),
                blobs=self._blobs,
                call_module=self._caller_of(tenant, modules),
            ),
            records=lambda: ProvenReader(ledger).of_types({SEALED}, 0, size),
            size=size,
        )

    def _selection(self, tenant: str, old: str | None, new: Pack, since: str | None, until: str | None) -> Selection:
        if old is None:
            return Selection(name=new.name, since=since, until=until)
        named = _NAMED.match(old)
        if named is not None:
            return Selection(name=named["name"], version=named["version"], since=since, until=until)
        if _VERSION(old):
            return Selection(name=new.name, version=old, since=since, until=until)
        if old.startswith("sha256:"):
            return Selection(name=new.name, digest=check_digest(old), since=since, until=until)
        if self._is_folder(tenant, old):
            pack = self.folder_law(tenant, Path(old), {}).pack
            return Selection(name=pack.name, digest=pack.digest, since=since, until=until)
        return Selection(name=self._name_meant(tenant, old) or old, since=since, until=until)

    def _name_meant(self, tenant: str, text: str) -> str | None:
        """Give the name of the pack that one side of a comparison means, where it says so."""
        named = _NAMED.match(text)
        if named is not None:
            return named["name"]
        if _VERSION(text):
            return None
        if text.startswith("sha256:"):
            return self._name_of(tenant, check_digest(text))
        if self._is_folder(tenant, text):
            return Path(text).resolve().name
        if not _NAME(text):
            raise NotFound(
                f"{text[:80]!r} is no pack: neither NAME, NAME@VERSION, a version, a digest nor a folder",
                hint="bailiwick pack list",
                code="pack-not-found",
            )
        return text

    def _law_meant(self, tenant: str, new: str, name: str | None, attachments: Mapping[str, bytes]) -> Law:
        named = _NAMED.match(new)
        if named is not None or _VERSION(new):
            name, wanted = (named["name"], named["version"]) if named is not None else (name, new)
            if name is None:
                raise UsageRefused(
                    f"{new} is a version, and nothing says of which pack",
                    hint=f"name it: bailiwick what-changed NAME NAME@{new}",
                    code="pack-version-bare",
                )
            content, key = self.installer(tenant).find(name, wanted)
            return self._shipped_law(name) if key is None else self.kept_law(tenant, name, content)
        if new.startswith("sha256:"):
            return self.kept_law(tenant, name or self._name_of(tenant, check_digest(new)), new)
        if self._is_folder(tenant, new):
            return self.folder_law(tenant, Path(new), attachments)
        return self.law(tenant, new)

    def _is_folder(self, tenant: str, text: str) -> bool:
        """Say whether a folder is meant: a name that is installed or shipped is that, whatever lies here."""
        if _NAME(text) and (shipped_pack(text) is not None or text in self.installer(tenant).names()):
            return False
        return (Path(text) / "pack.yaml").is_file()

    @staticmethod
    def _shipped_law(name: str) -> Law:
        return Law(pack=Deciding.pack(name), files=content_of(builtin_packs().files(name)), origin="shipped")

    def _name_of(self, tenant: str, pack_digest: str) -> str:
        """Find the name of a pack that was kept, by the record of that."""
        ledger = self.ledger(tenant)
        for record in ProvenReader(ledger).of_types({PACK_INSTALLED}, 0, ledger.size()):
            if record.detail["digest"] == pack_digest:
                return str(record.detail["name"])
        raise NotFound(
            f"no pack {pack_digest} was ever kept here", hint="bailiwick pack history NAME", code="pack-not-found"
        )


@cache
def engine_name() -> EngineName:
    """Give what compiles the expressions of packs on this node."""
    return EngineName(name=ENGINE, version=version(ENGINE))


def _moment(text: str | None) -> str | None:
    """Give a day's beginning in UTC, or a moment, as records write time."""
    if text is None:
        return None
    return time_text(read_moment(text + MIDNIGHT if _DAY(text) else text))


def _check_cases(pack: Pack, call_module: CallModule) -> None:
    report = run_cases(pack, decider(call_module)) if pack.calls else run_cases(pack)
    if not report.is_passed:
        violations = [
            Violation(path=f"{each.file}#{each.name}", rule="case", message="; ".join(each.differences), value="")
            for each in report.failed
        ]
        raise PackRefused(
            f"pack {pack.name} {pack.version} fails {len(report.failed)} of its {report.cases} cases",
            hint="bailiwick pack test FOLDER shows them; nothing was signed or installed",
            violations=violations,
            code="pack-cases",
        )


def _check_attachments(pack: Pack) -> None:
    lacking = [each for each in pack.attachments if not each.is_present]
    if lacking:
        violations = [
            Violation(path=each.path, rule="attachment", message=f"{each.digest}, from {each.url}", value="")
            for each in lacking
        ]
        raise PackRefused(
            f"pack {pack.name} {pack.version} rests on {len(lacking)} files that are not here: {lacking[0].path}",
            hint="get them from their publishers, and name the folder that they lie in: --attach FOLDER",
            violations=violations,
            code="pack-attachment",
        )
