"""What an author wrote is read, or refused with what to mend."""

import json

import pytest

from bailiwick.authoring import LANGUAGES, read_project, start
from bailiwick.errors import DocumentRefused, InputRefused, NotFound, SchemaViolated, UsageRefused


@pytest.mark.parametrize("language", sorted(LANGUAGES.values()))
def test_a_new_module_reads_as_a_project_of_its_language(language):
    """Wrong if a template breaks the contract of manifests."""
    project = read_project(start("pay-total", language))
    assert (project.name, project.language) == ("pay-total", language)
    assert project.main in project.sources
    assert project.cases


@pytest.mark.parametrize("name", ["", "Pay", "pay_total", "../pay", "pay--total", "p" * 65, "pay\n"])
def test_a_name_that_a_module_cannot_have_is_refused(name):
    """Wrong if a folder could be made that no manifest can name."""
    with pytest.raises(UsageRefused) as caught:
        start(name, "wat")
    assert caught.value.code == "module-name"


def test_a_language_that_is_not_there_is_refused_with_those_that_are():
    """Wrong if a stub were given for it."""
    with pytest.raises(UsageRefused, match="cobol") as caught:
        start("pay", "cobol")
    assert "zig" in caught.value.hint


def test_a_folder_without_a_manifest_is_no_module(files):
    """Wrong if something were built from nothing."""
    del files["module.json"]
    with pytest.raises(NotFound) as caught:
        read_project(files)
    assert caught.value.code == "module-manifest-missing"


def test_a_manifest_that_is_no_json_is_refused(files):
    """Wrong if half a manifest were read."""
    with pytest.raises(DocumentRefused):
        read_project({**files, "module.json": files["module.json"][:-5]})


@pytest.mark.parametrize(
    "change",
    [
        {"version": "one"},
        {"name": "../etc"},
        {"file": "../../x.wasm"},
        {"surprise": 1},
        {"source": {"file": "a/../b.c"}},
    ],
)
def test_a_manifest_outside_its_contract_is_refused(files, change):
    """Wrong if a path or an unknown word of the manifest reached the compiler."""
    manifest = {**json.loads(files["module.json"]), **change}
    with pytest.raises(SchemaViolated):
        read_project({**files, "module.json": json.dumps(manifest).encode()})


def test_a_source_that_is_not_in_the_folder_is_missed(files):
    """Wrong if the compiler were left to say it."""
    del files["module.wat"]
    with pytest.raises(NotFound) as caught:
        read_project(files)
    assert caught.value.code == "module-source-missing"


def test_a_source_in_no_known_language_is_refused(files):
    """Wrong if the wrong compiler were asked."""
    manifest = {**json.loads(files["module.json"]), "source": {"file": "module.cob"}}
    with pytest.raises(InputRefused) as caught:
        read_project({**files, "module.json": json.dumps(manifest).encode(), "module.cob": b""})
    assert caught.value.code == "module-language"


def test_only_files_of_the_language_are_sources(files):
    """Wrong if a key or a binary that lies in the folder went to the compiler."""
    more = {**start("pay", "c"), "secret.key": b"x", "other.wasm": b"y", "other.c": b""}
    assert sorted(read_project(more).sources) == ["bailiwick.h", "module.c", "other.c"]
