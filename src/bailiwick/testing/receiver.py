"""A receiver of effects over HTTP that does everything a receiver should: it checks, honours keys, and keeps fences.

    with EffectReceiver(is_signed=by_secret(b"...")) as receiver:
        receiver.url           # http://127.0.0.1:…
        receiver.acts          # each act, once, by key, as the bytes of its message

It is the answer to "how do I write one" in running code; ``docs/howto/perform-effects.md`` has its check in ten lines.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from bailiwick.keys import Verifier

BODY_BYTES_MAX = 1 << 20
"""Largest message that is taken, in bytes."""
IsSigned = Callable[[bytes, str], bool]
"""Says whether a signature, as the header has it, is over some bytes."""


def by_secret(secret: bytes) -> IsSigned:
    """Check signatures by a secret that both sides have."""

    def is_signed(data: bytes, signature: str) -> bool:
        """Compare in the same time whatever differs."""
        wanted = "hmac-sha256=" + hmac.new(secret, data, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.encode())

    return is_signed


def by_key(verifier: Verifier) -> IsSigned:
    """Check signatures by the sender's public key."""

    def is_signed(data: bytes, signature: str) -> bool:
        """Check an Ed25519 signature."""
        name, _, encoded = signature.partition("=")
        return name == "ed25519" and verifier.is_signed(data, base64.b64decode(encoded))

    return is_signed


class EffectReceiver:
    """Serves on this machine, each request in a thread of its own. A context manager.

    ``acts`` has the body of the first message under each key, ``refused`` the status of each request that was refused,
    ``asked`` counts every request. ``before`` is called with each key before it is acted upon, ``after`` once that is
    done and nobody was told yet.
    """

    def __init__(
        self,
        *,
        is_signed: IsSigned,
        before: Callable[[str], None] = lambda _: None,
        after: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.acts: dict[str, bytes] = {}
        self.refused: list[int] = []
        self.asked = 0
        self.fence = 0
        self._is_signed = is_signed
        self._before = before
        self._after = after
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}/effects"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, headers: Any, body: bytes) -> tuple[int, bool]:
        """Judge one request and act on it, and give the status and whether the act was done before.

        401: not signed by the sender; 412: a newer executor was here; 202: the act is done, now or before.
        """
        key, fence = headers.get("Idempotency-Key", ""), headers.get("Bailiwick-Fence", "")
        signed = f"{headers.get('Bailiwick-Time')}\n{key}\n{fence}\n".encode() + body
        if not self._is_signed(signed, headers.get("Bailiwick-Signature", "")):
            return 401, False
        self._before(key)
        with self._lock:
            if int(fence) < self.fence:
                return 412, False
            self.fence = int(fence)
            is_known = key in self.acts
            self.acts.setdefault(key, body)
        self._after(key)
        return 202, is_known


def _handler(receiver: EffectReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one connection."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take one message."""
            receiver.asked += 1
            size = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(min(size, BODY_BYTES_MAX))
            status, was_before = receiver.take(self.headers, body)
            if status >= 400:
                receiver.refused.append(status)
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if was_before:
                self.send_header("Idempotent-Replayed", "true")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
