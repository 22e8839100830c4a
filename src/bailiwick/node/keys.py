"""Which secrets a tenant has, by name, and how they are made where they are missing."""

from __future__ import annotations

from collections.abc import Callable

from bailiwick.errors import NotFound
from bailiwick.keys import SEED_BYTES, new_secret
from bailiwick.ports import Entropy, KeyStore

PSEUDONYM_NAME = "pseudonym"
SIGNING_NAME = "ledger"
"""Name of the key that signs the ledger first; each later one has ``-2``, ``-3`` after it."""
ORIGIN_NAME = "origin"
WITNESS_NAME = "witness"
"""Name of the key that a tenant cosigns with, and of what it is called, with ``-name``."""
AUTHOR_NAME = "author"
"""Name of the key that signs a tenant's own modules."""
EFFECTS_NAME = "effects"
"""Name of the key that signs effects for receivers that have its public half."""
CODE_OWNER, CODE_KEY = "node", "compiled-code"
"""Where the key of compiled code lies; it belongs to no tenant, and a tenant of that name has no key of that name."""
SECRET_BYTES = 32
ID_BYTES = 8
"""Length of the opaque ids of nodes, ledgers and witnesses, in bytes of randomness."""


def make_secrets(keys: KeyStore, tenant: str, entropy: Entropy) -> None:
    """Make what every tenant has: a key for pseudonyms, one that signs its ledger, and the ledger's origin."""
    keep_secret(keys, tenant, PSEUDONYM_NAME, lambda: entropy.take(SECRET_BYTES))
    keep_secret(keys, tenant, SIGNING_NAME, lambda: new_secret(entropy.take(SEED_BYTES)))
    keep_secret(keys, tenant, ORIGIN_NAME, lambda: b"bailiwick/" + entropy.take(ID_BYTES).hex().encode())


def keep_secret(keys: KeyStore, tenant: str, name: str, make: Callable[[], bytes]) -> None:
    """Make and keep a secret, unless the tenant has one of that name."""
    try:
        keys.get(tenant, name)
    except NotFound:
        keys.put(tenant, name, make())
