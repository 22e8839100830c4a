"""Write the pages that come from code; with ``--check`` say whether they are true.

python tools/write_docs.py           write both
python tools/write_docs.py --check   compare, and exit 1 where a page is stale or a link in any page leads nowhere
"""

from __future__ import annotations

import difflib
import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console

from bailiwick.cli.commands import COMMANDS, NOUNS, build

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from error_codes import ErrorCode, error_codes  # noqa: E402 - a file beside this one, found through the line above

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
WIDTH = 100
ERRORS_INTRODUCTION = """\
Written by `make docs` from the source. Every error has a stable code, a message with the values seen, and a hint that
can be followed; with `--json` it is `{"error": {"code", "message", "hint", ...}}`. The tree of classes is drawn at the
top of `src/bailiwick/errors.py`. A module that refuses a row brings codes of its own, listed beside its source. Exit
codes are those of the terminal ([cli.md](cli.md))."""
CONTRACTS_INTRODUCTION = """\
Written by `make docs` from the JSON Schemas (2020-12) in `src/bailiwick/contracts/schemas/`. Each is the law for one
noun that crosses a boundary; `bailiwick validate NAME FILE` checks a document by it."""


def main(arguments: list[str]) -> int:
    """Write the pages, or check all of them."""
    pages = {
        ROOT / "docs" / "cli.md": cli_page(),
        ROOT / "docs" / "errors.md": errors_page(error_codes(ROOT / "src")),
        ROOT / "docs" / "contracts.md": contracts_page(ROOT / "src" / "bailiwick" / "contracts" / "schemas"),
    }
    if arguments == ["--check"]:
        faults = [*stale(pages), *broken_links(ROOT)]
        print("\n".join(faults) or "docs: pages are true to the code, links lead somewhere")
        return 1 if faults else 0
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


def cli_page() -> str:
    """Give the page of commands: the help of each, as the program prints it."""
    parts = [
        "# Commands",
        "Written by `make docs` from the program's own help. Results go to stdout, talk and progress to stderr;"
        " `--json` prints one object, or one a line. Exit codes: 0 yes, 1 no, 2 usage, 3 refused, 4 not found,"
        " 5 unavailable; `verify` and `ledger verify` use 10 to 16 for their verdicts; 130 after an interrupt,"
        " 141 when the reader of a pipe has gone. Errors: [errors.md](errors.md).",
        _help([]),
    ]
    parts += [section for noun in ["", *NOUNS] for section in _sections(noun)]
    return "\n\n".join(parts) + "\n"


def _sections(noun: str) -> list[str]:
    below = sorted(command.words for command in COMMANDS if command.words.rpartition(" ")[0] == noun)
    heading = [f"## bailiwick {noun}", NOUNS[noun]] if noun else []
    return [*heading, *(f"### bailiwick {words}\n\n{_help(words.split())}" for words in below)]


def _help(words: list[str]) -> str:
    page = io.StringIO()
    build().help_print(words, console=Console(file=page, width=WIDTH))
    return "```text\n" + "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines()) + "\n```"


def errors_page(codes: list[ErrorCode]) -> str:
    """Give the page of error codes, in alphabetical order."""
    rows = [f"| `{code.code}` | {code.raised} | {code.exit_code} | {', '.join(code.files)} |" for code in codes]
    return "\n".join(
        [
            "# Errors",
            "",
            ERRORS_INTRODUCTION,
            "",
            "| Code | Class | Exit | Where |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def contracts_page(folder: Path) -> str:
    """Give the page of contracts: every JSON Schema that ships, by its name, with what it says of itself."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        says = " ".join(schema.get("description", schema["title"]).split())
        rows.append(f"| [{path.name}](../{path.relative_to(ROOT).as_posix()}) | {says} |")
    return "\n".join(
        [
            "# Contracts",
            "",
            CONTRACTS_INTRODUCTION,
            "",
            "| Contract | What it describes |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def stale(pages: dict[Path, str]) -> list[str]:
    """Name every page that is not what would be written, with the lines that differ."""
    faults = []
    for path, text in pages.items():
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if kept != text:
            moved = list(difflib.unified_diff(kept.splitlines(), text.splitlines(), lineterm="", n=0))[2:12]
            faults.append(f"{path.relative_to(ROOT)} is stale; run `make docs`:\n  " + "\n  ".join(moved))
    return faults


def broken_links(root: Path) -> list[str]:
    """Name every link of a page, to a file of this project, that leads nowhere."""
    faults = []
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                faults.append(f"{page.relative_to(root)}: the link to {target} leads nowhere")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
