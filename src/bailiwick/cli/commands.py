"""The tree of commands: every name, the function that answers it, and lines of the terminal that show its use.

Importing this is cheap: each function imports what it works with when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cyclopts import App

from bailiwick import __version__
from bailiwick.cli import (
    decide,
    demo,
    effects,
    erase,
    explain,
    home,
    inputs,
    interview,
    keeping,
    key,
    ledger,
    ledger_stores,
    module,
    module_author,
    module_dev,
    module_doctor,
    module_profile,
    module_series,
    module_swap,
    pack,
    pack_author,
    pack_source,
    panic,
    replay,
    sinks,
    travel,
    validate,
    verify,
    what_changed,
    witness,
)
from bailiwick.cli.help import Columns


class Command(NamedTuple):
    """One command: its words, its function, and lines of the terminal that show its use.

    What it does is said once, in the docstring of its function.
    """

    words: str
    answer: Callable[..., int]
    examples: tuple[str, ...]


NOUNS = {
    "ledger": "Read, prove, check and export the ledger.",
    "key": "See and change what the keys of a home are locked with.",
    "ledger hold": "Keep records whatever their age.",
    "ledger witness": "Let others hold the ledger's head, and hold theirs.",
    "module": "Write, build, sign, install, grant and call modules.",
    "module series": "Run many calls in a fixed order, to the same bytes each time.",
    "pack": "Write, try, sign, install and look at packs of law.",
    "inputs": "See and decide what came while no module could run.",
    "effects": "See, approve, perform and stop what decisions asked for.",
    "sinks": "Send the ledger to receivers outside, and see how far each has it.",
    "panic": "Stop every effect at once. Decisions and reads go on.",
}

COMMANDS = (
    Command("init", home.init, ("init", "init --json")),
    Command("demo", demo.demo, ("demo", "demo --legal-date 2014-06-01", "demo --input injuries.csv --json")),
    Command(
        "decide",
        decide.decide,
        ("decide us-osha-1904 injuries.csv --legal-date 2024-01-01", "decide us-osha-1904 facts.json --json"),
    ),
    Command("inputs list", inputs.list_inputs, ("inputs list", "inputs list --json")),
    Command("inputs decide", inputs.decide_inputs, ("inputs decide", "inputs decide --json")),
    Command("explain", explain.explain, ("explain 3", "explain 3 --json")),
    Command("replay", replay.replay, ("replay 3", "replay --all --json")),
    Command(
        "what-changed",
        what_changed.what_changed,
        (
            "what-changed us-osha-1904",
            "what-changed us-osha-1904 law/us-osha-1904 --since 2026-01-01",
            "what-changed us-osha-1904@VERSION us-osha-1904 --json",
        ),
    ),
    Command(
        "verify",
        verify.verify,
        ("verify bundle", "verify bundle --key VKEY --json", "verify bundle --policy auditor.policy"),
    ),
    Command(
        "validate", validate.validate, ("validate schema.json facts.json", "validate schema.json facts.json --json")
    ),
    Command("doctor", home.doctor, ("doctor", "doctor --json")),
    Command("ledger tail", ledger.tail, ("ledger tail", "ledger tail --count 3 --json")),
    Command("ledger show", ledger.show, ("ledger show 3", "ledger show 3 --json")),
    Command(
        "ledger prove",
        ledger.prove,
        ("ledger prove 3", "ledger prove 3 --out record-3.tlog-proof", "ledger prove --from 1"),
    ),
    Command(
        "ledger verify",
        ledger.verify,
        ("ledger verify", "ledger verify --jobs 2 --json", "ledger verify --seal", "ledger verify --fast"),
    ),
    Command("ledger checkpoint", ledger.checkpoint, ("ledger checkpoint", "ledger checkpoint --json")),
    Command(
        "ledger export", ledger.export, ("ledger export --out exported", "ledger export --out exported-again --json")
    ),
    Command(
        "ledger at",
        travel.at,
        (
            "ledger at now",
            "ledger at MOMENT --projection decisions --json",
            "ledger at MOMENT --projection decisions --replay",
        ),
    ),
    Command(
        "ledger find",
        travel.find,
        ("ledger find --type panic.set --json", "ledger find --type decision.sealed --since MOMENT --limit 5 --json"),
    ),
    Command(
        "ledger move",
        ledger_stores.move,
        (
            "ledger move --to sqlite",
            "ledger move --to files --json",
            "ledger move --to postgres",
            "ledger move --to s3",
        ),
    ),
    Command("ledger worm-probe", ledger_stores.worm_probe, ("ledger worm-probe", "ledger worm-probe --json")),
    Command("ledger retention", keeping.retention, ("ledger retention", "ledger retention --write default --json")),
    Command(
        "ledger hold add",
        keeping.add_hold,
        ("ledger hold add --resource pack/x --reason case-7", "ledger hold add --until 2026-01-31 --reason c8"),
    ),
    Command("ledger hold list", keeping.list_holds, ("ledger hold list", "ledger hold list --json")),
    Command("ledger hold release", keeping.release_hold, ("ledger hold release h12 --reason case-7-closed",)),
    Command(
        "ledger prune",
        keeping.prune,
        (
            "ledger prune --dry-run",
            "ledger prune --dry-run --carry --json",
            "ledger prune --archive archive --held kept.checkpoint --yes",
        ),
    ),
    Command("ledger stats", ledger.stats, ("ledger stats", "ledger stats --json")),
    Command(
        "ledger erase",
        erase.erase,
        ("ledger erase --record 3 --dry-run", "ledger erase --record 3 --record 4 --yes --json"),
    ),
    Command("key status", key.status, ("key status", "key status --json")),
    Command("key wrap", key.wrap, ("key wrap", "key wrap --with machine --json")),
    Command(
        "ledger witness add",
        witness.add,
        ("ledger witness add http://127.0.0.1:8630 WITNESS-KEY",),
    ),
    Command("ledger witness list", witness.list_witnesses, ("ledger witness list", "ledger witness list --json")),
    Command("ledger witness remove", witness.remove, ("ledger witness remove NAME",)),
    Command(
        "ledger witness key", witness.key, ("ledger witness key --name hub.example/w1", "ledger witness key --json")
    ),
    Command("ledger witness trust", witness.trust, ("ledger witness trust VKEY",)),
    Command("ledger witness serve", witness.serve, ("ledger witness serve --listen 127.0.0.1:8630",)),
    Command("ledger rotate-key", witness.rotate_key, ("ledger rotate-key", "ledger rotate-key --json")),
    Command("ledger policy", witness.policy, ("ledger policy", "ledger policy --quorum 0 --out written.policy")),
    Command("ledger restore", witness.restore, ("ledger restore bundle --witness http://127.0.0.1:8630",)),
    Command(
        "module new",
        module_author.new,
        ("module new pay-total --lang script-js", "module new pay-length --lang wat --json"),
    ),
    Command("module build", module_author.build, ("module build pay-size", "module build pay-size --check --json")),
    Command("module test", module_author.run_cases, ("module test pay-size", "module test pay-size --json")),
    Command(
        "module dev",
        module_dev.dev,
        (
            "module dev pay-size --function size --input '{}' --once",
            "module dev pay-size --once --install --json",
        ),
    ),
    Command("module doctor", module_doctor.doctor, ("module doctor pay-size", "module doctor pay-size --json")),
    Command(
        "module profile",
        module_profile.profile,
        (
            "module profile pay-size size --input '{}'",
            "module profile pay-size size --folded size.folded --json",
        ),
    ),
    Command(
        "module compose",
        module_author.compose,
        (
            "module compose pay-checked checker adder",
            "module compose pay-checked-2 checker adder --version 1.1.0 --json",
        ),
    ),
    Command("module sign", module_author.sign, ("module sign pay-size", "module sign pay-size --json")),
    Command(
        "module run",
        module_author.run,
        ("module run pay-size size --input '{}'", "module run pay-size size --input '{\"a\":1}' --json"),
    ),
    Command("module trust", module.trust, ("module trust AUTHOR-KEY", "module trust AUTHOR-KEY --json")),
    Command("module install", module.install, ("module install greeter", "module install greeter/module.json --json")),
    Command("module list", module.list_modules, ("module list", "module list --json")),
    Command("module show", module.show, ("module show greeter", "module show greeter --json")),
    Command(
        "module grant",
        module.grant,
        ("module grant greeter", "module grant greeter bailiwick:clock/clock@0.1.0 --json"),
    ),
    Command(
        "module call",
        module.call,
        (
            'module call greeter greet --input \'{"name":"Ada"}\'',
            "module call greeter greet --input @name.json --json",
            "module call greeter greet --priority urgent",
        ),
    ),
    Command("module replay", module.replay, ("module replay CALL", "module replay CALL --json")),
    Command(
        "module ungrant",
        module.ungrant,
        ("module ungrant greeter bailiwick:clock/clock@0.1.0",),
    ),
    Command(
        "module swap",
        module_swap.swap,
        ("module swap greeter-2 --dry-run", "module swap greeter-2 --calls 1000 --drain-ms 5000 --yes --json"),
    ),
    Command("module rollback", module_swap.rollback, ("module rollback greeter --json",)),
    Command("module pin", module_swap.pin, ("module pin greeter", "module pin greeter --json")),
    Command("module unpin", module_swap.unpin, ("module unpin greeter", "module unpin greeter --json")),
    Command(
        "module series run",
        module_series.run,
        ("module series run @calls.jsonl", "module series run @calls.jsonl --workers 2 --out lines.jsonl --json"),
    ),
    Command(
        "module series replay",
        module_series.replay,
        ("module series replay SERIES", "module series replay SERIES --workers 2 --json"),
    ),
    Command("module stop", module.stop, ("module stop greeter", "module stop greeter --json")),
    Command("module start", module.start, ("module start greeter", "module start greeter --json")),
    Command("module remove", module.remove, ("module remove greeter",)),
    Command("module untrust", module.untrust, ("module untrust AUTHOR-KEY", "module untrust AUTHOR-KEY --json")),
    Command("pack list", pack.list_packs, ("pack list", "pack list --json")),
    Command(
        "pack interview",
        interview.interview,
        ("pack interview us-mi-esta --language es", "pack interview us-mi-esta --answers known.json --json"),
    ),
    Command("pack show", pack.show, ("pack show us-osha-1904", "pack show us-osha-1904 --json")),
    Command("pack history", pack.history, ("pack history us-osha-1904", "pack history us-osha-1904 --json")),
    Command("pack sign", pack.sign, ("pack sign law/us-osha-1904", "pack sign law/us-osha-1904 --json")),
    Command("pack trust", pack.trust, ("pack trust AUTHOR-KEY", "pack trust AUTHOR-KEY --json")),
    Command(
        "pack install",
        pack.install,
        (
            "pack install law/us-osha-1904 --dry-run",
            "pack install law/us-osha-1904 --yes --json",
            "pack install law/us-osha-1904 --active-from 2100-01-01",
        ),
    ),
    Command(
        "pack activate",
        pack.activate,
        ("pack activate us-osha-1904 VERSION", "pack activate us-osha-1904 VERSION --active-from 2100-01-01 --json"),
    ),
    Command(
        "pack follow",
        pack_source.follow,
        (
            "pack follow law.git leave-law --key id_ed25519.pub",
            "pack follow law.git leave-law --ref main --key id_ed25519.pub --json",
        ),
    ),
    Command("pack sources", pack_source.sources, ("pack sources", "pack sources --json")),
    Command("pack pull", pack_source.pull, ("pack pull leave-law", "pack pull leave-law --commit COMMIT --yes --json")),
    Command("pack unfollow", pack_source.unfollow, ("pack unfollow leave-law",)),
    Command("pack new", pack_author.new, ("pack new town-fees", "pack new road-fees --into . --json")),
    Command(
        "pack test",
        pack_author.run_cases,
        ("pack test us-osha-1904", "pack test us-osha-1904 --coverage --mutate --json"),
    ),
    Command("pack lint", pack_author.lint, ("pack lint us-osha-1904", "pack lint us-osha-1904 --json")),
    Command(
        "pack diff",
        pack_author.diff,
        ("pack diff us-osha-1904 us-osha-1904", "pack diff us-osha-1904 us-osha-1904 --json"),
    ),
    Command("effects list", effects.list_effects, ("effects list --json", "effects list --state waiting")),
    Command("effects show", effects.show, ("effects show KEY", "effects show KEY --json")),
    Command("effects run", effects.run_effects, ("effects run", "effects run --json")),
    Command("effects retry", effects.retry, ("effects retry KEY", "effects retry --dead --json")),
    Command("effects cancel", effects.cancel, ("effects cancel KEY --reason superseded",)),
    Command("effects approve", effects.approve, ("effects approve KEY", "effects approve KEY --json")),
    Command("effects deny", effects.deny, ("effects deny KEY", "effects deny KEY --reason unproven")),
    Command("effects key", effects.key, ("effects key", "effects key --out effects.pub --json")),
    Command("sinks list", sinks.list_sinks, ("sinks list", "sinks list --json")),
    Command("sinks run", sinks.run, ("sinks run", "sinks run --json")),
    Command("sinks status", sinks.status, ("sinks status", "sinks status --json")),
    Command("panic on", panic.on, ('panic on --reason "wrong address"',)),
    Command("panic off", panic.off, ("panic off", "panic off --json")),
    Command("panic status", panic.status, ("panic status", "panic status --json")),
)


def build() -> App:
    """Build the tree."""
    root = App(
        name="bailiwick",
        help="Decide by law as code, seal each decision, and let anybody verify the ledger.",
        help_epilogue="Start with: bailiwick demo",
        help_format="plaintext",
        help_formatter=Columns(),
        version=__version__,
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    nouns = {
        word: App(name=word.split()[-1], help=text, help_epilogue="", version_flags=[]) for word, text in NOUNS.items()
    }
    for word, noun in nouns.items():
        above = word.rpartition(" ")[0]
        (nouns[above] if above else root).command(noun)
    for command in COMMANDS:
        noun_word, _, verb = command.words.rpartition(" ")
        parent = nouns[noun_word] if noun_word else root
        parent.command(
            command.answer,
            name=verb,
            help_epilogue="Examples:\n" + "\n".join(f"  bailiwick {example}" for example in command.examples),
            version_flags=[],
        )
    return root
