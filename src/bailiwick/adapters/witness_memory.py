"""A witness in this process that can be unplugged, or made to say anything: for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable

from bailiwick.errors import Unavailable
from bailiwick.model import WitnessAnswer
from bailiwick.ports import Witness


class MemoryWitness:
    """See ``ports.Witness``. Passes on what ``inside`` answers, unless it ``is_down`` or told to ``say`` otherwise."""

    def __init__(self, inside: Witness) -> None:
        self._inside = inside
        self.is_down = False
        self.say: Callable[[bytes], WitnessAnswer] | None = None
        self.show: bytes | None = None
        self.requests: list[bytes] = []

    def add_checkpoint(self, request: bytes) -> WitnessAnswer:
        """Ask for a cosignature."""
        self._check_up()
        self.requests.append(request)
        return self._inside.add_checkpoint(request) if self.say is None else self.say(request)

    def checkpoint(self, origin: str) -> bytes:
        """Give the newest checkpoint that it cosigned for a ledger."""
        self._check_up()
        return self._inside.checkpoint(origin) if self.show is None else self.show

    def _check_up(self) -> None:
        if self.is_down:
            raise Unavailable("the witness does not answer", hint="ask again later", code="witness-unreachable")
