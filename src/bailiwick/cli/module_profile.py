"""`bailiwick module profile`: where the fuel of one call goes, by function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.module_desk import built_module
from bailiwick.cli.options import TenantOptions, TextInput, open_node
from bailiwick.cli.text_input import read_text_input
from bailiwick.errors import UsageRefused

if TYPE_CHECKING:
    from bailiwick.engine import Profile

SHOWN_MAX = 30
"""Functions that are printed for people, in number; --json has all."""
Samples = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=5_000))]
NAMELESS = "names were stripped from the binary: functions stand under their exports, or as func[N]"


def profile(
    module: str,
    function: str,
    /,
    *,
    input: TextInput = "{}",  # noqa: A002 the word of the terminal
    samples: Samples = 200,
    folded: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Show where the fuel of one call goes, by function; the same each time, on any machine.

    The call is run again under rising limits of fuel, with the host's answers of the first run. Nothing is recorded.

    Args:
        module: The module's folder, built; or the name of one that is installed.
        function: Which of its functions.
        input: JSON, or @FILE, or - for standard input.
        samples: At how many places of the call to look.
        folded: Write stacks there, one a line with its fuel, for tools that draw flame graphs.
    """
    from bailiwick.authoring import Desk
    from bailiwick.engine import has_names, profile_call
    from bailiwick.model import Tier
    from bailiwick.node import desk_services
    from bailiwick.schema import Contract, parse_document

    manifest, wasm = _found(module, options)
    _check_form(manifest)
    given = read_text_input(input)
    if function in manifest["functions"]:
        schema = manifest["functions"][function]["input"]
        Contract(schema, assert_formats=True).check(parse_document(given), subject="the input")
    desk = Desk(manifest, desk_services(), lambda _: None)
    budget = Tier(manifest["tier"]).budget
    with screen.progress("looking", samples) as advance:
        found = profile_call(wasm, function, given, budget, host=desk, samples=samples, progress=advance)
    if folded is not None:
        folded.write_text(found.folded(), encoding="utf-8")
    answer = {"module": manifest["name"], "function": function, "named": has_names(wasm), **_told(found)}
    screen.give(answer, _text(answer), as_json=options.json)
    return 0


def _found(module: str, options: TenantOptions) -> tuple[Mapping[str, Any], bytes]:
    """Give manifest and binary of a folder, or of a module that is installed."""
    folder = Path(module)
    if folder.is_dir():
        from bailiwick.authoring import NATIVE
        from bailiwick.canonical import digest
        from bailiwick.cli.module_desk import read_module

        project = read_module(folder)
        if project.manifest["abi"] == NATIVE:
            return {**project.manifest, "digest": ""}, b""
        project, wasm = built_module(folder)
        return {**project.manifest, "digest": digest(wasm)}, wasm
    from bailiwick.schema import parse_document
    from bailiwick.supervisor import kept_binary

    with open_node(options) as (node, tenant):
        registry = node.supervisor.registry(tenant)
        manifest = parse_document(registry.manifest(module).raw)
        installed = next(each for each in node.supervisor.modules(tenant) if each.name == module)
        return manifest, kept_binary(tenant, registry.blobs, installed)


def _check_form(manifest: Mapping[str, Any]) -> None:
    """Refuse what has no functions of its own that use fuel."""
    whys = {
        "native-python/1": "is native, and its fuel is not counted: use the profiler of Python",
        "script/1": "is a script, and all its fuel is used by the functions of its engine",
    }
    why = whys.get(manifest["abi"])
    if why:
        raise UsageRefused(
            f"module {manifest['name']} {why}", hint="profile a module that was built", code="profile-form"
        )


def _told(found: Profile) -> dict[str, Any]:
    functions = [{"name": each.name, "self": each.self_fuel, "total": each.total_fuel} for each in found.functions]
    return {"fuel": found.run.fuel, "samples": found.samples, "functions": functions}


def _text(answer: Mapping[str, Any]) -> str:
    fuel = max(answer["fuel"], 1)
    rows: list[tuple[object, ...]] = [("self", "", "total", "", "function")]
    rows += [
        (each["self"], f"{each['self'] * 100 // fuel}%", each["total"], f"{each['total'] * 100 // fuel}%", each["name"])
        for each in answer["functions"][:SHOWN_MAX]
    ]
    lines = [f"fuel {answer['fuel']:,}, looked at in {answer['samples']} places", screen.columns(rows)]
    if len(answer["functions"]) > SHOWN_MAX:
        lines.append(f"and {len(answer['functions']) - SHOWN_MAX} more: --json lists them")
    if not answer["named"]:
        lines.append(NAMELESS)
    return "\n".join(lines)
