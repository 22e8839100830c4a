"""Packs in a git repository at one commit, each in a folder of its own name; and the mirror that it is fetched into.

Git is run as a program, on a bare mirror under the home, with an environment of our own: no configuration, hook,
credential, filter or attribute of anybody is honoured, one protocol is allowed, and time, output and file size are
limited. There is no work tree. What git gives is hashed again here, from the commit down to each file, so that the
signature of the commit covers every byte; links and submodules are refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from bailiwick.adapters.packsource_checks import (
    DEPTH_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    check_name,
    check_path,
    check_sizes,
    is_name,
    not_found,
    refused,
)
from bailiwick.adapters.packsource_sshsig import COMMIT_BYTES_MAX, commit_signer
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.keys import Verifier

FETCH_SECONDS_MAX = 120.0
"""Longest fetch, in seconds."""
READ_SECONDS_MAX = 20.0
"""Longest look into the mirror, in seconds."""
MIRROR_BYTES_MAX = 128 << 20
"""Largest file that git may write: a larger history is not fetched, in bytes."""
MEMORY_BYTES_MAX = 2 << 30
"""Most memory that git may map, in bytes."""
TREE_BYTES_MAX = 65_536
"""Largest folder of a repository that is read, in bytes of git's own form."""
TOLD_BYTES_MAX = 4_096
"""How much of git's own complaint is kept, in bytes."""
URL_CHARACTERS_MAX = 1_000

PROTOCOLS = ("https", "ssh", "file")
"""How a repository may be reached. Without a protocol, a path of this machine is meant."""
_MANIFEST = "pack.yaml"
_INCOMING = "refs/bailiwick/incoming"
_COMMIT = re.compile(r"[0-9a-f]{40}\Z").match
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}\Z").match
_URL = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://[^\s]+\Z")
_LIMITED = 'ulimit -f "$1" && ulimit -v "$2" && shift 2 && exec "$@"'
_FILE, _EXECUTABLE, _FOLDER, _LINK, _SUBMODULE = b"100644", b"100755", b"40000", b"120000", b"160000"


