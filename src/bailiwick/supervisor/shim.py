"""Runs a guest with the host at hand, where the engine links one."""

from __future__ import annotations

from typing import Any

from bailiwick.model import Budget, Run


def run_guest(engine: Any, guest: Any, asked: tuple[str, bytes], budget: Budget, *, host: Any) -> Run:
    """Run a guest."""
    extra = {"host": host} if hasattr(guest, "imports") else {}
    run: Run = engine.run(guest, *asked, budget, **extra)
    return run
