"""The theme of law from elsewhere: places that a tenant follows, and what is pulled from them at a signed commit.

The address, what is followed there and whose signatures are believed are a blob that a record names; where the pin
stands is folded from proven records. A pull moves it only forward, and every move and refusal is a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.canonical import canonical_bytes
from bailiwick.decisions import Offer
from bailiwick.errors import BailiwickError, NotFound, NotTrusted, UsageRefused
from bailiwick.keys import Verifier
from bailiwick.model import SALT_BYTES, Draft, JsonValue
from bailiwick.node.installing import Installing, engine_name
from bailiwick.node.packs import Law
from bailiwick.packs import content_of, load_pack, lock_of, write_lock
from bailiwick.schema import parse_document
from bailiwick.supervisor import FOLLOWED, LEFT, MOVED, SOURCE_CHANGED, FollowedSource

if TYPE_CHECKING:
    from bailiwick.adapters.packsource_git import GitMirror

REFUSED = "refused"
"""State of a commit that the pin did not move to."""
SOURCE_FORMAT = "bailiwick-pack-source/1"
SOURCES_MAX = 32
"""Most places that a tenant follows."""
KEYS_MAX = 16
"""Most keys that one place may be signed by."""
KEY_BYTES_MAX = 2_000
"""How much of a file with a public key is read, in bytes."""
NAME_BYTES = 16
"""Length of a source's opaque name, in bytes of randomness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place that packs come from: one pack, in a folder of its name, on one branch or tag of a repository.

    ``id`` is opaque; ``path`` is the folder that holds the pack's folder; ``commit`` is where the pin stands, or None.
    """

    id: str
    url: str
    ref: str
    path: str
    pack: str
    keys: tuple[str, ...]
    commit: str | None

    def to_json(self) -> dict[str, JsonValue]:
        """Give it as JSON."""
        return {
            "source": self.id,
            "url": self.url,
            "ref": self.ref,
            "path": self.path,
            "pack": self.pack,
            "keys": list(self.keys),
            "commit": self.commit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull found: the commit, who signed it, and the pack that it offers; ``moved`` where the pin moved."""

    source: Source
    commit: str
    key: Verifier
    offer: Offer
    moved: bool


