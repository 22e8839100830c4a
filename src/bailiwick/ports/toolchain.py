"""The seam to compilers: what turns an author's source into WebAssembly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What is to be built. ``main`` is one of ``sources``; both ``sources`` and ``wit`` are file name to content.

    ``world`` names the world in ``wit`` that the module fills; empty where the guest form has none (core modules).
    ``is_typed``: the author's code exports the functions of the world itself, with nothing between it and the host.
    """

    name: str
    main: str
    sources: Mapping[str, bytes]
    wit: Mapping[str, bytes]
    world: str
    is_typed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildAnswer:
    """A binary, and the command that made it, with no path of a machine in it."""

    wasm: bytes
    command: tuple[str, ...]


class Toolchain(Protocol):
    """Builds modules of one language, in a folder of its own that is gone afterwards."""

    @property
    def is_reproducible(self) -> bool:
        """Whether two builds of the same source are the same bytes."""
        ...

    def version(self) -> str:
        """Name the compiler and its version, such as ``ziglang 0.17.1``.

        Raises:
            Unavailable: it is not installed (code ``toolchain-missing``); the hint says how to get it.
        """
        ...

    def build(self, order: BuildOrder) -> BuildAnswer:
        """Build a module.

        Raises:
            InputRefused: the source does not compile (code ``build-failed``); the message is the compiler's, bounded.
            Unavailable: the compiler is missing or took too long (codes ``toolchain-missing``, ``build-deadline``).
        """
        ...
