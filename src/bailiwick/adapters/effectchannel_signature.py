"""The signature that goes with an effect over HTTP, so that its receiver can tell that it is ours, whole and fresh.

What is signed is the time, the key and the fence, each followed by a line end, and then the body, byte for byte:

    2026-01-02T03:04:05.000000006Z\\nhmac-sha256:ab…\\n40\\n{"decision":…}\\n
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

from bailiwick.keys import Signer

Sign = Callable[[bytes], str]
"""Gives what stands in the header ``Bailiwick-Signature`` for the bytes that are signed."""


def signed_bytes(time: str, key: str, fence: int, body: bytes) -> bytes:
    """Give the bytes that a signature is over."""
    return f"{time}\n{key}\n{fence}\n".encode() + body


def sign_by_secret(secret: bytes) -> Sign:
    """Sign with a secret that the receiver has too: ``hmac-sha256=`` and 64 hexadecimal digits."""
    return lambda data: "hmac-sha256=" + hmac.new(secret, data, hashlib.sha256).hexdigest()


def sign_by_key(signer: Signer) -> Sign:
    """Sign with a private key of ours; the receiver has the public one: ``ed25519=`` and base64 of 64 bytes."""
    return lambda data: "ed25519=" + base64.b64encode(signer.sign(data)).decode("ascii")
