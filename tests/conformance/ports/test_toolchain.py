"""Every toolchain builds its template, says what the compiler says, and leaves nothing behind."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from bailiwick.adapters import toolchain_compiling
from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.adapters.toolchain_assemblyscript import AssemblyscriptToolchain
from bailiwick.adapters.toolchain_componentize import ComponentizeToolchain
from bailiwick.adapters.toolchain_quickjs import QuickjsToolchain
from bailiwick.adapters.toolchain_rust import RustToolchain
from bailiwick.adapters.toolchain_script import ScriptToolchain
from bailiwick.adapters.toolchain_wat import WatToolchain
from bailiwick.adapters.toolchain_zig import ZigToolchain
from bailiwick.authoring import build, load_script, read_project, run_cases, start
from bailiwick.engine import Compiler, Engine, Refusal, read_answer
from bailiwick.errors import InputRefused, Unavailable
from bailiwick.model import Tier

QUICKJS = Path(os.environ.get("BAILIWICK_QUICKJS", "."))
ASSEMBLYSCRIPT = Path(os.environ.get("BAILIWICK_ASSEMBLYSCRIPT", "."))
TOOLCHAINS = {
    "assemblyscript": lambda: AssemblyscriptToolchain(ASSEMBLYSCRIPT),
    "rust": RustToolchain,
    "script-js": ScriptToolchain,
    "wat": WatToolchain,
    "c": ZigToolchain,
    "zig": ZigToolchain,
    "python": ComponentizeToolchain,
    "javascript": lambda: QuickjsToolchain(QUICKJS),
}


@pytest.fixture(params=sorted(TOOLCHAINS), scope="module")
def language(request):
    return request.param


@pytest.fixture(scope="module")
def toolchain(language):
    made = TOOLCHAINS[language]()
    try:
        made.version()
    except Unavailable as error:
        pytest.skip(f"{error.message}: {error.hint}")
    return made


@pytest.fixture(scope="module")
def files(language):
    return start("pay-total", language)


@pytest.fixture(scope="module")
def place(language, tmp_path_factory):
    return tmp_path_factory.mktemp(language)


@pytest.fixture(scope="module")
def built(toolchain, files, place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        return build(read_project(files), toolchain)


@pytest.mark.timeout(300)
def test_a_new_module_builds_to_webassembly_or_stays_the_script_that_it_is(built, place, files):
    """Wrong if a template does not compile, or the build leaves files behind."""
    assert built.wasm == files["script.js"] if built.is_script else built.wasm.startswith(b"\0asm")
    assert list(place.iterdir()) == []


@pytest.mark.timeout(300)
def test_what_was_built_passes_the_cases_of_its_template(built, files):
    """Wrong if a language's glue loses a value, a refusal, or the name of a function."""
    manifest = json.loads(built.manifest)
    budget = Tier(manifest["tier"]).budget
    with Engine(artefact=Compiler()) as engine:
        if built.is_script:
            guest = load_script(read_project(files), engine, builtin_engine("quickjs"))
        else:
            guest = engine.load(built.wasm, memory_bytes_max=budget.memory_bytes)
        report = run_cases(manifest, files["cases.json"], guest, engine, budget)
    assert report.failed == ()
    assert report.cases >= 2


def test_the_recorded_command_holds_no_path_of_this_machine(built, place):
    """Wrong if a manifest told where it was built, or differed for that alone."""
    assert str(place).encode() not in built.manifest
    assert str(Path.home()).encode() not in built.manifest


def test_a_toolchain_that_promises_equal_bytes_keeps_its_word(toolchain, files, built):
    """Wrong if a rebuilt module could not be compared with a signed one."""
    if not toolchain.is_reproducible:
        pytest.skip("this toolchain promises nothing of the kind")
    assert build(read_project(files), toolchain).digest == built.digest


@pytest.mark.timeout(300)
def test_a_source_that_does_not_compile_is_refused_with_the_compilers_words(toolchain, files):
    """Wrong if a broken module were written, or the author were left without a reason."""
    project = read_project(files)
    if project.is_script:
        pytest.skip("there is no compiler: the cases of a script find what is wrong with it")
    broken = {project.main: b"(( this is in no language"}
    with pytest.raises(InputRefused) as caught:
        build(read_project({**files, **broken}), toolchain)
    assert caught.value.code == "build-failed"
    assert len(caught.value.message) < 2 * toolchain_compiling.COMPLAINT_CHARACTERS_MAX


def test_c_without_the_header_is_built_with_the_one_that_ships():
    """Wrong if each folder had to bring a copy, and a mend in one were missing in the others."""
    toolchain = ZigToolchain()
    try:
        toolchain.version()
    except Unavailable as error:
        pytest.skip(f"{error.message}: {error.hint}")
    files = start("pay-total", "c")
    bare = {name: content for name, content in files.items() if name != "bailiwick.h"}
    assert build(read_project(bare), toolchain).digest == build(read_project(files), toolchain).digest


def test_a_compiler_that_never_ends_is_ended(tmp_path, monkeypatch):
    """Wrong if a build could hang for ever."""
    monkeypatch.setattr(toolchain_compiling, "BUILD_SECONDS_MAX", 0.2)
    with pytest.raises(Unavailable) as caught:
        toolchain_compiling.run_bounded(["sleep", "60"], tmp_path, {})
    assert caught.value.code == "build-deadline"


def test_a_compiler_that_is_not_there_is_named(tmp_path):
    """Wrong if the author were shown a traceback."""
    with pytest.raises(Unavailable, match="no-such-compiler") as caught:
        toolchain_compiling.run_bounded(["no-such-compiler"], tmp_path, {})
    assert caught.value.code == "toolchain-missing"


def test_javascript_without_its_package_says_how_to_get_it(tmp_path):
    """Wrong if Node's own words were all there is."""
    with pytest.raises(Unavailable) as caught:
        QuickjsToolchain(tmp_path).version()
    assert "npm install" in caught.value.hint


TYPED = {
    "world.wit": b"""package acme:pay@1.0.0;
interface types { record slip { name: string, minutes: list<u32>, rate: option<u32> } enum refusal { too-many } }
world pay { use types.{slip, refusal}; export total: func(slip: slip) -> result<u32, refusal>; }
""",
    "module.js": b"""export function total(slip) {
  if (slip.minutes.length > 3) throw "too-many";
  return slip.minutes.reduce((sum, each) => sum + each, 0);
}
""",
}


def test_an_authors_own_world_is_filled_with_types():
    """Wrong if records, options, results and types of an interface did not reach JavaScript and come back."""
    toolchain = QuickjsToolchain(QUICKJS)
    try:
        toolchain.version()
    except Unavailable as error:
        pytest.skip(f"{error.message}: {error.hint}")
    files = {**start("pay", "javascript"), **TYPED}
    files["module.json"] = json.dumps({**json.loads(files["module.json"]), "abi": "component/1"}).encode()
    wasm = build(read_project(files), toolchain).wasm
    with Engine(artefact=Compiler()) as engine:
        guest = engine.load(wasm)
        assert guest.form == "component/1"
        assert guest.imports == ()
        for count, answer in ((2, 2), (4, Refusal(code="too-many", message="too-many"))):
            slip = {"slip": {"name": "a", "minutes": [1] * count, "rate": None}}
            run = engine.run(guest, "total", json.dumps(slip).encode(), Tier.LIGHTWEIGHT.budget)
            assert read_answer(run.output) == answer
