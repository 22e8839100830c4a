"""`bailiwick module new|build|test|sign|run`: what an author of modules does before anybody installs one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.folder import make_folder, read_folder, write_files
from bailiwick.cli.module_desk import built_module, check_digest, loaded_module, read_module
from bailiwick.cli.options import Options, Printing, TenantOptions, TextInput, open_node

if TYPE_CHECKING:
    from bailiwick.authoring import CaseReport


def new(
    name: str,
    /,
    *,
    lang: Literal[
        "python", "javascript", "c", "zig", "wat", "assemblyscript", "rust", "native", "script-js", "script-py"
    ],
    into: Annotated[Path, Parameter(name="--in")] = Path(),
    options: Printing = Printing(),
) -> int:
    """Start a module: a folder with a manifest, a source that works, and cases that pass.

    Args:
        name: What it is called, such as `pay-total`; the folder gets that name.
        lang: What it is written in; `native` is Python that runs here, in no sandbox, and is never installed.
        into: The folder to put it in.
    """
    from bailiwick.authoring import start

    files = start(name, lang)
    folder = into / name
    make_folder(folder)
    write_files(folder, files)
    answer = {"module": name, "folder": str(folder), "files": sorted(files)}
    verb = "dev" if lang == "native" else "build"
    lines = [f"{screen.short(folder.resolve())}: {', '.join(sorted(files))}", f"next: bailiwick module {verb} {folder}"]
    if lang in ("javascript", "assemblyscript"):
        lines.insert(1, f"first: npm install --prefix {folder}")
    screen.give(answer, "\n".join(lines), as_json=options.json)
    return 0


def build(folder: Path, /, *, check: bool = False, options: Printing = Printing()) -> int:
    """Build a module: its binary, and its manifest completed with digest, source and compiler.

    With `--check` it is built twice and compared; exits 1 where a toolchain that promises equal bytes breaks its word.

    Args:
        folder: The module's folder.
        check: Build twice and compare; nothing is written.
    """
    from bailiwick.authoring import build as build_module
    from bailiwick.authoring import compare_builds
    from bailiwick.node import toolchain_for

    project = read_module(folder)
    toolchain = toolchain_for(project.language, folder)
    if check:
        compared = compare_builds(project, toolchain)
        answer = {
            "same": compared.is_same,
            "promised": compared.is_promised,
            "digests": [compared.first, compared.second],
        }
        screen.give(answer, _compared_text(answer), as_json=options.json)
        return 0 if compared.is_same or not compared.is_promised else 1
    screen.say(f"building {project.name} with {toolchain.version()}")
    began = time.monotonic()
    built = build_module(project, toolchain)
    write_files(folder, built.files)
    answer = {"module": built.name, "file": built.file, "size": len(built.wasm), "digest": built.digest}
    took = f"{time.monotonic() - began:.1f} s"
    text = f"{built.file}: {len(built.wasm):,} bytes, {built.digest}, built in {took}"
    screen.give(answer, text, as_json=options.json)
    return 0


def run_cases(folder: Path, /, *, options: Options = Options()) -> int:
    """Run the cases in `cases.json`; exits 1 when one comes out otherwise.

    Args:
        folder: The module's folder, built.
    """
    from bailiwick import authoring
    from bailiwick.model import Tier

    project = read_module(folder)
    with loaded_module(folder, project, options) as (engine, guest):
        report = authoring.run_cases(
            project.manifest, project.cases, guest, engine, Tier(project.manifest["tier"]).budget
        )
    screen.give(report.to_json(), _report_text(report), as_json=options.json)
    return 0 if report.is_passed else 1


def compose(
    name: str,
    first: Path,
    /,
    *others: Path,
    version: str = "1.0.0",
    into: Annotated[Path, Parameter(name="--in")] = Path(),
    options: Printing = Printing(),
) -> int:
    """Make one module of several: what one exports answers what another imports, without the host.

    What the host is asked for stays apart for each part, so that granting it to one part grants it to no other.

    Args:
        name: What the new module is called; the folder gets that name.
        first: Folder of a built component, whose functions the new module has.
        others: Folders of the components that it, or one another, imports from.
        version: The version of the new module.
        into: The folder to put it in.
    """
    from bailiwick.authoring import compose_modules, read_piece

    pieces = [read_piece(read_folder(each)) for each in (first, *others)]
    composed = compose_modules(name, version, pieces[0], pieces[1:])
    folder = into / name
    make_folder(folder)
    write_files(folder, composed.built.files)
    whole = composed.whole
    answer = {
        "module": name,
        "folder": str(folder),
        "digest": composed.built.digest,
        "size": len(whole.wasm),
        "joined": [{"part": who, "interface": interface, "from": by} for who, interface, by in whole.joined],
        "asks": [{"interface": alias, "of": of, "part": part} for alias, (part, of) in whole.imports.items()],
    }
    lines = [f"{composed.built.file}: {len(whole.wasm):,} bytes, {composed.built.digest}"]
    lines += [f"  {who} has {interface} from {by}" for who, interface, by in whole.joined]
    lines += [f"  {part} asks the host for {of}, as {alias}" for alias, (part, of) in whole.imports.items()]
    lines.append(f"next: bailiwick module sign {folder}")
    screen.give(answer, "\n".join(lines), as_json=options.json)
    return 0


def sign(folder: Path, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Sign a module with the tenant's own author key, made and trusted here when first asked for.

    Others who are to install it have to trust that key: `bailiwick module trust KEY`.

    Args:
        folder: The module's folder, built.
    """
    from bailiwick.schema import parse_document
    from bailiwick.supervisor import SIGNATURE_FILE, refuse_native
    from bailiwick.trust import sign_manifest

    refuse_native(parse_document(read_folder(folder).get("module.json", b"{}")), "signed")
    manifest = _finished(folder)
    with open_node(options) as (node, tenant):
        signer = node.author(tenant)
    key = signer.verifier.text()
    write_files(folder, {SIGNATURE_FILE: sign_manifest(parse_document(read_folder(folder)["module.json"]), signer)})
    answer = {"module": manifest["name"], "version": manifest["version"], "file": SIGNATURE_FILE, "key": key}
    text = f"{SIGNATURE_FILE}: {manifest['name']} {manifest['version']} signed with\n{key}"
    screen.give(answer, text, as_json=options.json)
    return 0