class GitMirror:
    """A bare copy of one repository's history, fetched anew by ``fetch``; removing its folder loses nothing."""

    def __init__(self, folder: Path, url: str, *, seconds_max: float = FETCH_SECONDS_MAX) -> None:
        """Mirror ``url`` in ``folder``, which is made when first fetched.

        Raises:
            UsageRefused: the address is none, or reached by a protocol that is not allowed (code ``git-url``).
        """
        self._folder = folder
        self._url, self._protocol = checked_url(url)
        self._seconds_max = seconds_max

    def fetch(self, ref: str) -> str:
        """Fetch what a branch or tag leads to now, with its history, and give the commit.

        Raises:
            UsageRefused: ``ref`` can be none (code ``git-ref``).
            NotFound: the repository has no such ref (code ``git-ref-missing``).
            Unavailable: it cannot be reached, takes too long or is too large (code ``git-fetch``).
        """
        if not _REF(ref) or ".." in ref or "//" in ref or ref.endswith((".lock", "/", ".")):
            raise UsageRefused(f"{ref[:80]!r} is no branch or tag", hint="such as --ref main", code="git-ref")
        self._make()
        names = [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
        listed = self._run(["ls-remote", "--", self._url, *names], self._seconds_max).decode("ascii", "replace")
        there = {line.partition("\t")[2]: line.partition("\t")[0] for line in listed.splitlines()}
        found = next((name for name in names if name in there), None)
        if found is None:
            raise NotFound(
                f"{self._url} has no branch or tag {ref}",
                hint="see what it has: git ls-remote; then: bailiwick pack follow with that --ref",
                code="git-ref-missing",
            )
        flags = ["--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--quiet"]
        self._run(["fetch", *flags, "--", self._url, f"+{found}:{_INCOMING}"], self._seconds_max)
        told = self._run(["rev-parse", "--verify", "--end-of-options", f"{_INCOMING}^{{commit}}"]).decode().strip()
        return _checked_commit(told)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Say whether ``newer`` was made on top of ``older``, or is it; a commit that is not here is no ancestor."""
        for each in (older, newer):
            if not self._has(each):
                return False
        return self._run(["merge-base", older, newer], answers=(0, 1)).decode().strip() == older

    def signer(self, commit: str, pinned: Iterable[Verifier]) -> Verifier:
        """Give the pinned key that signed a commit; see ``commit_signer``.

        Raises:
            NotFound: the commit is not here (code ``git-commit-missing``).
            NotTrusted: no pinned key signed it.
        """
        return commit_signer(commit, self._commit(commit), pinned)

    def packs(self, commit: str, path: str = "") -> GitPackSource:
        """Give the packs of a commit, in the folders directly under ``path``."""
        return GitPackSource(self, commit, path)

    def read(self, kind: str, name: str, most: int) -> bytes:
        """Give an object of the mirror, whose content has that name.

        Raises:
            ValueError: it has more than ``most`` bytes, or another content than its name says.
        """
        raw = self._run(["cat-file", kind, _checked_commit(name)], most=most)
        hashed = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(raw)), usedforsecurity=False)
        hashed.update(raw)
        if hashed.hexdigest() != name:
            raise ValueError("its content is not what its name says")
        return raw

    def root(self, commit: str) -> str:
        """Give the name of a commit's top folder.

        Raises:
            NotFound: the commit is not here (code ``git-commit-missing``).
        """
        first = self._commit(commit).partition(b"\n")[0]
        return _checked_commit(first.removeprefix(b"tree ").decode("ascii", "replace"))

    # --- git ----------------------------------------------------------------------------------------------------------

    def _commit(self, commit: str) -> bytes:
        if not self._has(commit):
            raise NotFound(
                f"{self._url} has no commit {commit[:64]} on what is followed",
                hint="give the whole id of a commit that was pushed",
                code="git-commit-missing",
            )
        try:
            return self.read("commit", commit, COMMIT_BYTES_MAX)
        except ValueError as error:
            raise _failed(self._url, f"commit {commit}: {error}") from error

    def _has(self, commit: str) -> bool:
        if not _COMMIT(commit) or not self._folder.is_dir():
            return False
        return self._run(["cat-file", "-t", commit], answers=(0, 1, 128)).strip() == b"commit"

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(self._url, f"{self._folder} cannot be made: {error.strerror}") from error
        if not (self._folder / "HEAD").is_file():
            self._run(["init", "--quiet", "--bare", "--template=", str(self._folder)])

    def _run(
        self,
        words: Sequence[str],
        seconds: float = READ_SECONDS_MAX,
        *,
        most: int = TREE_BYTES_MAX,
        answers: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run git, with all its limits, and give what it printed.

        Raises:
            ValueError: it printed more than ``most`` bytes.
            Unavailable: it is not installed, took too long, or failed (code ``git-fetch``).
        """
        limits = [str(MIRROR_BYTES_MAX // 512), str(MEMORY_BYTES_MAX // 1024)]
        command = ["/bin/sh", "-c", _LIMITED, "sh", *limits, "git", f"--git-dir={self._folder}", "--no-replace-objects"]
        try:
            git = subprocess.Popen(
                [*command, *self._settings(), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(),
                cwd=self._folder.parent if self._folder.parent.is_dir() else "/",
                start_new_session=True,
            )
        except OSError as error:
            raise _failed(self._url, f"git cannot be run: {error.strerror}") from error
        late = threading.Event()

        def stop() -> None:
            """End git, and keep that it was too late."""
            late.set()
            _kill_all(git)

        timer = threading.Timer(seconds, stop)
        told: list[bytes] = []
        listener = threading.Thread(target=lambda: told.append(_drain(git.stderr, TOLD_BYTES_MAX)), daemon=True)
        timer.start()
        listener.start()
        try:
            assert git.stdout is not None
            printed = git.stdout.read(most + 1)
            if len(printed) > most:
                raise ValueError(f"it has more than {most} bytes")
            os.waitid(os.P_PID, git.pid, os.WEXITED | os.WNOWAIT)
        finally:
            # Before git is waited for, so that its id is still its own; what it started could hold its output open.
            _kill_all(git)
            timer.cancel()
            code = git.wait()
            listener.join()
            for stream in (git.stdout, git.stderr):
                assert stream is not None
                stream.close()
        if late.is_set():
            raise _failed(self._url, f"it took longer than {seconds:g} seconds")
        if code not in answers:
            raise _failed(self._url, _complaint(told, code))
        return printed

    def _settings(self) -> list[str]:
        """Give settings that stand before anything that a repository might say."""
        chosen = {
            "core.hooksPath": "/dev/null",
            "core.fsmonitor": "false",
            "core.symlinks": "false",
            "credential.helper": "",
            "fetch.fsckObjects": "true",
            "gc.auto": "0",
            "http.followRedirects": "false",
            "maintenance.auto": "false",
            "protocol.allow": "never",
            f"protocol.{self._protocol}.allow": "always",
            "submodule.recurse": "false",
        }
        return [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]

    @staticmethod
    def _agent() -> dict[str, str]:
        """Give the way to the keys by which SSH reaches a repository; they sign nothing here."""
        agent = os.environ.get("SSH_AUTH_SOCK")
        return {} if agent is None else {"SSH_AUTH_SOCK": agent}

    def _environment(self) -> dict[str, str]:
        return {
            **self._agent(),
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": self._protocol,
            "GIT_ASKPASS": "false",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSH_COMMAND": "ssh -F none -o BatchMode=yes",
            "GIT_TERMINAL_PROMPT": "0",
        }


class GitPackSource:
    """See ``ports.PackSource``: the packs of one commit."""

    def __init__(self, mirror: GitMirror, commit: str, path: str = "") -> None:
        """Look for packs in the folders directly under ``path`` at ``commit``, which the mirror has."""
        self._mirror = mirror
        self._commit = commit
        self._path = path

    def names(self) -> list[str]:
        """List the packs there are, sorted."""
        folders = self._entries(self._top(), "")
        return sorted(
            name
            for name, (mode, found) in folders.items()
            if mode == _FOLDER and is_name(name) and self._entries(found, name).get(_MANIFEST, (b"",))[0] == _FILE
        )

    def files(self, name: str) -> Mapping[str, bytes]:
        """Give every file of one pack by its path within the pack.

        Raises:
            NotFound: no such pack.
            PackRefused: too many or too large files, a link, a submodule, a path that is not plain.
            Unavailable: the mirror cannot be read.
        """
        mode, folder = self._entries(self._top(), "").get(check_name(name), (b"", ""))
        if mode != _FOLDER or self._entries(folder, name).get(_MANIFEST, (b"",))[0] != _FILE:
            raise not_found(name)
        found = dict(sorted(self._walk(name, folder).items()))
        files: dict[str, bytes] = {}
        for path, each in found.items():
            files[path] = self._read(name, path, "blob", each, FILE_BYTES_MAX)
            check_sizes(name, ((known, len(raw)) for known, raw in files.items()))
        return files

    def _top(self) -> str:
        """Give the folder that holds the packs; the empty name where there is none."""
        found = self._mirror.root(self._commit)
        for part in (part for part in self._path.split("/") if part):
            mode, found = self._entries(found, self._path).get(part, (b"", ""))
            if mode != _FOLDER:
                return ""
        return found

    def _walk(self, name: str, folder: str) -> dict[str, str]:
        """Find the plain files of a pack with their names in the mirror, without recursion."""
        waiting = [(folder, "")]
        found: dict[str, str] = {}
        while waiting:
            where, prefix = waiting.pop()
            for entry, (mode, each) in self._entries(where, name).items():
                path = prefix + entry
                if entry.startswith("."):
                    continue
                check_path(name, path)
                if mode == _FOLDER:
                    waiting.append((each, path + "/"))
                elif mode in (_FILE, _EXECUTABLE):
                    found[path] = each
                else:
                    what = "a submodule" if mode == _SUBMODULE else "a link" if mode == _LINK else "an entry of git"
                    raise refused(name, path, "kind", f"{what} is no file of a pack")
                if len(found) > FILES_MAX or len(waiting) > FILES_MAX * DEPTH_MAX:
                    raise refused(name, path, "files", f"more than {FILES_MAX} files")
        return found

    def _entries(self, folder: str, name: str) -> dict[str, tuple[bytes, str]]:
        """Read one folder: mode and name in the mirror of each entry, by its own name."""
        if not folder:
            return {}
        raw = self._read(name or "pack", "", "tree", folder, TREE_BYTES_MAX)
        found: dict[str, tuple[bytes, str]] = {}
        while raw:
            head, _, rest = raw.partition(b"\0")
            mode, _, entry = head.partition(b" ")
            if len(rest) < 20 or not entry or b"/" in entry or entry in (b".", b".."):
                raise refused(name, "", "path", "a folder of the repository cannot be read")
            found[entry.decode("utf-8", "surrogateescape")] = (mode, rest[:20].hex())
            raw = rest[20:]
        return found

    def _read(self, name: str, path: str, kind: str, each: str, most: int) -> bytes:
        try:
            return self._mirror.read(kind, each, most)
        except ValueError as error:
            raise refused(name, path, "file-size" if kind == "blob" else "files", str(error)) from error


def checked_url(url: str) -> tuple[str, str]:
    """Give an address and the protocol that it is reached by."""
    found = _URL.match(url)
    protocol = found["protocol"] if found else "file"
    is_path = found is None and url != "" and Path(url).is_dir()
    if len(url) > URL_CHARACTERS_MAX or url.startswith("-") or protocol not in PROTOCOLS or not (found or is_path):
        raise UsageRefused(
            f"{url[:200]!r} is no address of a repository that can be followed",
            hint=f"use one of {', '.join(f'{each}://' for each in PROTOCOLS)}, or a folder",
            code="git-url",
        )
    return (url if found else f"file://{Path(url).resolve()}"), protocol


def _checked_commit(text: str) -> str:
    if not _COMMIT(text):
        raise UsageRefused(
            f"{text[:80]!r} is no commit", hint="give all 40 hexadecimal digits of its id", code="git-commit"
        )
    return text


def _kill_all(git: subprocess.Popen[bytes]) -> None:
    """End git, where it has not ended, and whatever it started: they are a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(git.pid, signal.SIGKILL)


def _drain(stream: IO[bytes] | None, most: int) -> bytes:
    """Read a stream to its end and keep its beginning."""
    assert stream is not None
    kept = b""
    while piece := stream.read(TOLD_BYTES_MAX):
        kept = (kept + piece)[:most]
    return kept


def _complaint(told: list[bytes], code: int) -> str:
    lines = b"".join(told).decode("utf-8", "replace").strip().splitlines()
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    if code in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ):
        why = f"its history is larger than {MIRROR_BYTES_MAX} bytes"
    return why[:300] or f"git ended with {code}"


def _failed(url: str, why: str) -> Unavailable:
    return Unavailable(
        f"{url[:200]} cannot be fetched or read: {why}",
        hint="check the address and that it can be reached from here, then try again; what was installed stays in use",
        code="git-fetch",
    )
