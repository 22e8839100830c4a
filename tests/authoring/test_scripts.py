"""Scripts at the author's bench: digests and nothing else are written, and each text is named."""

from __future__ import annotations

import json

import pytest

from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.adapters.toolchain_script import ScriptToolchain
from bailiwick.authoring import build, load_script, read_project, run_cases, start
from bailiwick.canonical import digest
from bailiwick.engine import variant_of
from bailiwick.errors import ModuleRefused, NotFound, SchemaViolated
from bailiwick.model import Tier

DOUBLE = b"function total(input) { return { total: 2 * input.minutes.length }; }"


@pytest.fixture
def script():
    """Give the files of a new script."""
    return start("pay-total", "script-js")


def with_variants(files, *variants):
    """Give the files with variants in the manifest."""
    manifest = {**json.loads(files["module.json"]), "variants": list(variants)}
    return {**files, "module.json": json.dumps(manifest).encode(), "double.js": DOUBLE}


@pytest.mark.parametrize("language", ["script-js", "script-py"])
def test_building_a_script_writes_digests_and_leaves_its_text_alone(language):
    """Wrong if an author's file is written over, or a script says that something compiled it."""
    files = start("pay-total", language)
    project = read_project(files)
    built = build(project, ScriptToolchain())
    manifest = json.loads(built.manifest)
    assert (project.language, list(built.files)) == ("script", ["module.json"])
    assert manifest["digest"] == digest(files[manifest["file"]])
    assert not {"source", "build", "variants"} & manifest.keys()
    again = build(read_project({**files, **built.files}), ScriptToolchain())
    assert again.manifest == built.manifest


def test_the_texts_of_variants_are_given_their_digests(script):
    """Wrong if a variant keeps the digest of a text that was changed since."""
    stale = {"name": "double", "file": "double.js", "percent": 50, "digest": digest(b"before")}
    built = build(read_project(with_variants(script, stale)), ScriptToolchain())
    (found,) = json.loads(built.manifest)["variants"]
    assert found == {**stale, "digest": digest(DOUBLE)}


def test_a_script_is_tried_as_it_is_now_with_its_variants(script, engine):
    """Wrong if an edit is only met after a build, or the desk knows nothing of a trial."""
    files = with_variants(script, {"name": "double", "file": "double.js", "percent": 99})
    project = read_project({**files, "script.js": b"function total() { return { total: 7 }; }"})
    guest = load_script(project, engine, builtin_engine("quickjs"))
    given = b'{"minutes":[1,2]}'
    done = engine.run(guest, "total", given, Tier.LIGHTWEIGHT.budget)
    assert (variant_of(guest, given), json.loads(done.output)) == ("double", {"ok": {"total": 4}})


def test_a_script_passes_the_cases_of_its_template(script, engine):
    """Wrong if a new script starts broken."""
    project = read_project(script)
    guest = load_script(project, engine, builtin_engine("quickjs"))
    assert run_cases(project.manifest, project.cases, guest, engine, Tier.LIGHTWEIGHT.budget).is_passed


@pytest.mark.parametrize("missing", ["script.js", "double.js"])
def test_a_text_that_is_not_in_the_folder_is_missed_by_name(script, missing):
    """Wrong if a variant without a text is only found out when it is installed."""
    files = with_variants(script, {"name": "double", "file": "double.js", "percent": 50})
    del files[missing]
    with pytest.raises(NotFound, match=missing) as caught:
        read_project(files)
    assert caught.value.code == "module-source-missing"


@pytest.mark.parametrize("percent", [0, 100, 1.5, "50"])
def test_a_share_that_is_none_is_refused_at_the_desk(script, percent):
    """Wrong if a typing error in a share is only found out when it is installed."""
    with pytest.raises(SchemaViolated):
        read_project(with_variants(script, {"name": "double", "file": "double.js", "percent": percent}))


def test_a_variant_that_is_no_text_is_refused_at_the_desk(script, engine):
    """Wrong if an empty variant is tried as an empty script."""
    files = with_variants(script, {"name": "double", "file": "double.js", "percent": 50}) | {"double.js": b" "}
    with pytest.raises(ModuleRefused) as caught:
        load_script(read_project(files), engine, builtin_engine("quickjs"))
    assert caught.value.code == "script-text"
