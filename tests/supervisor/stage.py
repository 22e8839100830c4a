"""A stage for calls: a house with one module and a guest that does what it is told."""

from __future__ import annotations

from bailiwick.engine import HostRefused
from bailiwick.supervisor import NodeRules
from bailiwick.supervisor.kept import kept_parts

from .conftest import AUTHOR, OPERATOR, TENANT, House, asking, files_of, manifest_of
from .scripted import ScriptedEngine

INVOKE = "bailiwick:invoke/invoke@0.1.0"
AUDIT, READ = "bailiwick:audit/log@0.1.0", "bailiwick:audit/read@0.1.0"
LOG, RANDOM, CONFIG = "bailiwick:log/log@0.1.0", "bailiwick:random/random@0.1.0", "bailiwick:config/config@0.1.0"
FREE = {"title": "Anything", "input": True, "output": True}


class Stage:
    """A tenant whose modules are Python functions."""

    def __init__(self, rules: NodeRules | None = None) -> None:
        self.engine = ScriptedEngine()
        self.house = House(self.engine, rules=rules or NodeRules())
        self.fleet = self.house.open()
        self.registry = self.fleet.registry(TENANT)
        self.registry.trust(AUTHOR.verifier.text(), OPERATOR)

    def add(self, name, program, *capabilities, grant=True, tenant=TENANT, function=None, **changes):
        """Install a module that runs a program, with what it asks for granted."""
        wasm = f"{name} {changes.get('version', '1.0.0')}".encode()
        self.engine.programs[wasm] = program
        changes.setdefault("functions", {"do": {**FREE, **(function or {})}})
        manifest = manifest_of(name, wasm=wasm, capabilities=list(capabilities), **changes)
        registry = self.fleet.registry(tenant)
        registry.install(files_of(manifest, wasm), OPERATOR)
        for each in capabilities if grant else ():
            registry.grant(name, each["interface"], OPERATOR)

    def call(self, name="asker", given=b"{}", function="do", tenant=TENANT):
        """Call a module."""
        return self.fleet.call(tenant, name, function, given, OPERATOR)

    def last(self, event_type="module.called"):
        """Give the newest record of a type."""
        return [each for each in self.house.events() if each.event_type == event_type][-1]

    def transcript(self):
        """Give the transcript of the newest call."""
        return kept_parts(TENANT, self.house.blobs, self.last())[2]


def answering(value):
    """Give a program that answers the same."""
    return lambda asked: value


def invoking(module, function="do", text="{}"):
    """Give a program that calls a function of another module and answers what that gave, or how it was refused."""

    def program(asked):
        try:
            return asked.ask(INVOKE, "invoke", module=module, function=function, input=text)
        except HostRefused as refused:
            return refused.code

    return program


def may_call(*functions):
    """Give what a manifest asks for to call functions."""
    return asking(INVOKE, "invoke", functions=list(functions))
