"""The author's bench: which toolchain builds which language, and what a module may ask there. Opens no home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bailiwick.ports import HostService, Toolchain


def toolchain_for(language: str, folder: Path) -> Toolchain:
    """Give the toolchain of one of ``authoring.LANGUAGES``; ``folder`` is the module's, where its packages may lie."""
    if language == "python":
        from bailiwick.adapters.toolchain_componentize import ComponentizeToolchain

        return ComponentizeToolchain()
    if language == "javascript":
        from bailiwick.adapters.toolchain_quickjs import QuickjsToolchain

        return QuickjsToolchain(folder)
    if language == "wat":
        from bailiwick.adapters.toolchain_wat import WatToolchain

        return WatToolchain()
    from bailiwick.adapters.toolchain_zig import ZigToolchain

    return ZigToolchain()


def desk_services() -> Mapping[str, HostService]:
    """Give the services that need no home, by interface: log, clock, random and config."""
    from bailiwick.adapters.clock_system import SystemClock
    from bailiwick.adapters.entropy_system import SystemEntropy
    from bailiwick.supervisor import homeless_services

    return homeless_services(SystemClock(), SystemEntropy())
