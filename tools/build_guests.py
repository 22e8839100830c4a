"""Build the modules that ship with bailiwick from their sources, and write what a manifest says of the result.

Run it as ``python tools/build_guests.py`` (needs the ``modules`` extra, which brings the compiler). The same source and
compiler give the same bytes in any folder, which is what ``tests/engine/test_guest_build.py`` holds it to; with
``--check`` nothing is written, and the exit code is 1 where something differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bailiwick import authoring
from bailiwick.authoring import read_project
from bailiwick.node import toolchain_for

MODULES = Path(__file__).parent.parent / "src" / "bailiwick" / "builtin" / "modules"
FLAGS = [
    *("-target", "wasm32-freestanding", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror"),
    *("-fno-builtin", "-fno-unroll-loops", "-fno-inline-functions"),
    *("-nostdlib", "-Wl,--no-entry", "-Wl,-z,stack-size=65536", "-s"),
]
BUILD_SECONDS_MAX = 120
FIRST = "osha-intake"


def digest(data: bytes) -> str:
    """Give ``sha256:`` and the SHA-256 of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compile_guest(source: Path) -> bytes:
    """Compile one C source to a core module and give its bytes.

    Raises:
        subprocess.CalledProcessError: the compiler refuses; its words are on stderr.

    The source is copied to a folder of its own first, so nothing beside it can take part.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        shutil.copyfile(source, copy)
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", "guest.wasm", copy.name]
        subprocess.run(command, cwd=folder, check=True, timeout=BUILD_SECONDS_MAX)
        return (Path(folder) / "guest.wasm").read_bytes()


def manifest_with(folder: Path, wasm: bytes) -> dict[str, Any]:
    """Give the module's manifest with digests, build command and answer schema as they are now."""
    manifest: dict[str, Any] = json.loads((folder / "module.json").read_text())
    manifest["digest"] = digest(wasm)
    manifest["source"]["digest"] = digest((folder / manifest["source"]["file"]).read_bytes())
    manifest["build"]["command"] = ["python", "-m", "ziglang", "cc", *FLAGS]
    for function in manifest["functions"].values():
        function["output"] = json.loads((folder / function["output_file"]).read_text())
    return manifest


def first_guest(folder: Path) -> dict[str, bytes]:
    """Give the files of osha-intake as built, with flags older than ``bailiwick module build``: its digest stays."""
    manifest = json.loads((folder / "module.json").read_text())
    wasm = compile_guest(folder / manifest["source"]["file"])
    text = json.dumps(manifest_with(folder, wasm), indent=2) + "\n"
    return {manifest["file"]: wasm, "module.json": text.encode()}


def build(folder: Path, *, check: bool) -> list[str]:
    """Build one module; give the names of files that were (or with ``check`` would be) changed."""
    if folder.name == FIRST:
        files = first_guest(folder)
    else:
        project = read_project({path.name: path.read_bytes() for path in folder.iterdir()})
        files = authoring.build(project, toolchain_for(project.language, folder)).files
    changed = []
    for path, content in ((folder / name, content) for name, content in files.items()):
        if not path.exists() or path.read_bytes() != content:
            changed.append(path.name)
            if not check:
                path.write_bytes(content)
    return changed


def main() -> int:
    """Build every module and say what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something differs")
    check = parser.parse_args().check
    has_changes = False
    for folder in sorted(path.parent for path in MODULES.glob("*/module.json")):
        changed = build(folder, check=check)
        has_changes = has_changes or bool(changed)
        sys.stdout.write(f"{folder.name}: {'changed: ' + ', '.join(changed) if changed else 'as built'}\n")
    return 1 if check and has_changes else 0


if __name__ == "__main__":
    sys.exit(main())
