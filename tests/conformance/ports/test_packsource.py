"""Every source of packs: the files that were put there, no others, and nothing from outside the pack."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.adapters.packsource_checks import DEPTH_MAX, FILE_BYTES_MAX, FILES_MAX, PACK_BYTES_MAX
from bailiwick.adapters.packsource_folder import ENTRIES_MAX, FolderPackSource
from bailiwick.adapters.packsource_git import GitMirror
from bailiwick.adapters.packsource_memory import MemoryPackSource
from bailiwick.errors import BailiwickError, NotFound, PackRefused, Unavailable
from bailiwick.ports import PackSource
from tests.conformance.ports.repository import Repository

Packs = Mapping[str, Mapping[str, bytes]]
Make = Callable[[Packs], PackSource]


@pytest.fixture(params=["memory", "folder", "git"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Give each source in turn, holding the packs asked for."""
    if request.param == "memory":
        return MemoryPackSource
    if request.param == "git":
        if shutil.which("git") is None:
            pytest.skip("git is not installed: apt-get install git")
        repository = Repository(tmp_path / "law.git")
        mirror = GitMirror(tmp_path / "mirror.git", str(repository.folder))

        def commit(packs: Packs) -> PackSource:
            made = repository.commit(repository.packs(packs), parents=())
            assert mirror.fetch("main") == made
            return mirror.packs(made)

        return commit

    def folder(packs: Packs) -> PackSource:
        for name, files in packs.items():
            for path, raw in files.items():
                file = tmp_path / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(raw)
        return FolderPackSource(tmp_path)

    return folder


def rules_of(refusal: PackRefused) -> list[str]:
    """Name the rules that a refusal carries."""
    return [violation.rule for violation in refusal.violations]


# --- every source ---------------------------------------------------------------------------------------------------


def test_files_come_back_byte_for_byte_in_order(make: Make):
    """A pack's digest would differ from one machine to another."""
    files = {"pack.yaml": b"id: a\r\n", "rules/tables/t.yaml": b"\x00\xff", "README.md": b"", "a.yaml": b"x"}
    given_back = make({"a": files}).files("a")
    assert dict(given_back) == files
    assert list(given_back) == sorted(files)


def test_packs_are_listed_sorted(make: Make):
    """The list would change from call to call."""
    source = make({name: {"pack.yaml": b""} for name in ("mi-esta", "us-osha-1904", "a_pack.v2")})
    assert source.names() == ["a_pack.v2", "mi-esta", "us-osha-1904"]


def test_there_may_be_no_pack(make: Make):
    """A fresh home would not start."""
    assert make({}).names() == []


@pytest.mark.parametrize(
    "name", ["other", "", ".", "..", "../a", "a/../a", "/etc", "a\x00", "a/", "A" * 65, "é", "a\nb", "~", ".hidden"]
)
def test_a_pack_that_is_not_there_is_not_found(make: Make, name: str):
    """A name could reach files outside of the packs."""
    with pytest.raises(NotFound) as caught:
        make({"a": {"pack.yaml": b""}}).files(name)
    assert caught.value.code == "pack-not-found"


def test_a_file_at_the_limit_is_given_and_one_byte_more_is_refused(make: Make):
    """A pack could fill the memory."""
    assert len(make({"a": {"pack.yaml": b" " * FILE_BYTES_MAX}}).files("a")["pack.yaml"]) == FILE_BYTES_MAX
    with pytest.raises(PackRefused) as caught:
        make({"b": {"pack.yaml": b" " * (FILE_BYTES_MAX + 1)}}).files("b")
    assert rules_of(caught.value) == ["file-size"]


def test_too_many_files_are_refused(make: Make):
    """A pack could hold us up with a million of files."""
    files = {f"tests/{position}.yaml": b"" for position in range(FILES_MAX)} | {"pack.yaml": b""}
    with pytest.raises(PackRefused) as caught:
        make({"a": files}).files("a")
    assert rules_of(caught.value) == ["files"]


def test_too_many_bytes_in_all_are_refused(make: Make):
    """Many files below the limit could fill the memory together."""
    count = PACK_BYTES_MAX // FILE_BYTES_MAX
    files = {f"tests/{position}.yaml": b" " * FILE_BYTES_MAX for position in range(count)} | {"pack.yaml": b" "}
    with pytest.raises(PackRefused) as caught:
        make({"a": files}).files("a")
    assert rules_of(caught.value) == ["size"]


@pytest.mark.parametrize("path", ["/".join(["a"] * (DEPTH_MAX + 1)), "é.yaml", "a b.yaml", "-rf", "x" * 81])
def test_a_path_that_is_not_plain_is_refused(make: Make, path: str):
    """Two systems could read the same pack differently, or its digest could not be had."""
    with pytest.raises(PackRefused) as caught:
        make({"a": {"pack.yaml": b"", path: b""}}).files("a")
    assert rules_of(caught.value) == ["path"]


