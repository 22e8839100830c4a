"""Packs in git: a pinned key's signature stands for every byte, and a hostile repository reaches nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bailiwick.adapters import packsource_git
from bailiwick.adapters.packsource_checks import FILE_BYTES_MAX
from bailiwick.adapters.packsource_git import GitMirror
from bailiwick.adapters.packsource_sshsig import commit_signer, read_public_key, read_signature
from bailiwick.errors import NotFound, NotTrusted, PackRefused, Unavailable, UsageRefused
from tests.conformance.ports.repository import Repository, armoured, key, public_line

if shutil.which("git") is None:
    pytest.skip("git is not installed: apt-get install git", allow_module_level=True)

FILES = {"pack.yaml": b"id: a\n", "rules/measures.yaml": b"x: 1\n"}
PINNED = [read_public_key(public_line(key()))]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Give an empty repository."""
    return Repository(tmp_path / "law.git")


@pytest.fixture
def mirror(tmp_path: Path, repository: Repository) -> GitMirror:
    """Give a mirror of it, with nothing fetched yet."""
    return GitMirror(tmp_path / "mirror" / "a.git", str(repository.folder))


def refusal(mirror: GitMirror, commit: str) -> str:
    """Give the code of the refusal of a commit."""
    with pytest.raises(NotTrusted) as caught:
        mirror.signer(commit, PINNED)
    return caught.value.code


# --- who signed ------------------------------------------------------------------------------------------------------


def test_a_commit_that_a_pinned_key_signed_is_believed(repository: Repository, mirror: GitMirror):
    """Wrong if law that was signed as agreed could not be followed."""
    made = repository.commit(repository.packs({"a": FILES}), by=key())
    assert mirror.fetch("main") == made
    assert mirror.signer(made, PINNED) == PINNED[0]
    assert dict(mirror.packs(made).files("a")) == FILES


def test_a_commit_without_a_signature_is_refused(repository: Repository, mirror: GitMirror):
    """Wrong if whoever may push could change the law."""
    repository.commit(repository.packs({"a": FILES}))
    assert refusal(mirror, mirror.fetch("main")) == "commit-unsigned"


def test_a_commit_of_another_key_is_refused(repository: Repository, mirror: GitMirror):
    """Wrong if any signature would do."""
    repository.commit(repository.packs({"a": FILES}), by=key(2))
    assert refusal(mirror, mirror.fetch("main")) == "commit-key-unknown"


def test_a_signature_of_another_commit_is_refused(repository: Repository, mirror: GitMirror):
    """Wrong if a signature could be carried to other law."""
    other = armoured(b"tree of something else", key())
    repository.commit(repository.packs({"a": FILES}), signature=other)
    assert refusal(mirror, mirror.fetch("main")) == "commit-signature-wrong"


@pytest.mark.parametrize(
    "signature",
    [
        b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----",
        armoured(b"x", key(), namespace=b"file"),
        armoured(b"x", key(), kind=b"ssh-rsa"),
        armoured(b"x", key(), spare=b"more"),
        b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----",
        b"",
    ],
    ids=["pgp", "namespace", "rsa", "bytes to spare", "cut short", "empty"],
)
def test_a_signature_of_another_form_is_refused(repository: Repository, mirror: GitMirror, signature: bytes):
    """Wrong if something were taken for a signature that ssh-keygen would not take."""
    repository.commit(repository.packs({"a": FILES}), signature=signature)
    assert refusal(mirror, mirror.fetch("main")) == "commit-signature-form"


def test_every_byte_of_a_commit_is_signed(repository: Repository):
    """Wrong if some byte of a signed commit could be changed, a second signature included."""
    made = repository.commit(repository.packs({"a": FILES}), by=key())
    raw = repository.git("cat-file", "commit", made).encode() + b"\n"
    assert commit_signer(made, raw, PINNED) == PINNED[0]
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(NotTrusted):
            commit_signer(made, changed, PINNED)
    twice = raw.replace(b"\n\n", b"\ngpgsig " + armoured(b"x", key()).replace(b"\n", b"\n ") + b"\n\n", 1)
    with pytest.raises(NotTrusted):
        commit_signer(made, twice, PINNED)


