"""One life of a node that swaps a module, made to be killed: calls, swaps, rolls back, and says what is durable.

    python swap_worker.py HOME [N]     with N, dies before the N-th change that it asks of its disk

Lines on stdout are those of ``module_worker``. Every act looks first whether an earlier life did it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from module_worker import AUTHOR, NAME, TENANT, Killing, files_of, say

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk


def live(home: Path, turn: int) -> None:
    """Do everything that is not done yet."""
    Node.init(home, TENANT)
    disk = FaultyDisk(SystemDisk(), after=1, fault=Killing(turn), stays=True)
    with Node.open(Settings.resolve(home=home, environ={}), disk=disk) as node:
        registry, actor, ledger = node.supervisor.registry(TENANT), node.actor(TENANT), node.ledger(TENANT)
        swapper = node.supervisor.swapper(TENANT)

        def did(act: str) -> None:
            say(f"did {act} {ledger.size()}")

        say("did open 0")
        registry.trust(AUTHOR.verifier.text(), actor)
        if NAME not in registry.state.now().modules:
            registry.install(files_of("1.0.0"), actor)
        node.supervisor.call(TENANT, NAME, "greet", b"{}", actor)
        did("call")
        floor = registry.state.now().floors[NAME]
        if floor.version == "1.0.0":
            swapper.swap(swapper.plan(files_of("1.1.0"), actor), actor)
        did("swap")
        node.supervisor.call(TENANT, NAME, "greet", b"{}", actor)
        did("call-again")
        if NAME in registry.state.now().previous:
            swapper.roll_back(NAME, actor)
        did("rollback")
        node.supervisor.call(TENANT, NAME, "greet", b"{}", actor)
    say("end")


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
