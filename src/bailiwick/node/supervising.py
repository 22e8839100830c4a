"""The theme of modules: the supervisor of this home's tenants, the author's key, and the compiled code that is kept."""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from functools import cached_property
from importlib.resources import files
from typing import Literal

from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.canonical import digest
from bailiwick.engine import CodeCache, Compiler, Engine
from bailiwick.errors import NotFound, UsageRefused
from bailiwick.keys import SEED_BYTES, Signer, new_secret
from bailiwick.node.engines import ENGINES_FOLDER, Tell, script_engine, silent_text
from bailiwick.node.keys import (
    AUTHOR_NAME,
    CODE_KEY,
    CODE_OWNER,
    ORIGIN_NAME,
    PSEUDONYM_NAME,
    SECRET_BYTES,
    keep_secret,
)
from bailiwick.node.parts import Parts
from bailiwick.supervisor import NodeRules, Supervisor

CODE_FOLDER = "code"
"""Where a home keeps compiled code; it can be removed at any time."""
STATE_CONTEXT = b"modules\n"
"""What the secret of a tenant's folded state is derived for."""


class Supervising(Parts):
    """What a node does with modules that tenants install. Several may run on one home, in several processes.

    ``tell`` is told what takes long, in a line; whoever opens a node may put another function there.
    """

    tell: Tell = staticmethod(silent_text)

    @cached_property
    def engine(self) -> Engine:
        """The one engine of this process, started when first needed."""
        return self._closing.enter_context(Engine(artefact=self._code_of))

    @cached_property
    def code(self) -> CodeCache:
        """The compiled code of this home's modules, made by workers of their own."""
        return CodeCache(self.settings.home / CODE_FOLDER, self._code_key(), make=Compiler())

    @cached_property
    def supervisor(self) -> Supervisor:
        """The one supervisor of this process, on the node's engine."""
        return Supervisor(
            self.engine,
            open_ledger=self.ledger,
            blobs=self._blobs,
            cursors=FileCursorStore(self._tenants, self._disk),
            clock=self._clock,
            entropy=self._entropy,
            secret_of=self._state_secret,
            rules=NodeRules.read(self.settings.modules()),
            runner_of=self.script_engine,
        )

    def author(self, tenant: str) -> Signer:
        """Give the key that a tenant signs its own modules with, made when first asked for, and trusted by it.

        Trusting one's own key is a record like trusting another's; a key that was revoked stays so.

        Raises:
            NotTrusted: the tenant has revoked its own key (code ``key-revoked``).
        """
        keep_secret(self._keys, tenant, AUTHOR_NAME, lambda: new_secret(self._entropy.take(SEED_BYTES)))
        origin = self._keys.get(tenant, ORIGIN_NAME).decode()
        signer = Signer(f"{origin}/{AUTHOR_NAME}", self._keys.get(tenant, AUTHOR_NAME))
        self.supervisor.registry(tenant).trust(signer.verifier.text(), self.actor(tenant))
        return signer

    @cached_property
    def _shipped(self) -> frozenset[str]:
        """Digests of the modules that come with this package."""
        folders = (files("bailiwick") / "builtin" / "modules").iterdir()
        return frozenset(json.loads((each / "module.json").read_bytes())["digest"] for each in folders if each.is_dir())

    def script_engine(self, name: str) -> bytes:
        """Give an engine of scripts: QuickJS comes with this package, CPython is built where it is first wanted.

        Raises:
            ModuleRefused: it has to be built here, and the toolchain is not installed (code ``script-engine``).
        """
        place = self.settings.home / ENGINES_FOLDER
        return script_engine(name, kept=lambda: (place, self._code_key()), tell=self.tell)

    def _code_of(self, wasm: bytes, kind: Literal["core", "component"]) -> bytes | None:
        """Give compiled code of a module of others; None for what ships, which is compiled where it is needed."""
        return None if digest(wasm) in self._shipped else self.code(wasm, kind)

    def _code_key(self) -> bytes:
        try:
            return self._keys.get(CODE_OWNER, CODE_KEY)
        except NotFound:
            # Where another process was first, its key is the one.
            with suppress(UsageRefused):
                self._keys.put(CODE_OWNER, CODE_KEY, self._entropy.take(SECRET_BYTES))
            return self._keys.get(CODE_OWNER, CODE_KEY)

    def _state_secret(self, tenant: str) -> bytes:
        return hmac.new(self._keys.get(tenant, PSEUDONYM_NAME), STATE_CONTEXT, "sha256").digest()