def test_gits_own_signature_is_read(tmp_path: Path, repository: Repository, mirror: GitMirror):
    """Wrong if what git and ssh-keygen write were not what is read here."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: apt-get install openssh-client")
    secret = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", secret], check=True, timeout=60)
    (tmp_path / "work" / "a").mkdir(parents=True)
    (tmp_path / "work" / "a" / "pack.yaml").write_bytes(b"id: a\n")
    words = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={secret}", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    git = ["git", f"--git-dir={repository.folder}", f"--work-tree={tmp_path / 'work'}", *words]
    for last in (["add", "-A"], ["commit", "-q", "-S", "-m", "Law"]):
        subprocess.run([*git, *last], check=True, timeout=60, env=repository.environment, capture_output=True)
    made = mirror.fetch("main")
    pinned = read_public_key((tmp_path / "id.pub").read_text())
    assert mirror.signer(made, [pinned]) == pinned
    assert mirror.packs(made).names() == ["a"]


@pytest.mark.parametrize("line", ["", "ssh-rsa AAAA", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 " + "A" * 5_000])
def test_what_is_no_key_is_refused(line: str):
    """Wrong if a typing error pinned nothing, and everything were believed."""
    with pytest.raises(UsageRefused):
        read_public_key(line)


def test_an_empty_signature_is_none():
    """Wrong if nothing could be read as a signature."""
    with pytest.raises(ValueError, match="no SSH signature"):
        read_signature(b"")


# --- history ---------------------------------------------------------------------------------------------------------


def test_history_that_goes_on_is_told_from_history_that_was_rewritten(repository: Repository, mirror: GitMirror):
    """Wrong if an older law could be pushed in the place of a newer one unseen."""
    first = repository.commit(repository.packs({"a": FILES}), by=key())
    second = repository.commit(repository.packs({"a": {**FILES, "README.md": b"2"}}), by=key())
    mirror.fetch("main")
    assert mirror.is_ancestor(first, second)
    assert mirror.is_ancestor(second, second)
    assert not mirror.is_ancestor(second, first)
    other = repository.commit(repository.packs({"a": FILES}), by=key(), parents=(first,), message=b"Another\n")
    assert mirror.fetch("main") == other
    assert not mirror.is_ancestor(second, other)
    assert not mirror.is_ancestor("0" * 40, other)


def test_a_ref_that_is_gone_is_said_to_be(repository: Repository, mirror: GitMirror):
    """Wrong if the last state of a branch that was removed went on being followed."""
    repository.commit(repository.packs({"a": FILES}), by=key())
    mirror.fetch("main")
    repository.git("update-ref", "-d", "refs/heads/main")
    with pytest.raises(NotFound) as caught:
        mirror.fetch("main")
    assert caught.value.code == "git-ref-missing"


def test_a_tag_can_be_followed(repository: Repository, mirror: GitMirror):
    """Wrong if only branches could."""
    made = repository.commit(repository.packs({"a": FILES}), by=key(), ref="refs/tags/v1")
    assert mirror.fetch("v1") == made


@pytest.mark.parametrize("ref", ["", "-x", "--upload-pack=touch /tmp/x", "a..b", "a b", "refs/heads/*", "a.lock"])
def test_what_is_no_ref_is_refused(repository: Repository, mirror: GitMirror, ref: str):
    """Wrong if a ref could be a word that git takes for an option."""
    with pytest.raises(UsageRefused) as caught:
        mirror.fetch(ref)
    assert caught.value.code == "git-ref"


@pytest.mark.parametrize(
    "url", ["", "ext::sh -c 'touch x'", "http://example.org/a.git", "git://example.org/a", "-c", "fd::7", "/nowhere"]
)
def test_a_protocol_that_is_not_allowed_is_refused(tmp_path: Path, url: str):
    """Wrong if an address could run a program, or be read by everybody on the way."""
    with pytest.raises(UsageRefused) as caught:
        GitMirror(tmp_path / "m", url)
    assert caught.value.code == "git-url"


def test_a_repository_that_is_gone_is_unavailable(repository: Repository, mirror: GitMirror):
    """Wrong if a shortage were taken for a refusal."""
    repository.commit(repository.packs({"a": FILES}), by=key())
    shutil.rmtree(repository.folder)
    with pytest.raises(Unavailable) as caught:
        mirror.fetch("main")
    assert caught.value.code == "git-fetch"


def test_a_commit_that_is_not_there_is_not_found(repository: Repository, mirror: GitMirror):
    """Wrong if a mistyped commit were a failure of ours."""
    repository.commit(repository.packs({"a": FILES}), by=key())
    mirror.fetch("main")
    for wrong in ("0" * 40, "main", "HEAD", "-h", ""):
        with pytest.raises(NotFound):
            mirror.signer(wrong, PINNED)


# --- hostile content -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "what"), [("120000", "a link"), ("160000", "a submodule")])
def test_links_and_submodules_are_refused(repository: Repository, mirror: GitMirror, mode: str, what: str):
    """Wrong if a pack could lead out of its folder."""
    target = repository.blob(b"/etc/passwd") if mode == "120000" else "1" * 40
    pack = {"pack.yaml": ("100644", repository.blob(b"id: a\n")), "README.md": (mode, target)}
    made = repository.commit(repository.tree({"a": ("40000", repository.tree(pack))}), by=key())
    mirror.fetch("main")
    with pytest.raises(PackRefused, match=what):
        mirror.packs(made).files("a")


@pytest.mark.parametrize("name", ["..", ".git", "a/b"])
def test_paths_that_escape_are_not_even_fetched(repository: Repository, mirror: GitMirror, name: str):
    """Wrong if a file could be written, or named, outside its pack."""
    pack = {"pack.yaml": ("100644", repository.blob(b"id: a\n")), name: ("100644", repository.blob(b"x"))}
    repository.commit(repository.tree({"a": ("40000", repository.tree(pack))}), by=key())
    with pytest.raises(Unavailable) as caught:
        mirror.fetch("main")
    assert caught.value.code == "git-fetch"


def test_a_file_that_is_too_large_is_refused_unread(repository: Repository, mirror: GitMirror):
    """Wrong if a signed repository could fill the memory."""
    made = repository.commit(repository.packs({"a": {**FILES, "README.md": b" " * (FILE_BYTES_MAX + 1)}}), by=key())
    mirror.fetch("main")
    with pytest.raises(PackRefused) as caught:
        mirror.packs(made).files("a")
    assert [each.rule for each in caught.value.violations] == ["file-size"]


def test_a_history_that_is_too_large_is_not_fetched(repository: Repository, mirror: GitMirror, monkeypatch):
    """Wrong if whoever may push could fill the disk."""
    monkeypatch.setattr(packsource_git, "MIRROR_BYTES_MAX", 64 << 10)
    repository.commit(repository.packs({"a": {**FILES, "README.md": os.urandom(256 << 10)}}), by=key())
    with pytest.raises(Unavailable) as caught:
        mirror.fetch("main")
    assert caught.value.code == "git-fetch"


def test_a_fetch_that_hangs_is_ended(tmp_path: Path, repository: Repository):
    """Wrong if a receiver that never answers could hold us up for ever."""
    repository.commit(repository.packs({"a": FILES}), by=key())
    with pytest.raises(Unavailable, match="longer than"):
        GitMirror(tmp_path / "m.git", str(repository.folder), seconds_max=0.0).fetch("main")


@pytest.mark.parametrize("kept", ["2>/dev/null", ">/dev/null"])
def test_what_git_leaves_running_holds_nobody_up(repository: Repository, mirror: GitMirror, kept: str):
    """Wrong if a program that git started, and that keeps its output open, outlived the time that it has."""
    repository.commit(repository.packs({"a": FILES}), by=key())
    mirror.fetch("main")
    left = ["-c", f"alias.leave=!sleep 600 {kept} &", "leave"]
    if kept == ">/dev/null":
        assert mirror._run(left) == b""
    else:
        with pytest.raises(Unavailable, match="longer than"):
            mirror._run(left, 0.5)


def test_an_object_that_was_changed_in_the_mirror_is_found(tmp_path: Path, repository: Repository, mirror: GitMirror):
    """Wrong if whoever may write to the mirror could change law that was signed."""
    made = repository.commit(repository.packs({"a": FILES}), by=key())
    mirror.fetch("main")
    folder = tmp_path / "mirror" / "a.git"
    name = repository.blob(FILES["pack.yaml"])
    for pack in folder.glob("objects/pack/*"):
        pack.unlink()
    shutil.copytree(repository.folder / "objects", folder / "objects", dirs_exist_ok=True)
    changed = repository.git("hash-object", "-w", "--stdin", given=b"id: b\n")
    there = folder / "objects" / name[:2] / name[2:]
    there.chmod(0o644)
    there.write_bytes((repository.folder / "objects" / changed[:2] / changed[2:]).read_bytes())
    with pytest.raises((PackRefused, Unavailable)):
        mirror.packs(made).files("a")


def test_settings_and_hooks_of_others_are_not_honoured(
    tmp_path: Path, repository: Repository, mirror: GitMirror, monkeypatch
):
    """Wrong if a repository, or the settings of whoever runs us, could run a program."""
    proof = tmp_path / "ran"
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f'[core]\n\thooksPath = {tmp_path}/hooks\n\tfsmonitor = "touch {proof}"\n[alias]\n\tfetch = "!touch {proof}"\n'
        f'[url "ext::touch {proof} "]\n\tinsteadOf = file://\n'
    )
    (tmp_path / "hooks").mkdir()
    for name in ("reference-transaction", "post-merge", "pre-auto-gc"):
        hook = tmp_path / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
        hook.chmod(0o755)
        shutil.copy(hook, repository.folder / "hooks" / name)
    for name, value in {"GIT_CONFIG_GLOBAL": settings, "GIT_DIR": tmp_path, "GIT_EXTERNAL_DIFF": "false"}.items():
        monkeypatch.setenv(name, str(value))
    made = repository.commit(repository.packs({"a": FILES}), by=key())
    proof.unlink(missing_ok=True)
    assert mirror.fetch("main") == made
    assert not proof.exists()


def test_packs_can_lie_in_an_inner_folder(repository: Repository, mirror: GitMirror):
    """Wrong if a repository could hold nothing but packs."""
    tree = repository.folder_of({"law/packs/a/pack.yaml": b"id: a\n", "README.md": b"x"})
    made = repository.commit(tree, by=key())
    mirror.fetch("main")
    assert mirror.packs(made, "law/packs").names() == ["a"]
    assert mirror.packs(made, "law/none").names() == []
    with pytest.raises(NotFound):
        mirror.packs(made, "law").files("a")
