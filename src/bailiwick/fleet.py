"""The door to the modules of a home: joins the supervisor to the node's rooms and adapters. No use case lives here.

with Fleet(Settings.resolve(environ=os.environ)) as fleet:
    fleet.supervisor.registry("local").install(files, fleet.actor("local"))
    print(fleet.supervisor.call("local", "clock-reader", "read", b"{}", fleet.actor("local")).to_json())
"""

from __future__ import annotations

import hmac
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import Literal, Self

from bailiwick.adapters.blobstore_sqlite import SqliteBlobStore
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import system_keys
from bailiwick.engine import CodeCache, Compiler
from bailiwick.errors import NotFound, UsageRefused
from bailiwick.keys import SEED_BYTES, Signer, new_secret
from bailiwick.model import Actor
from bailiwick.node import ORIGIN_NAME, PSEUDONYM_NAME, Node
from bailiwick.ports import Clock, Disk, Entropy
from bailiwick.settings import Settings
from bailiwick.supervisor import NodeRules, Supervisor

CODE_FOLDER = "code"
"""Where a home keeps compiled code; it can be removed at any time."""
CODE_KEY_BYTES = 32
CODE_OWNER, CODE_KEY = "node", "compiled-code"
"""Where its key lies among the keys; it belongs to no tenant, and a tenant of that name has no key of that name."""
STATE_CONTEXT = b"modules\n"
"""What the secret of a tenant's folded state is derived for."""
AUTHOR_NAME = "author"
"""Name of the key that signs a tenant's own modules."""


class Fleet:
    """The modules of every tenant of one home. A context manager; several may run on one home, in several processes."""

    def __init__(
        self,
        settings: Settings,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        """Open a home; the engine starts when something needs it.

        Raises:
            NotFound: there is no home there.
        """
        self._settings = settings
        self._closing = ExitStack()
        self._disk = disk or SystemDisk()
        self._closing.callback(self._disk.close)
        self._clock = clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        self._keys = system_keys(settings.home / "keys", self._disk, self._entropy)
        self.node = self._closing.enter_context(
            Node.open(settings, disk=self._disk, clock=self._clock, entropy=self._entropy)
        )
        self.node.artefact = self._code_of

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything."""
        self._closing.close()

    @cached_property
    def code(self) -> CodeCache:
        """The compiled code of this home's modules, made by workers of their own."""
        return CodeCache(self._settings.home / CODE_FOLDER, self._code_key(), make=Compiler())

    @cached_property
    def supervisor(self) -> Supervisor:
        """The one supervisor of this process, on the node's engine."""
        tenants = self._settings.home / "tenants"
        blobs = SqliteBlobStore(tenants, self._keys, self._entropy)
        self._closing.callback(blobs.close)
        return Supervisor(
            self.node.engine,
            open_ledger=self.node.ledger,
            blobs=blobs,
            cursors=FileCursorStore(tenants, self._disk),
            clock=self._clock,
            entropy=self._entropy,
            secret_of=self._secret,
            rules=NodeRules.read(self._settings.modules()),
        )

    def actor(self, tenant: str) -> Actor:
        """Give the local operating-system user as an opaque actor of the tenant."""
        return self.node.actor(tenant)

    def author(self, tenant: str) -> Signer:
        """Give the key that a tenant signs its own modules with, made when first asked for, and trusted by it.

        Trusting one's own key is a record like trusting another's; a key that was revoked stays so.

        Raises:
            NotTrusted: the tenant has revoked its own key (code ``key-revoked``).
        """
        try:
            secret = self._keys.get(tenant, AUTHOR_NAME)
        except NotFound:
            secret = new_secret(self._entropy.take(SEED_BYTES))
            self._keys.put(tenant, AUTHOR_NAME, secret)
        origin = self._keys.get(tenant, ORIGIN_NAME).decode()
        signer = Signer(f"{origin}/{AUTHOR_NAME}", secret)
        self.supervisor.registry(tenant).trust(signer.verifier.text(), self.actor(tenant))
        return signer

    def _code_of(self, wasm: bytes, kind: Literal["core", "component"]) -> bytes:
        return self.code(wasm, kind)

    def _code_key(self) -> bytes:
        try:
            return self._keys.get(CODE_OWNER, CODE_KEY)
        except NotFound:
            # Where another process was first, its key is the one.
            with suppress(UsageRefused):
                self._keys.put(CODE_OWNER, CODE_KEY, self._entropy.take(CODE_KEY_BYTES))
            return self._keys.get(CODE_OWNER, CODE_KEY)

    def _secret(self, tenant: str) -> bytes:
        return hmac.new(self._keys.get(tenant, PSEUDONYM_NAME), STATE_CONTEXT, "sha256").digest()
