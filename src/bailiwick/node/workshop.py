"""The author's bench: which toolchain builds which language, what runs a module there, what it may ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bailiwick.engine import Compiler, Engine
from bailiwick.node.engines import BUILT_HERE, Tell, script_engine, silent_text
from bailiwick.node.node import Node
from bailiwick.ports import HostService, Toolchain
from bailiwick.settings import NODE_FILE, Settings


def toolchain_for(language: str, folder: Path) -> Toolchain:
    """Give the toolchain of one of ``authoring.LANGUAGES``; ``folder`` is the module's, where its packages may lie."""
    if language == "python":
        from bailiwick.adapters.toolchain_componentize import ComponentizeToolchain

        return ComponentizeToolchain()
    if language == "javascript":
        from bailiwick.adapters.toolchain_quickjs import QuickjsToolchain

        return QuickjsToolchain(folder)
    if language == "assemblyscript":
        from bailiwick.adapters.toolchain_assemblyscript import AssemblyscriptToolchain

        return AssemblyscriptToolchain(folder)
    if language == "rust":
        from bailiwick.adapters.toolchain_rust import RustToolchain

        return RustToolchain()
    return _small_toolchain(language)


def _small_toolchain(language: str) -> Toolchain:
    """Give a toolchain that needs nothing beside this Python's own packages."""
    if language == "script":
        from bailiwick.adapters.toolchain_script import ScriptToolchain

        return ScriptToolchain()
    if language == "wat":
        from bailiwick.adapters.toolchain_wat import WatToolchain

        return WatToolchain()
    from bailiwick.adapters.toolchain_zig import ZigToolchain

    return ZigToolchain()


@contextmanager
def desk_engine(settings: Settings) -> Iterator[Engine]:
    """Give an engine to try modules on, which compiles them in workers of their own.

    Where the settings mean a home, that is the home's engine, which keeps what was compiled.
    """
    if (settings.home / NODE_FILE).is_file():
        with Node.open(settings) as node:
            yield node.engine
    else:
        with Engine(artefact=Compiler()) as engine:
            yield engine


def desk_runner(settings: Settings, name: str, tell: Tell = silent_text) -> bytes:
    """Give the engine of scripts that a home has, or would have; without a home it is built anew where it is built.

    Raises: as ``Node.script_engine``.
    """
    if name in BUILT_HERE and (settings.home / NODE_FILE).is_file():
        with Node.open(settings) as node:
            node.tell = tell
            return node.script_engine(name)
    return script_engine(name, tell=tell)


def desk_services() -> Mapping[str, HostService]:
    """Give the services that need no home, by interface: log, clock, random and config."""
    from bailiwick.adapters.clock_system import SystemClock
    from bailiwick.adapters.entropy_system import SystemEntropy
    from bailiwick.supervisor import homeless_services

    return homeless_services(SystemClock(), SystemEntropy())
