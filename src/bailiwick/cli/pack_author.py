"""`bailiwick pack new|test|lint|diff`: what an author of packs does before anybody decides by one. Needs no home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from bailiwick.cli import pack_report, screen
from bailiwick.cli.folder import make_folder, read_folder, write_files
from bailiwick.cli.options import Options, Printing

if TYPE_CHECKING:
    from bailiwick.packs import Aim, Pack, Trial

Inputs = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100_000))]
"""How many inputs are drawn."""


def new(
    name: str,
    /,
    *,
    into: Annotated[Path, Parameter(name=("--into", "--in"))] = Path(),
    options: Printing = Printing(),
) -> int:
    """Start a pack: a folder with small, made-up law that is complete, and cases that pass.

    Args:
        name: What it is called, such as `town-fees`; the folder gets that name.
        into: The folder to put it in.
    """
    from bailiwick.packs import start_pack

    files = start_pack(name)
    folder = into / name
    make_folder(folder)
    for path, content in files.items():
        place = folder / Path(path).parent
        place.mkdir(parents=True, exist_ok=True)
        write_files(place, {Path(path).name: content})
    answer = {"pack": name, "folder": str(folder), "files": list(files)}
    text = f"{screen.short(folder.resolve())}: {', '.join(files)}\nnext: bailiwick pack test {folder}"
    screen.give(answer, text, as_json=options.json)
    return 0


def run_cases(
    pack: str,
    /,
    *,
    coverage: bool = False,
    mutate: bool = False,
    watch: bool = False,
    inputs: Inputs = 500,
    seed: int = 1904,
    attach: Path | None = None,
    options: Options = Options(),
) -> int:
    """Run a pack's own cases, and hold its properties against inputs drawn from a seed.

    Exits 0 when every case comes out as written and every property holds, else 1.

    Args:
        pack: Name of a pack, or a folder with one.
        coverage: Tell which rules and which sides of their conditions no case shows.
        mutate: Bend each comparison, number, joint and order of rows a little, and tell what no case notices.
        watch: Run again each time a file is saved, and print what changed; ends with Ctrl-C.
        inputs: How many inputs are drawn.
        seed: What they are drawn from; the same seed gives the same inputs.
        attach: A folder with the files that the pack pins by digest and does not hold.
    """
    from bailiwick.packs import Aim

    aim = Aim(coverage=coverage, mutation=mutate, inputs=inputs, seed=seed)
    if watch:
        from bailiwick.cli.pack_watch import watch_pack

        return watch_pack(pack, lambda: _tried(pack, aim, attach), as_json=options.json)
    trial = _tried(pack, aim, attach)
    screen.give(trial.to_json(), "\n".join(pack_report.trial_lines(trial)), as_json=options.json)
    return 0 if trial.is_passed else 1


def lint(
    pack: str,
    /,
    *,
    strict: bool = False,
    inputs: Inputs = 500,
    seed: int = 1904,
    attach: Path | None = None,
    options: Printing = Printing(),
) -> int:
    """Find what loads and is not as it should be.

    Rules without a case, rows that overlap or are never reached, gaps, what nobody uses, words and sources that lack,
    law cited after its end, a lock that is out of date. Exits 0 when there is no fault, else 1; with `--strict` advice
    counts too.

    Args:
        pack: Name of a pack, or a folder with one.
        strict: Let advice count as faults do.
        inputs: How many inputs are drawn to probe the rows with.
        seed: What they are drawn from; the same seed gives the same inputs.
        attach: A folder with the files that the pack pins by digest and does not hold.
    """
    from bailiwick.node import desk_decider
    from bailiwick.packs import lint as look_through

    loaded, files = _loaded(pack, attach)
    with desk_decider(loaded) as decider:
        report = look_through(loaded, files, inputs=inputs, seed=seed, decider=decider)
    screen.give(report.to_json(), "\n".join(pack_report.lint_lines(report)), as_json=options.json)
    return 1 if report.faults or (strict and report.findings) else 0


def diff(old: str, new: str, /, *, attach: Path | None = None, options: Printing = Printing()) -> int:
    """Compare two packs by what they mean: law, rules and words, and how the cases of both come out.

    Args:
        old: Name of a pack, or a folder with one: before.
        new: The same: after.
        attach: A folder with the files that the packs pin by digest and do not hold.
    """
    from bailiwick.node import desk_decider
    from bailiwick.packs import difference

    before, after = _loaded(old, attach)[0], _loaded(new, attach)[0]
    with desk_decider(before, after) as decider:
        found = difference(before, after, decider)
    screen.give(found.to_json(), "\n".join(pack_report.difference_lines(found)), as_json=options.json)
    return 0


def _tried(pack: str, aim: Aim, attach: Path | None) -> Trial:
    from bailiwick.node import desk_decider
    from bailiwick.packs import try_pack

    loaded, files = _loaded(pack, attach)
    with desk_decider(loaded) as decider:
        return try_pack(loaded, files, aim, decider=decider, progress=screen.progress)


def _loaded(pack: str, attach: Path | None) -> tuple[Pack, Mapping[str, bytes]]:
    from bailiwick.canonical import digest
    from bailiwick.node import desk_pack

    attached = {} if attach is None else {digest(raw): raw for raw in read_folder(attach).values()}
    return desk_pack(pack, attached)
