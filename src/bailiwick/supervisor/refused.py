"""An answer of the host to a guest that may not have what it asked for."""

from __future__ import annotations


class HostRefused(Exception):
    """The host answers a guest's question with an error: a stable code, and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
