"""A real keyring of an operating system locks a home: GNOME Keyring, asked over D-Bus as on any desktop."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NEEDED = ("dbus-run-session", "gnome-keyring-daemon")
WAIT_S = 60
SESSION = """
if [ -n "$RING_PASSWORD" ]; then
    printf %s "$RING_PASSWORD" | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 &
else
    gnome-keyring-daemon --start --foreground --components=secrets </dev/null >/dev/null 2>&1 &
fi
daemon=$!
gdbus wait --session --timeout 20 org.freedesktop.secrets
"$@"
code=$?
kill $daemon 2>/dev/null
wait $daemon
exit $code
"""
"""One login: a keyring that the password opens, or that stays shut; then a command; then everything ends."""


class Desktop:
    """A user with a home folder, who logs in with a password and types a command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "run").mkdir(mode=0o700)
        (folder / "settings").mkdir()

    def types(self, *words: str, password: str = "open sesame") -> subprocess.CompletedProcess[str]:
        """Log in, run one command of bailiwick, and log out; an empty password leaves the keyring shut."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "XDG_CONFIG_HOME": str(self._folder / "settings"),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "RING_PASSWORD": password,
        }
        command = ["dbus-run-session", "--", "sh", "-c", SESSION, "sh", sys.executable, "-m", "bailiwick.cli", *words]
        return subprocess.run(
            command, cwd=self._folder, env=environ, capture_output=True, text=True, check=False, timeout=WAIT_S
        )

    def kept(self) -> bytes:
        """Give every byte that the keyring has on disk."""
        return b"".join(path.read_bytes() for path in (self._folder / "data").rglob("*") if path.is_file())


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    """Give a user of this machine who has a keyring of their own."""
    for program in NEEDED:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install gnome-keyring dbus libglib2.0-bin")
    pytest.importorskip("secretstorage", reason="keyring has no Secret Service: pip install 'bailiwick[keyring]'")
    # Sockets are made in it, and their paths are short.
    with tempfile.TemporaryDirectory(prefix="ring-") as folder:
        yield Desktop(Path(folder))


def test_a_home_that_the_keyring_locked_opens_at_the_next_login_and_only_where_it_is_open(desktop: Desktop):
    """Wrong if the keyring's own service forgot the key, kept it in the clear, or gave it while it is shut."""
    assert desktop.types("init").returncode == 0
    wrapped = desktop.types("key", "wrap", "--with", "keyring", "--json")
    assert (wrapped.returncode, '"lock": "keyring"' in wrapped.stdout) == (0, True), wrapped.stderr
    again = desktop.types("ledger", "checkpoint", "--json")
    assert again.returncode == 0, again.stderr
    for password in ("open barley", ""):
        shut = desktop.types("ledger", "checkpoint", password=password)
        assert shut.returncode == 5, shut.stdout
        assert "why:  keyring" in shut.stderr
        assert "key wrap --with passphrase" in shut.stderr
    kept = desktop.kept()
    assert kept
    assert not re.search(rb"[0-9a-f]{64}", kept)
    assert desktop.types("key", "wrap", "--with", "machine", "--json").returncode == 0
    assert desktop.types("ledger", "checkpoint", password="").returncode == 0
