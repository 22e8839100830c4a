"""`bailiwick pack test --watch`: the trial again each time a file is saved, and only what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bailiwick.cli import pack_report, screen
from bailiwick.cli.watching import changed_lines, watch
from bailiwick.errors import BailiwickError

if TYPE_CHECKING:
    from bailiwick.packs import Trial


def watch_pack(
    pack: str, attempt: Callable[[], Trial], *, as_json: bool, pause: Callable[[], None] | None = None
) -> int:
    """Try a pack whenever its files differ from those last tried, until Ctrl-C; then exits 0.

    A pack that does not load is told, and watched on. With ``as_json`` each trial is one line, an error too.

    Args:
        pack: Name of a pack, or a folder with one.
        attempt: Tries it.
        as_json: Print JSON for programs.
        pause: Waits between two looks.
    """
    shown: list[str] = []

    def show() -> None:
        shown[:] = _show(attempt, shown, as_json=as_json)

    return watch(lambda: _look(pack), show, pause)


def _look(pack: str) -> Mapping[str, bytes] | str:
    """Read the files as they are now; where they cannot be read, say why."""
    from bailiwick.node import desk_files

    try:
        return desk_files(pack)[1]
    except BailiwickError as error:
        return error.message


def _show(attempt: Callable[[], Trial], shown: Sequence[str], *, as_json: bool) -> list[str]:
    answer: Mapping[str, object]
    try:
        trial = attempt()
    except BailiwickError as error:
        answer, lines = {"error": error.to_json()}, screen.error_text(error).split("\n")
    else:
        answer, lines = trial.to_json(), pack_report.trial_lines(trial)
    if as_json:
        print(json.dumps(answer), flush=True)
    else:
        print(screen.plain("\n".join(changed_lines(shown, lines))), flush=True)
    return lines
