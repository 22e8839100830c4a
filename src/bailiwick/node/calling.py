"""The modules that the rules of a pack call, run on an engine: for a tenant, or for whoever tries a pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from bailiwick.adapters.packsource_builtin import builtin_module
from bailiwick.decisions import calling, check_modules
from bailiwick.engine import Engine
from bailiwick.errors import NotFound
from bailiwick.model import Decision, JsonValue, ModuleRef, Run
from bailiwick.packs import CallModule, ModuleUse, Pack, evaluate
from bailiwick.supervisor import Step, load_step

Decider = Callable[[Pack, Mapping[str, JsonValue], str], Decision]
"""Decides the facts of a pack's case by the law of a day."""


def no_piece(digest: str) -> bytes:
    """Say that there are no engines of scripts: what ships with bailiwick for packs is compiled.

    Raises:
        NotFound: always (code ``script-engine``).
    """
    raise NotFound(
        f"the engine piece {digest} of a script is not kept here",
        hint="try the pack where its script is installed: bailiwick pack install FOLDER",
        code="script-engine",
    )


def caller(
    engine: Callable[[], Engine], binary: Callable[[str], bytes], piece: Callable[[str], bytes] = no_piece
) -> CallModule:
    """Give a function that runs pinned modules, loading each when it is first called.

    A binary runs on the smallest budget, a script on that of its tier.

    Args:
        engine: Gives the engine; asked when the first module is called.
        binary: Gives a module, or a script as a step, by its digest.
        piece: Gives a piece of an engine of scripts by its digest.
    """

    @cache
    def step(digest: str) -> Step:
        """Load a module."""
        return load_step(binary(digest), engine(), piece)

    def run(use: ModuleUse, message: bytes) -> Run:
        """Run a function of a module."""
        loaded = step(use.digest)
        return engine().run(loaded.guest, use.function, message, loaded.budget)

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
