"""A build completes the manifest with what came out, and nothing else."""

import json

import pytest

from bailiwick.adapters.toolchain_wat import WatToolchain
from bailiwick.authoring import build, compare_builds, read_project
from bailiwick.canonical import digest
from bailiwick.errors import InputRefused
from bailiwick.ports import BuildAnswer
from bailiwick.schema import Schemas


class Wandering:
    """A toolchain whose builds differ, whatever it promises."""

    def __init__(self, *, promises):
        self.is_reproducible = promises
        self.count = 0

    def version(self):
        return "wandering 1"

    def build(self, order):
        self.count += 1
        return BuildAnswer(wasm=b"%d" % self.count, command=("wander",))


def test_the_manifest_names_binary_source_and_compiler(files, built):
    """Wrong if a signature over the manifest would not cover what runs and where it came from."""
    manifest = json.loads(built.manifest)
    assert manifest["digest"] == digest(built.wasm)
    assert manifest["source"] == {"file": "module.wat", "digest": digest(files["module.wat"])}
    assert manifest["build"]["compiler"].startswith("wasmtime ")
    Schemas().contract("module-manifest").check(manifest)


def test_building_again_changes_nothing(files, built):
    """Wrong if a build drifted from build to build."""
    assert build(read_project({**files, **built.files}), WatToolchain()) == built


def test_what_the_author_wrote_stays(files, built):
    """Wrong if a build lost a word of the manifest."""
    before, after = json.loads(files["module.json"]), json.loads(built.manifest)
    assert {key: after[key] for key in before if key != "source"} == {k: before[k] for k in before if k != "source"}


def test_text_that_is_no_module_is_refused_with_the_place(files):
    """Wrong if the author had to guess where."""
    with pytest.raises(InputRefused, match="1:10") as caught:
        build(read_project({**files, "module.wat": b"(module ("}), WatToolchain())
    assert caught.value.code == "build-failed"


def test_equal_builds_compare_as_same(files):
    """Wrong if a toolchain that keeps its promise were blamed."""
    compared = compare_builds(read_project(files), WatToolchain())
    assert compared.is_same
    assert compared.is_promised


def test_a_broken_promise_shows(files):
    """Wrong if two different binaries passed for one."""
    compared = compare_builds(read_project(files), Wandering(promises=True))
    assert not compared.is_same
    assert compared.is_promised


def test_an_interface_without_a_contract_cannot_be_asked_for(files):
    """Wrong if a world were written with an import that means nothing."""
    manifest = json.loads(files["module.json"])
    manifest |= {
        "abi": "component-call/1",
        "capabilities": [{"interface": "bailiwick:teleport/beam@0.1.0", "functions": ["beam"], "reason": "far away"}],
    }
    with pytest.raises(InputRefused) as caught:
        build(read_project({**files, "module.json": json.dumps(manifest).encode()}), WatToolchain())
    assert caught.value.code == "module-interface-unknown"


class Looking(Wandering):
    """A toolchain that keeps what it was asked."""

    def build(self, order):
        self.order = order
        return super().build(order)


@pytest.fixture
def typed(files):
    manifest = {**json.loads(files["module.json"]), "abi": "component/1"}
    clock = {"interface": "bailiwick:clock/clock@0.1.0", "functions": ["now"], "reason": "dates its answer"}
    return {**files, "module.json": json.dumps({**manifest, "capabilities": [clock]}).encode()}


def test_an_authors_own_world_goes_to_the_compiler_with_what_it_imports(typed):
    """Wrong if a module with typed exports were built for another world than its author wrote."""
    world = b"package acme:pay@1.0.0;\nworld pay {\n import bailiwick:clock/clock@0.1.0;\n export f: func();\n}\n"
    toolchain = Looking(promises=False)
    build(read_project({**typed, "world.wit": world}), toolchain)
    order = toolchain.order
    assert (order.world, order.is_typed) == ("pay", True)
    assert order.wit["world.wit"] == world
    assert sorted(order.wit) == ["deps/clock/clock.wit", "world.wit"]


@pytest.mark.parametrize("world", [None, b"", b"package acme:pay@1.0.0;\ninterface pay {}\n"])
def test_typed_exports_need_a_world(typed, world):
    """Wrong if the compiler were asked to guess."""
    more = {} if world is None else {"world.wit": world}
    with pytest.raises(InputRefused) as caught:
        build(read_project({**typed, **more}), Looking(promises=False))
    assert caught.value.code == "module-world"
