"""`bailiwick module dev`: build, test, run and show a module each time a file of it is saved."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.folder import read_folder, write_files
from bailiwick.cli.module_desk import loaded_module, read_module
from bailiwick.cli.module_live import Live, go_live
from bailiwick.cli.module_swap import Calls, Flag
from bailiwick.cli.options import TenantOptions, TextInput
from bailiwick.cli.text_input import read_text_input
from bailiwick.cli.watching import changed_lines, watch
from bailiwick.errors import BailiwickError, UsageRefused

if TYPE_CHECKING:
    from bailiwick.authoring import CaseReport, Project, Trace

STYLES = {"head": "bold", "asked": "cyan", "refused": "yellow", "answer": "green", "failed": "red", "cost": "dim"}
"""Colour of a line by its kind."""
MADE = (".wasm", ".sig", ".part")
"""Ends of names that are not watched: what this command, or signing, writes."""


def dev(
    folder: Path,
    /,
    *,
    function: str | None = None,
    input: TextInput = "{}",  # noqa: A002 the word of the terminal
    once: Flag = False,
    install: Flag = False,
    calls: Calls = 100,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Build, test and run a module whenever a file of it is saved, and show what changed, until Ctrl-C.

    A source that does not compile, a case that fails and a call that fails are shown, and watched on. With `--install`
    each version that passes goes live in the local home: signed, shown against the calls that really happened, and
    swapped in, one number higher than the version that is there.

    Args:
        folder: The module's folder.
        function: A function to call each time, with a trace of what it asked of the host and what that cost.
        input: JSON for it, or @FILE, which is watched too.
        once: One round; exits 0 where all of it passed, else 1.
        install: Swap each version that passes into the local home.
        calls: With `--install`: how many of the newest calls are run again before the switch.
    """
    if input == "-":
        raise UsageRefused(
            "standard input is read once, and a module is run many times", hint="give @FILE", code="input-once"
        )
    bench = Bench(folder=folder, function=function, input=input, calls=calls if install else None, options=options)
    if once:
        return 0 if bench.show() else 1
    screen.say(f"watching {screen.short(folder.resolve())}; Ctrl-C ends it")
    return watch(bench.look, bench.show)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One time around: what was built, how the cases came out, what the call did, what went live, what stopped it."""

    built: str | None = None
    took_ms: int = 0
    report: CaseReport | None = None
    trace: Trace | None = None
    live: Live | None = None
    error: BailiwickError | None = None

    @property
    def is_green(self) -> bool:
        """Whether nothing went wrong. A refusal is an answer."""
        is_run = self.trace is None or self.trace.failure is None
        return self.error is None and (self.report is None or self.report.is_passed) and is_run

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        told: dict[str, Any] = {"green": self.is_green, "built": self.built, "took_ms": self.took_ms}
        parts = {"cases": self.report, "call": self.trace, "live": self.live, "error": self.error}
        return {**told, **{name: part.to_json() for name, part in parts.items() if part is not None}}

    def lines(self) -> list[tuple[str, str]]:
        """Give it for people: a kind, and a line."""
        lines = [("head", self._headline())]
        if self.error is not None:
            lines += [("failed", f"  {line}") for line in screen.error_text(self.error).split("\n")]
        if self.report is not None:
            lines += [("failed", f"  {each.name}: {each.difference}") for each in self.report.failed]
            lines += [("cost", f"  no case calls {name}") for name in self.report.untried]
        lines += self.trace.lines() if self.trace else []
        lines += [("answer", f"  {line}") for line in (self.live.lines() if self.live else ())]
        return lines

    def _headline(self) -> str:
        words = [self.built or "as built before"]
        if self.report is not None:
            words.append(f"{self.report.cases} cases, {len(self.report.failed)} failed")
        if self.trace is not None:
            words.append(f"call {self.trace.took_us:,} µs")
        if self.error is not None:
            words = ["stopped"]
        return f"{', '.join(words)}, {self.took_ms:,} ms in all"


@dataclass(slots=True, kw_only=True)
class Bench:
    """A module that is worked at: what was built last, and what was said of it.

    ``calls`` is how many are run again before a version goes live; None where none does.
    """

    folder: Path
    function: str | None
    input: str
    calls: int | None
    options: TenantOptions
    _made_of: Any = None
    _shown: list[str] = field(default_factory=list)

    def look(self) -> Any:
        """Read what is watched: the author's own files, without what a build writes into the manifest."""
        try:
            files: dict[str, Any] = dict(read_folder(self.folder, without=MADE))
            if self.input.startswith("@"):
                files["@"] = read_text_input(self.input)
        except BailiwickError as error:
            return error.message
        files["module.json"] = _own(files.get("module.json", b""))
        return files

    def show(self) -> bool:
        """Go around once, show what came of it, and say whether all of it passed."""
        round_ = self.go_around()
        lines = round_.lines()
        texts = [text for _, text in lines]
        if self.options.json:
            print(json.dumps(round_.to_json()), flush=True)
        else:
            kinds = {text: kind for kind, text in lines}
            said = changed_lines(self._shown, texts)
            screen.painted([(STYLES[kinds[text]] if text in kinds else "dim strike", text) for text in said])
        self._shown = texts
        return round_.is_green

    def go_around(self) -> Round:
        """Build what changed, run the cases and the call, and let it go live where that is wanted and all passed."""
        from bailiwick.supervisor import refuse_native

        began = time.monotonic()
        done: dict[str, Any] = {}
        try:
            project = read_module(self.folder)
            if self.calls is not None:
                refuse_native(project.manifest, "installed")
            done["built"] = self._build(project)
            project = read_module(self.folder)
            self._try(project, done)
            if self.calls is not None and Round(**done).is_green:
                done["live"] = go_live(read_folder(self.folder), self.options, calls=self.calls)
        except BailiwickError as error:
            done["error"] = error
        return Round(**done, took_ms=round((time.monotonic() - began) * 1000))

    def _build(self, project: Project) -> str | None:
        """Build the module where what it is made of changed, and say so."""
        from bailiwick.authoring import NATIVE, build
        from bailiwick.node import toolchain_for

        if project.manifest["abi"] == NATIVE:
            return "native"
        made_of = (project.main, project.sources, project.world, project.manifest["abi"], _asked(project))
        if (self._made_of in (None, made_of)) and self._is_fresh(project):
            self._made_of = made_of
            return None
        toolchain = toolchain_for(project.language, self.folder)
        began = time.monotonic()
        built = build(project, toolchain)
        write_files(self.folder, built.files)
        self._made_of = made_of
        return f"{len(built.wasm):,} bytes in {time.monotonic() - began:.1f} s"

    def _is_fresh(self, project: Project) -> bool:
        """Say whether the binary that is there was built of the one source that there is."""
        from bailiwick.canonical import digest

        manifest, binary = project.manifest, self.folder / str(project.manifest["file"])
        if not binary.is_file() or (self._made_of is None and len(project.sources) > 1):
            return False
        source = manifest.get("source", {}).get("digest")
        is_made = source == digest(project.sources[project.main])
        return is_made and manifest.get("digest") == digest(binary.read_bytes())

    def _try(self, project: Project, done: dict[str, Any]) -> None:
        """Run the cases, and the call if there is one; ``done`` keeps what came out before anything stopped it."""
        from bailiwick.authoring import Desk, run_cases, trace_call
        from bailiwick.model import Tier
        from bailiwick.node import desk_services

        budget = Tier(project.manifest["tier"]).budget
        with loaded_module(self.folder, project, self.options) as (runner, guest):
            done["report"] = run_cases(project.manifest, project.cases, guest, runner, budget)
            if self.function is None:
                return
            manifest = {**project.manifest, "digest": guest.digest}
            desk = Desk(manifest, desk_services(), _silent)
            given = read_text_input(self.input)
            done["trace"] = trace_call(manifest, runner, guest, self.function, given, budget=budget, host=desk)


def _silent(_line: str) -> None:
    """Say nothing: the trace has every question."""


def _asked(project: Project) -> list[str]:
    return [str(each["interface"]) for each in project.manifest["capabilities"]]


def _own(raw: bytes) -> Any:
    """Give what an author wrote of a manifest; where it is no JSON, its bytes."""
    try:
        manifest = json.loads(raw)
    except ValueError:
        return raw
    if not isinstance(manifest, dict):
        return raw
    own = {name: each for name, each in manifest.items() if name not in ("digest", "build")}
    if isinstance(own.get("source"), dict):
        own["source"] = own["source"].get("file")
    return own