class Following(Installing):
    """What a node does with law that others keep."""

    def follow(
        self, tenant: str, url: str, pack: str, *, ref: str = "main", path: str = "", keys: Sequence[str]
    ) -> Source:
        """Follow one pack of a repository from now on; its commits must be signed by one of the keys.

        Following the same pack again changes the place and the keys, and leaves the pin where it stands.

        Args:
            tenant: Whose law.
            url: ``https://``, ``ssh://`` or ``file://``, or a folder.
            pack: The pack's name, which is that of its folder.
            ref: Branch or tag.
            path: Folder of the repository that holds the pack's folder; empty for the top.
            keys: Public keys as OpenSSH writes them, or paths of files with one; one at least.

        Raises:
            UsageRefused: no such address (``git-url``), no key (``source-keys``), or too many sources.
        """
        from bailiwick.adapters.packsource_git import checked_url
        from bailiwick.adapters.packsource_sshsig import read_public_key

        if not 1 <= len(keys) <= KEYS_MAX:
            raise UsageRefused(
                f"{len(keys)} keys were given; a source is signed by 1 to {KEYS_MAX}",
                hint="give the line of a .pub file, or its path: --key id_ed25519.pub",
                code="source-keys",
            )
        pinned = [read_public_key(_key_line(each)).text() for each in keys]
        address, _ = checked_url(url)
        stored: dict[str, JsonValue] = {
            "format": SOURCE_FORMAT,
            "salt": self._entropy.take(SALT_BYTES).hex(),
            "url": address,
            "ref": ref,
            "path": path.strip("/"),
            "pack": pack,
            "keys": [*pinned],
        }
        state = self.installer(tenant).state
        with state.exclusive() as now:
            name = self._named(tenant, now.sources, pack) or self._entropy.take(NAME_BYTES).hex()
            if name not in now.sources and len(now.sources) >= SOURCES_MAX:
                raise UsageRefused(
                    f"{SOURCES_MAX} places are followed already", hint="bailiwick pack unfollow", code="sources-many"
                )
            (settings,) = self._blobs.put_many(tenant, [canonical_bytes(stored)])
            self._record_source(tenant, name, settings, FOLLOWED)
            return self._source(tenant, name, state.now().sources[name])

    def unfollow(self, tenant: str, pack: str) -> Source:
        """Follow a pack's place no longer; what was installed from it stays in use.

        Raises:
            NotFound: it is not followed (code ``source-not-found``).
        """
        with self.installer(tenant).state.exclusive() as now:
            source = self._find_source(tenant, now.sources, pack)
            self._record_source(tenant, source.id, now.sources[source.id].settings, LEFT)
            return source

    def sources(self, tenant: str) -> list[Source]:
        """List the places that are followed, by pack."""
        found = self.installer(tenant).state.now().sources
        return sorted((self._source(tenant, name, each) for name, each in found.items()), key=lambda each: each.pack)

    def pull(
        self,
        tenant: str,
        pack: str,
        *,
        commit: str | None = None,
        attachments: Mapping[str, bytes] | None = None,
        may_rewind: bool = False,
    ) -> Pulled:
        """Fetch what a followed place has, check who signed it, move the pin, and give the pack that it offers.

        Args:
            tenant: Whose law.
            pack: Name of a followed pack.
            commit: The commit that was announced, on what is followed; None: the newest.
            attachments: Files that the pack pins and does not hold, by digest.
            may_rewind: Let the pin move to a commit that does not follow from the one before: history was rewritten.

        Raises:
            NotFound: it is not followed; the ref, the commit or the pack is not there.
            NotTrusted: no pinned key signed the commit, or that key was revoked, or it does not follow from the pin
                (``commit-rewound``). Recorded.
            PackRefused: it does not load, or a case of it fails. Recorded.
            Unavailable: the place cannot be reached.
        """
        state = self.installer(tenant).state
        source = self._find_source(tenant, state.now().sources, pack)
        mirror = self._mirror(tenant, source)
        tip = mirror.fetch(source.ref)
        wanted = commit or tip
        told: dict[str, JsonValue] = {}
        try:
            key = self._signer(tenant, mirror, source, wanted, tip)
            told["key"] = key.text()
            rewound = source.commit is not None and not mirror.is_ancestor(source.commit, wanted)
            if rewound and not may_rewind:
                raise _rewound(source, wanted)
            offer = self._offered(tenant, mirror, source, wanted, key=key, attachments=attachments or {})
            told |= {"name": offer.pack.name, "digest": offer.pack.digest}
        except BailiwickError as error:
            is_known = state.now().sources[source.id].refused == wanted  # a timer asks often, and told is told
            if error.exit_code == NotTrusted.exit_code and not is_known:
                self._record_source(tenant, source.id, None, REFUSED, commit=wanted, code=error.code, **told)
            raise
        with state.exclusive() as now:
            if now.sources.get(source.id) is None or now.sources[source.id].commit != source.commit:
                raise UsageRefused(f"another pull of {pack} was faster", hint="pull again", code="source-moved")
            moved = source.commit != wanted
            if moved:
                more: dict[str, JsonValue] = {"rewound": True} if rewound else {}
                self._record_source(tenant, source.id, None, MOVED, commit=wanted, **told, **more)
        return Pulled(source=source, commit=wanted, key=key, offer=offer, moved=moved)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _signer(self, tenant: str, mirror: GitMirror, source: Source, commit: str, tip: str) -> Verifier:
        key = mirror.signer(commit, [Verifier.read(each) for each in source.keys])
        if not mirror.is_ancestor(commit, tip):
            raise NotFound(
                f"commit {commit} is not on {source.ref} of {source.url}",
                hint="push it there first",
                code="git-commit-missing",
            )
        if self.installer(tenant).state.now().keys.is_revoked(key):
            raise NotTrusted(
                f"commit {commit} is signed by {key.text()}, which was revoked",
                hint="have it signed by another pinned key",
                code="key-revoked",
            )
        return key

    def _offered(
        self,
        tenant: str,
        mirror: GitMirror,
        source: Source,
        commit: str,
        *,
        key: Verifier,
        attachments: Mapping[str, bytes],
    ) -> Offer:
        from bailiwick.decisions import Attached

        files = mirror.packs(commit, source.path).files(source.pack)
        pack = load_pack(source.pack, files, Attached(tenant, self._blobs, attachments))
        lock = write_lock(lock_of(pack, files, engine_name()))
        law = Law(pack=pack, files=content_of(files), origin="folder")
        return self._offer(tenant, law, key, lock, source=source.id)

    def _mirror(self, tenant: str, source: Source) -> GitMirror:
        from bailiwick.adapters.packsource_git import GitMirror

        return GitMirror(self._tenants / tenant / "sources" / f"{source.id}.git", source.url)

    def _source(self, tenant: str, name: str, followed: FollowedSource) -> Source:
        stored: Any = parse_document(self._blobs.get(tenant, followed.settings))
        return Source(
            id=name,
            url=stored["url"],
            ref=stored["ref"],
            path=stored["path"],
            pack=stored["pack"],
            keys=tuple(stored["keys"]),
            commit=followed.commit,
        )

    def _named(self, tenant: str, sources: Mapping[str, FollowedSource], pack: str) -> str | None:
        with suppress(NotFound):
            return self._find_source(tenant, sources, pack).id
        return None

    def _find_source(self, tenant: str, sources: Mapping[str, FollowedSource], pack: str) -> Source:
        for name, followed in sources.items():
            source = self._source(tenant, name, followed)
            if source.pack == pack:
                return source
        raise NotFound(
            f"no place is followed for pack {pack[:80]!r}",
            hint="bailiwick pack follow URL NAME --ref main --key id_ed25519.pub",
            code="source-not-found",
        )

    def _record_source(self, tenant: str, source: str, settings: str | None, state: str, **more: JsonValue) -> None:
        """Record what became of a source; ``settings`` None: those that it has."""
        if settings is None:
            settings = self.installer(tenant).state.now().sources[source].settings
        detail: dict[str, JsonValue] = {
            "source": source,
            "settings": settings,
            "state": state,
            "commit": None,
            "key": None,
            "name": None,
            "digest": None,
            **more,
        }
        draft = Draft(
            event_type=SOURCE_CHANGED, resource=f"pack-source/{source}", detail=detail, actor=self.actor(tenant)
        )
        self.ledger(tenant).record(tenant, draft)


def _key_line(text: str) -> str:
    """Give a public key's line: the text itself, or the first line of the file that it names."""
    path = Path(text)
    if len(text) < 500 and not text.startswith("ssh-") and path.is_file():
        with path.open("rb") as stream:
            return stream.read(KEY_BYTES_MAX).decode("utf-8", "replace").partition("\n")[0]
    return text


def _rewound(source: Source, commit: str) -> NotTrusted:
    return NotTrusted(
        f"commit {commit} does not follow from {source.commit}, where {source.ref} of {source.url} was pinned",
        hint="history was rewritten there: ask why; to go along with it, pull with --rewind",
        code="commit-rewound",
    )
