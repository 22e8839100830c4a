"""A git repository of packs for tests: commits of any content, signed by any key, or by none."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

WHO = b"Ada <ada@example.org> 1700000000 +0000"


def key(seed: int = 1) -> Ed25519PrivateKey:
    """Give a key that is the same each time."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def public_line(of: Ed25519PrivateKey) -> str:
    """Give a public key as a .pub file has it."""
    blob = packed(b"ssh-ed25519") + packed(of.public_key().public_bytes_raw())
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} ada@example.org"


def packed(text: bytes) -> bytes:
    """Give a string as SSH writes it."""
    return struct.pack(">I", len(text)) + text


def armoured(
    message: bytes,
    by: Ed25519PrivateKey,
    *,
    namespace: bytes = b"git",
    kind: bytes = b"ssh-ed25519",
    spare: bytes = b"",
) -> bytes:
    """Sign a message as ssh-keygen does."""
    hashed = packed(namespace) + packed(b"") + packed(b"sha512") + packed(hashlib.sha512(message).digest())
    made = packed(kind) + packed(by.sign(b"SSHSIG" + hashed))
    public = packed(kind) + packed(by.public_key().public_bytes_raw())
    fields = packed(public) + packed(namespace) + packed(b"") + packed(b"sha512") + packed(made)
    data = base64.b64encode(b"SSHSIG" + struct.pack(">I", 1) + fields + spare)
    lines = [data[at : at + 70] for at in range(0, len(data), 70)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"])


@dataclass
class Repository:
    """A bare repository that is written object by object."""

    folder: Path
    tip: str | None = None
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})

    def __post_init__(self) -> None:
        """Make it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")

    def git(self, *words: str, given: bytes = b"") -> str:
        """Run git on it."""
        ran = subprocess.run(
            ["git", f"--git-dir={self.folder}", *words],
            input=given,
            capture_output=True,
            check=True,
            env=self.environment,
            timeout=60,
        )
        return ran.stdout.decode().strip()

    def tree(self, entries: Mapping[str, tuple[str, str]]) -> str:
        """Write one folder: mode and object by name, whatever they are; git's order."""
        content = b"".join(
            mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(each)
            for name, (mode, each) in sorted(entries.items(), key=lambda item: item[0] + "/" * (item[1][0] == "40000"))
        )
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=content)

    def blob(self, content: bytes) -> str:
        """Write one file."""
        return self.git("hash-object", "-w", "--stdin", given=content)

    def folder_of(self, files: Mapping[str, bytes]) -> str:
        """Write a folder with all that is below it, each file by its path."""
        below: dict[str, dict[str, bytes]] = {}
        entries: dict[str, tuple[str, str]] = {}
        for path, content in files.items():
            name, _, rest = path.partition("/")
            if rest:
                below.setdefault(name, {})[rest] = content
            else:
                entries[name] = ("100644", self.blob(content))
        entries |= {name: ("40000", self.folder_of(inner)) for name, inner in below.items()}
        return self.tree(entries)

    def packs(self, packs: Mapping[str, Mapping[str, bytes]]) -> str:
        """Write a folder of packs."""
        return self.folder_of({f"{name}/{path}": raw for name, files in packs.items() for path, raw in files.items()})

    def commit(
        self,
        tree: str,
        *,
        by: Ed25519PrivateKey | None = None,
        parents: tuple[str, ...] | None = None,
        ref: str = "refs/heads/main",
        message: bytes = b"Change the law\n",
        signature: bytes | None = None,
    ) -> str:
        """Commit a folder on top of the tip, or on others, and let a ref lead to it."""
        above = parents if parents is not None else (self.tip,) if self.tip else ()
        head = b"tree %s\n" % tree.encode() + b"".join(b"parent %s\n" % each.encode() for each in above)
        head += b"author %s\ncommitter %s\n" % (WHO, WHO)
        made = signature if signature is not None else armoured(head + b"\n" + message, by) if by else None
        if made is not None:
            head += b"gpgsig " + made.replace(b"\n", b"\n ") + b"\n"
        self.tip = self.git("hash-object", "-t", "commit", "-w", "--stdin", given=head + b"\n" + message)
        self.git("update-ref", ref, self.tip)
        return self.tip
