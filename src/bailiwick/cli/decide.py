"""`bailiwick decide`: every input becomes a sealed decision or a refusal, one line each, in order."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.errors import NotFound, Unavailable, UsageRefused

Format = Literal["auto", "json", "jsonl", "csv"]
Priority = Literal["now", "later"]
BATCH_MAX = 64
"""Most inputs that share one flush, in number."""

SUFFIXES: dict[str, Literal["json", "jsonl", "csv"]] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
}


def decide(
    pack: str,
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    written_as: Annotated[Format, Parameter(name="--format")] = "auto",
    legal_date: str | None = None,
    batch: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=BATCH_MAX))] = BATCH_MAX,
    priority: Priority = "now",
    attach: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Decide every input by a pack, and seal each decision.

    A line is printed when its decision is durable, never before. Exits 0 when every input was decided, whatever the
    outcome, and 1 when some input was refused.

    Args:
        pack: Name of the pack.
        file: File of inputs, or - for standard input.
        written_as: How the file is written; auto goes by the file's name, or by its first characters.
        legal_date: Day to judge by, YYYY-MM-DD, where the inputs do not say when they happened.
        batch: How many inputs share one flush to disk; 1 answers each before the next is read.
        priority: What becomes of an input whose module cannot run now: refused at once, or kept to be decided later.
        attach: Folder of files that the pack pins by digest and does not hold, such as another owner's schema.
    """
    outcomes: Counter[str] = Counter()
    with (
        open_node(options) as (node, tenant),
        opened(file) as stream,
        screen.progress("deciding", beside_output=True) as advance,
    ):
        inputs = node.read_inputs(stream, format_of(file, stream) if written_as == "auto" else written_as)
        answers = node.decide(
            tenant,
            pack,
            inputs,
            legal_date=legal_date,
            batch=batch,
            may_wait=priority == "later",
            attachments=node.attachments_in(attach),
        )
        for answer in answers:
            line = answer.to_json()
            outcomes["waiting" if "queued" in line else line.get("outcome", "refused")] += 1
            print(json.dumps(line) if options.json else screen.plain(answer_text(line)), flush=True)
            advance(1)
    screen.say(f"{sum(outcomes.values())} inputs: " + ", ".join(f"{n} {word}" for word, n in outcomes.most_common()))
    return 1 if outcomes["refused"] else 0


def answer_text(line: dict[str, Any]) -> str:
    """Say for people what became of one input."""
    if "queued" in line:
        return f"record {line['queued']:<5}waits: its module cannot run now; bailiwick inputs decide"
    if "error" in line:
        error = line["error"]
        return f"refused     {error['code']}: {error['message']}"
    return f"record {line['record']:<5}{line['outcome']}"


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a file of inputs, or standard input for ``-``.

    Raises:
        NotFound: there is no such file.
        Unavailable: it cannot be read.
    """
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115, PTH123 - closed below; what fails here is the opening alone
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}", hint="give a path that is there, or - for standard input") from error
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be read: {error.strerror}", hint="see that it is a file that you may read"
        ) from error
    with stream:
        yield stream


def format_of(file: str, stream: BinaryIO) -> Literal["json", "jsonl", "csv"]:
    """Tell how a file is written, by its name, or by its first characters where the name does not say.

    Raises:
        UsageRefused: neither says.
    """
    named = SUFFIXES.get(Path(file).suffix.lower())
    if named is not None:
        return named
    peek = getattr(stream, "peek", None)
    beginning = bytes(peek(1)) if peek is not None else b""
    first_line = beginning.lstrip().split(b"\n", 1)[0].rstrip()
    if first_line.startswith(b"{"):
        return "jsonl" if first_line.endswith(b"}") else "json"
    if first_line[:1].isalpha() and b"," in first_line:
        return "csv"
    raise UsageRefused(
        f"neither the name nor the beginning of {file} says how it is written",
        hint="say so: --format csv",
        code="format",
    )