@given(name=st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_no_name_breaks_a_source(make: Make, name: str):
    """A name from outside could raise something that no caller expects."""
    source = make({"a": {"pack.yaml": b"x"}})
    if name == "a":
        assert source.files(name) == {"pack.yaml": b"x"}
    else:
        with pytest.raises(BailiwickError):
            source.files(name)


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a//b", "a/./b", "", "a\\b", ".git/config"])
def test_a_path_that_leaves_the_pack_is_refused(path: str):
    """Files of a pack could overwrite others when they are written out."""
    with pytest.raises(PackRefused) as caught:
        MemoryPackSource({"a": {path: b""}}).files("a")
    assert rules_of(caught.value) == ["path"]


def test_what_is_given_out_is_a_copy():
    """A caller could change the pack for everybody."""
    source = MemoryPackSource({"a": {"pack.yaml": b"x"}})
    dict(source.files("a")).clear()
    assert source.files("a") == {"pack.yaml": b"x"}


# --- folders --------------------------------------------------------------------------------------------------------


def put(root: Path, name: str = "a") -> Path:
    """Make the folder of a pack."""
    folder = root / name
    folder.mkdir()
    (folder / "pack.yaml").write_bytes(b"x")
    return folder


def test_a_missing_root_holds_no_packs(tmp_path: Path):
    """A node without a folder of packs would not start."""
    source = FolderPackSource(tmp_path / "none")
    assert source.names() == []
    with pytest.raises(NotFound):
        source.files("a")


def test_only_folders_with_a_manifest_are_packs(tmp_path: Path):
    """Any folder or file beside the packs would be taken for one."""
    put(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "c.yaml").write_bytes(b"")
    put(tmp_path, ".hidden")
    assert FolderPackSource(tmp_path).names() == ["a"]
    with pytest.raises(NotFound):
        FolderPackSource(tmp_path).files("b")


def test_hidden_files_are_no_part_of_a_pack(tmp_path: Path):
    """A pack's digest would change with the tools of whoever looked at it."""
    folder = put(tmp_path)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_bytes(b"ref")
    (folder / ".DS_Store").write_bytes(b"\x00")
    assert FolderPackSource(tmp_path).files("a") == {"pack.yaml": b"x"}


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "self"])
def test_a_link_within_a_pack_is_refused(tmp_path: Path, kind: str):
    """A pack could read the secrets of whoever loads it."""
    folder = put(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    targets = {"file": outside / "secret", "folder": outside, "dangling": tmp_path / "none", "self": folder}
    (folder / "README.md").symlink_to(targets[kind])
    with pytest.raises(PackRefused) as caught:
        FolderPackSource(tmp_path).files("a")
    assert rules_of(caught.value) == ["kind"]
    assert "secret" not in str(caught.value.to_json())


def test_a_manifest_that_is_a_link_is_refused(tmp_path: Path):
    """The manifest itself could be somebody else's file."""
    (tmp_path / "real.yaml").write_bytes(b"x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pack.yaml").symlink_to(tmp_path / "real.yaml")
    with pytest.raises(PackRefused):
        FolderPackSource(tmp_path).files("a")


def test_a_pack_that_is_a_link_is_not_found(tmp_path: Path):
    """A link beside the packs could name any folder of the machine a pack."""
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "a").symlink_to(put(tmp_path, "elsewhere"))
    source = FolderPackSource(tmp_path / "packs")
    assert source.names() == []
    with pytest.raises(NotFound):
        source.files("a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path):
    """Loading a pack could hang forever."""
    os.mkfifo(put(tmp_path) / "README.md")
    with pytest.raises(PackRefused) as caught:
        FolderPackSource(tmp_path).files("a")
    assert rules_of(caught.value) == ["kind"]


def test_a_crowd_of_hidden_files_is_refused(tmp_path: Path):
    """What is not read could still hold us up."""
    folder = put(tmp_path)
    for position in range(ENTRIES_MAX):
        (folder / f".{position}").touch()
    with pytest.raises(PackRefused) as caught:
        FolderPackSource(tmp_path).files("a")
    assert rules_of(caught.value) == ["files"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unavailable(tmp_path: Path):
    """A shortage of the host would look like a fault of the pack."""
    file = put(tmp_path) / "README.md"
    file.write_bytes(b"")
    file.chmod(0)
    with pytest.raises(Unavailable):
        FolderPackSource(tmp_path).files("a")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path):
    """A file name in another encoding would break the digest."""
    folder = put(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.yaml")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(PackRefused) as caught:
        FolderPackSource(tmp_path).files("a")
    assert rules_of(caught.value) == ["path"]
