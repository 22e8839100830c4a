"""A module's folder on this disk: plain files in, what was made out. Links, pipes and inner folders are left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bailiwick.errors import InputRefused, NotFound, Unavailable, UsageRefused

FILES_MAX = 200
"""Most files of a module's folder that are read."""
FOLDER_BYTES_MAX = 80 << 20
"""Most bytes of a module's folder that are read; a binary with Python in it has 19 MB."""


def read_folder(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Read the plain files directly in a folder, by name; hidden ones are left out, links are not followed.

    Names that end in one of ``without`` are left out too.

    Raises:
        NotFound: there is no such folder (code ``folder-not-found``).
        InputRefused: it holds too much (code ``folder-too-large``).
        Unavailable: a file cannot be read.
    """
    if not folder.is_dir():
        raise NotFound(
            f"{folder} is no folder",
            hint="bailiwick module new NAME --lang python makes one",
            code="folder-not-found",
        )
    found: dict[str, bytes] = {}
    left = FOLDER_BYTES_MAX
    try:
        for path in sorted(folder.iterdir()):
            is_wanted = not path.name.startswith(".") and not path.name.endswith(without)
            if not is_wanted or path.is_symlink() or not path.is_file():
                continue
            content = _read(path, left)
            left -= len(content)
            found[path.name] = content
            if left < 0 or len(found) > FILES_MAX:
                raise InputRefused(
                    f"{folder} holds more than {FILES_MAX} files or {FOLDER_BYTES_MAX} bytes",
                    hint="keep the module in a folder of its own",
                    code="folder-too-large",
                )
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be read: {error.strerror or error}", hint="check who may read it, then try again"
        ) from error
    return found


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, each whole or not at all.

    Raises:
        Unavailable: one cannot be written.
    """
    try:
        for name, content in files.items():
            part = folder / f".{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="check who may write there and that there is room",
        ) from error


def make_folder(folder: Path) -> None:
    """Make a new folder.

    Raises:
        UsageRefused: there is something of that name already (code ``folder-exists``).
        Unavailable: it cannot be made.
    """
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise UsageRefused(
            f"{folder} is there already",
            hint="choose another name, or another place with --in",
            code="folder-exists",
        ) from error
    except OSError as error:
        raise Unavailable(f"{folder} cannot be made: {error.strerror or error}", hint="check the place") from error


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(most + 1)