def run(
    folder: Path,
    function: str,
    /,
    *,
    input: TextInput = "{}",  # noqa: A002 the word of the terminal
    options: Options = Options(),
) -> int:
    """Call a function of a module that is not installed, and show what it asked of the host and what it cost.

    Log, clock, random and config are answered as far as the manifest asks for them. Nothing is recorded.

    Args:
        folder: The module's folder, built.
        function: Which function.
        input: JSON, or @FILE, or - for standard input.
    """
    import json

    from bailiwick.authoring import Desk
    from bailiwick.cli.text_input import read_text_input
    from bailiwick.engine import Refusal, read_answer
    from bailiwick.model import Tier
    from bailiwick.node import desk_services

    project = read_module(folder)
    given = read_text_input(input)
    with loaded_module(folder, project, options) as (engine, guest):
        began = time.perf_counter()
        desk = Desk({**project.manifest, "digest": guest.digest}, desk_services(), screen.say)
        done = engine.run(guest, function, given, Tier(project.manifest["tier"]).budget, host=desk)
        took_us = round((time.perf_counter() - began) * 1e6)
    read = read_answer(done.output)
    refused = isinstance(read, Refusal)
    answer: dict[str, Any] = json.loads(done.output)
    trace = {"fuel": done.fuel, "memory_bytes": done.memory_bytes, "took_us": took_us}
    shown = json.dumps(answer["error" if refused else "ok"], ensure_ascii=False)
    screen.say(f"fuel {done.fuel:,}, memory {done.memory_bytes:,} bytes, {took_us:,} µs")
    screen.give({**answer, "run": trace}, shown, as_json=options.json)
    return 3 if refused else 0


def _finished(folder: Path) -> Mapping[str, Any]:
    """Give the manifest of a module whose binary is the one that it states: one that was composed, or built."""
    from bailiwick.authoring import read_piece
    from bailiwick.schema import parse_document

    files = read_folder(folder)
    manifest = parse_document(files.get("module.json", b"{}"))
    if isinstance(manifest, dict) and "parts" in manifest:
        return read_piece(files).manifest
    project, wasm = built_module(folder)
    check_digest(folder, project, wasm)
    return project.manifest


def _compared_text(answer: dict[str, Any]) -> str:
    if answer["same"]:
        return f"both builds are {answer['digests'][0]}"
    why = (
        "which this toolchain promises" if answer["promised"] else "as always with this toolchain: sign what was built"
    )
    return f"the builds differ, {why}: {answer['digests'][0]} and {answer['digests'][1]}"


def _report_text(report: CaseReport) -> str:
    lines = [f"{report.cases} cases, {len(report.failed)} failed"]
    lines += [f"  {each.name}: {each.difference}" for each in report.failed]
    lines += [f"  no case calls {name}" for name in report.untried]
    return "\n".join(lines)
