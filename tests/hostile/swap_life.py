"""One process that has to do with swaps, beside others on one home.

    python -m tests.hostile.swap_life HOME call NAME...    calls them in turn until its input ends
    python -m tests.hostile.swap_life HOME hold NAME       takes every place of a module, and waits to be killed
    python -m tests.hostile.swap_life HOME swap NAME A B   swaps to one version after another

Each line on its output is ``ready``, what a call said (its module and version), or ``error`` and a code.
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from bailiwick.errors import BailiwickError
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor.inflight import PLACES
from tests.hostile.guests import PUPPET
from tests.hostile.stand import FREE
from tests.supervisor.conftest import AUTHOR, TENANT, asking, files_of, manifest_of, wasm_of

INVOKE = "bailiwick:invoke/invoke@0.1.0"
OTHER = {"ping": "pong", "pong": "ping"}


def files(name: str, version: str) -> dict[str, bytes]:
    """Give a version of a module that asks the host whatever it is told; it may call the other one."""
    wasm = wasm_of(PUPPET)
    asked = asking(INVOKE, "invoke", functions=[f"{OTHER[name]}.do"])
    return files_of(manifest_of(name, version=version, wasm=wasm, functions=FREE, capabilities=[asked]), wasm)


def make(home: Path) -> None:
    """Make a home where both modules are installed and may call each other."""
    Node.init(home, TENANT)
    with open_node(home) as node:
        registry, actor = node.supervisor.registry(TENANT), node.actor(TENANT)
        registry.trust(AUTHOR.verifier.text(), actor)
        for name in OTHER:
            registry.install(files(name, "1.0.0"), actor)
            registry.grant(name, INVOKE, actor)


def open_node(home: Path) -> Node:
    """Open the home."""
    return Node.open(Settings.resolve(home=home, environ={}))


def asking_of(name: str) -> bytes:
    """Give an input with which a module calls the other one, which then tries to call back."""
    back = {"module": name, "function": "do", "input": "{}"}
    text = json.dumps({"interface": INVOKE, "function": "invoke", "input": back})
    there = {"module": OTHER[name], "function": "do", "input": text}
    return json.dumps({"interface": INVOKE, "function": "invoke", "input": there}).encode()


def say(*words: str) -> None:
    """Write one line at once."""
    print(*words, flush=True)


def live(home: Path, act: str, *given: str) -> None:
    """Do one thing."""
    with open_node(home) as node:
        fleet, actor = node.supervisor, node.actor(TENANT)
        if act == "hold":
            with ExitStack() as held:
                for _ in range(PLACES):
                    held.enter_context(fleet.swapper(TENANT).inflight.entered(given[0]))
                say("ready")
                threading.Event().wait()
        if act == "swap":
            name, *versions = given
            for version in versions:
                fleet.swapper(TENANT).swap(fleet.swapper(TENANT).plan(files(name, version), actor, calls=0), actor)
                say("swapped", name, version)
        if act == "call":
            call_on(lambda name: fleet.call(TENANT, name, "do", asking_of(name), actor), given)


def call_on(call, names: tuple[str, ...]) -> None:
    """Call in turn until the input ends."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
    while not ended.is_set():
        for name in names:
            try:
                answer = call(name)
            except BailiwickError as error:
                say("error", error.code, error.message)
                continue
            told = answer.value["ok"]
            assert '"cycle"' in told, told
            say(name, answer.module.version)


if __name__ == "__main__":
    live(Path(sys.argv[1]), *sys.argv[2:])
