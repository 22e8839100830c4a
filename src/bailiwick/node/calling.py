"""The modules that the rules of a pack call, run on an engine: for a tenant, or for whoever tries a pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from bailiwick.adapters.packsource_builtin import builtin_module
from bailiwick.decisions import calling, check_modules
from bailiwick.engine import Engine, Guest
from bailiwick.errors import NotFound
from bailiwick.model import Decision, JsonValue, ModuleRef, Run, Tier
from bailiwick.packs import CallModule, ModuleUse, Pack, evaluate

Decider = Callable[[Pack, Mapping[str, JsonValue], str], Decision]
"""Decides the facts of a pack's case by the law of a day."""


def caller(engine: Callable[[], Engine], binary: Callable[[str], bytes]) -> CallModule:
    """Give a function that runs pinned modules on the smallest budget, loading each when it is first called.

    Args:
        engine: Gives the engine; asked when the first module is called.
        binary: Gives a module by its digest.
    """

    @cache
    def guest(digest: str) -> Guest:
        """Load a module."""
        return engine().load(binary(digest))

    def run(use: ModuleUse, message: bytes) -> Run:
        """Run a function of a module."""
        return engine().run(guest(use.digest), use.function, message, Tier.LIGHTWEIGHT.budget)

    return calling(run)


@contextmanager
def trying(pack: Pack) -> Iterator[Decider]:
    """Give what decides the cases of a pack with the modules that come with bailiwick, while the context is open.

    Raises:
        NotFound: the pack pins a module that does not come with bailiwick.
        ModuleRefused: the pack pins another version of it.
    """
    modules = dict(_shipped(pack))
    check_modules(pack, modules)
    by_digest = {reference.digest: wasm for reference, wasm in modules.values()}
    with Engine() as engine:
        yield decider(caller(lambda: engine, by_digest.__getitem__))


def decider(call_module: CallModule) -> Decider:
    """Give what decides the cases of a pack whose rules call modules."""

    def decide(judged: Pack, facts: Mapping[str, JsonValue], legal_date: str) -> Decision:
        """Decide facts as a caller would: the moment of knowing is the fact ``known_at``, where that is text."""
        known_at = facts.get("known_at")
        moment = known_at if isinstance(known_at, str) else None
        return evaluate(judged, facts, legal_date, moment, call_module=call_module)

    return decide


def _shipped(pack: Pack) -> Iterator[tuple[str, tuple[ModuleRef, bytes]]]:
    for name in {*pack.modules, *(reader.module for reader in pack.intake.values())}:
        try:
            yield name, builtin_module(name)
        except NotFound:
            continue  # ``check_modules`` says which is missing, and what to do
