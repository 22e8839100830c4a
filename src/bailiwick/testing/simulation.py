"""A ledger's life from one seed: records, batches, retries, kills, power cuts, full disks, worn bits, clocks that jump.

    LedgerSimulation(seed=7).run()

An oracle keeps what was promised. After each crash the ledger is opened again, once, and everything promised is there
with the same bytes and in the same place, groups are whole or absent, nothing is there twice, the ledger verifies, the
checkpoint that somebody else holds is still of this ledger, and records say what was dropped. ``PromiseBroken`` names
the step, and the command that repeats it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bailiwick.adapters.clock_memory import MemoryClock
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import BailiwickError, LedgerPoisoned, NotFound, Unavailable, Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger, leaf_digest
from bailiwick.model import Actor, Checkpoint, Draft, JsonValue, Receipt, Record
from bailiwick.testing.disk import Killed, Mishap, PowerCut, SimulatedDisk
from bailiwick.testing.wear import Worn, choose_bit, find_wrong_answer, find_wrong_repair

STEPS = 60
"""Steps of one life, in number."""
SEGMENT_RECORDS = 12
"""Short segments, so that many are begun."""

TENANT = "local"
ORIGIN = "bailiwick/0123456789abcdef"
FOLDER = Path("/ledger")
_ACTOR = Actor(id="operator-1", role="operator")
_SECOND_NS = 1_000_000_000
_TEN_YEARS_NS = 10 * 365 * 86_400 * _SECOND_NS
_OPENINGS_MAX = 12
_FUTURE_SECONDS_MAX = 20


class PromiseBroken(AssertionError):
    """The ledger did what it promises never to do."""


@dataclass(slots=True)
class _Asked:
    """What one caller asked for. ``first``: its first record's index, None where that is not known."""

    drafts: Sequence[Draft]
    key: str | None
    first: int | None = None
    is_known: bool = False

    @property
    def numbers(self) -> list[int]:
        return [int(str(draft.detail["number"])) for draft in self.drafts]


class LedgerSimulation:
    """One life of one ledger. ``story`` tells its steps."""

    def __init__(self, seed: int, *, steps: int = STEPS) -> None:
        self.seed = seed
        self.steps = steps
        self.story: list[str] = []
        self.disk = SimulatedDisk(seed)
        self._dice = Random(seed)  # noqa: S311 - a simulation repeats from its seed
        self._clock = MemoryClock(step_ns=1_000)
        self._signer = Signer(ORIGIN, new_secret(bytes(range(32))))
        self._ledgers: list[Ledger] = []
        self._chosen: Ledger | None = None
        self._asked: list[_Asked] = []
        self._promised: dict[int, str] = {}
        self._held: Checkpoint | None = None
        self._step = 0
        self._numbers = 0
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (24, self._record),
            (14, self._record_many),
            (6, self._submit),
            (6, self._retry),
            (6, self._checkpoint),
            (4, self._close),
            (4, self._open_another),
            (4, self._kill),
            (5, self._cut_power),
            (16, self._plan),
            (4, self._move_clock),
            (3, self._prove),
            (2, self._wear),
        ]

    def run(self) -> list[str]:
        """Live through every step, and give the story.

        Raises:
            PromiseBroken: what was promised does not hold.
        """
        self._reopen()
        weights, actions = zip(*self._actions, strict=True)
        for _ in range(self.steps):
            self._step += 1
            action = self._dice.choices(actions, weights)[0]
            self._survive(action)
        self._cut_power()
        return self.story

    def kinds(self) -> list[str]:
        """Live, and give the types of the records that there are at the end."""
        self.run()
        return [record.event_type for record in self._ledgers[0].records()]

    # --- what callers do --------------------------------------------------------------------------------------------

    def _record(self) -> None:
        self._ask(self._new(1), lambda ledger, asked: [ledger.record(TENANT, asked.drafts[0], key=asked.key)])

    def _record_many(self) -> None:
        asked = self._new(self._dice.choice([2, 3, 5, 20]))
        self._ask(asked, lambda ledger, asked: ledger.record_many(TENANT, asked.drafts, key=asked.key))

    def _submit(self) -> None:
        """Let several callers come at once; they share a group."""
        ledger = self._choose()
        all_asked = [self._new(1) for _ in range(self._dice.randint(2, 5))]
        self._tell(f"submit {[asked.numbers[0] for asked in all_asked]}")
        with ledger._committer._gate:
            futures = [ledger.submit(asked.drafts[0], key=asked.key) for asked in all_asked]
        errors = [future.exception(_FUTURE_SECONDS_MAX) for future in futures]
        for asked, future, error in zip(all_asked, futures, errors, strict=True):
            if error is None:
                self._promise(asked, [future.result()])
        for error in filter(None, errors):
            raise error

    def _retry(self) -> None:
        """Ask again for something that has a key, whether it is known to be kept or not."""
        keyed = [asked for asked in self._asked[-40:] if asked.key is not None]
        if keyed:
            asked = self._dice.choice(keyed)
            self._ask(asked, lambda ledger, asked: ledger.record_many(TENANT, asked.drafts, key=asked.key))

    def _choose(self) -> Ledger:
        self._chosen = self._dice.choice(self._ledgers)
        return self._chosen

    def _ask(self, asked: _Asked, ask: Callable[[Ledger, _Asked], list[Receipt]]) -> None:
        asked.is_known = asked.first is not None
        self._tell(f"record {asked.numbers}" + (f" under {asked.key}" if asked.key else ""))
        self._promise(asked, ask(self._choose(), asked))

    def _new(self, count: int) -> _Asked:
        drafts = []
        for _ in range(count):
            self._numbers += 1
            detail: dict[str, JsonValue] = {"number": self._numbers, "text": "x" * self._dice.choice([0, 0, 40, 700])}
            drafts.append(Draft(event_type="test.step", resource="test/1", detail=detail, actor=_ACTOR))
        asked = _Asked(drafts, f"key-{self._numbers}" if self._dice.random() < 0.4 else None)
        self._asked.append(asked)
        return asked

    def _promise(self, asked: _Asked, receipts: list[Receipt]) -> None:
        first = receipts[0].index
        indexes = [receipt.index for receipt in receipts]
        if indexes != list(range(first, first + len(asked.drafts))):
            self._break(f"the receipts of {asked.numbers} are for {indexes}")
        if asked.is_known and asked.first not in {None, first}:
            self._break(f"{asked.numbers} are at {asked.first}, and asked for again at {first}")
        asked.first, asked.is_known = first, True
        self._promised.update((receipt.index, receipt.leaf) for receipt in receipts)

    def _checkpoint(self) -> None:
        self._tell("sign a checkpoint, held elsewhere")
        self._held = self._choose().checkpoint()

    def _prove(self) -> None:
        if self._promised:
            index = self._dice.choice(list(self._promised))
            self._tell(f"prove {index}")
            self._choose().prove(index)

    # --- what happens to them ---------------------------------------------------------------------------------------

    def _close(self) -> None:
        self._tell("close and open again")
        while self._ledgers:
            ledger = self._choose()
            self._ledgers.remove(ledger)
            ledger.close()
        self._reopen()

    def _open_another(self) -> None:
        if len(self._ledgers) < 2:
            self._tell("open once more")
            ledger = self._open()
            if ledger.failure is None:
                self._ledgers.append(ledger)
            else:
                self._check_readable(ledger)

    def _kill(self) -> None:
        self._tell("kill one")
        self._choose()
        raise Killed

    def _cut_power(self) -> None:
        self._tell("cut the power")
        self.disk.cut_power()
        self._restart()

    def _plan(self) -> None:
        mishap = self._dice.choice(list(Mishap))
        after = self._dice.choice([1, 1, 2, 2, 3, 4, 6, 9])
        self._tell(f"{mishap.value} at change {after} from here")
        self.disk.plan(mishap, after=after)

    def _move_clock(self) -> None:
        by = self._dice.choice([-_TEN_YEARS_NS, -_SECOND_NS, 3_600 * _SECOND_NS, _TEN_YEARS_NS])
        self._tell(f"move the clock by {by // _SECOND_NS} seconds")
        self._clock.set(max(0, min(self._clock.now_ns() + by, 8 * _TEN_YEARS_NS)))

    def _wear(self) -> None:
        """Let a bit turn over: under a running process, and on a copy of the disk that is opened and used, twice.

        Afterwards the bit is what it was, as where a file is restored from a copy, and everything has to be there.
        """
        ledger = self._choose()
        self.disk.forget_plans()
        self.disk.make_room()
        raws = [record.raw for record in ledger.records()]
        worn = choose_bit(self.disk, FOLDER, self._dice, len(raws))
        self._tell(f"wear bit {worn.bit} of {worn.path.name}, record {worn.index}")
        image = self.disk.image()
        image.flip(worn.path, worn.bit)
        self.disk.flip(worn.path, worn.bit)
        self._check_answers(ledger, raws, worn)
        self.disk.flip(worn.path, worn.bit)
        self._live_on_worn(image, raws, worn)
        self._reopen()

    def _live_on_worn(self, image: SimulatedDisk, raws: list[bytes], worn: Worn) -> None:
        """Open a worn disk, append and seal as if nothing were, and open it again: no seal makes the damage good."""
        for _ in range(2):
            try:
                ledger = self._open(image)
            except BailiwickError as error:
                if worn.index != 0:
                    self._break(f"record {worn.index} is worn, and the ledger does not open at all: {error}")
                return
            if ledger.failure is None:
                count, wrong = find_wrong_repair(ledger, raws, worn, image)
                if wrong:
                    self._break(wrong)
                if self._held is not None and self._held.size > count:
                    self._break(f"a checkpoint of size {self._held.size} was held, and {count} records are left")
                raws = raws[:count]
            self._tell(f"  opened worn: {ledger.failure!r}, {len(raws)} records")
            self._check_answers(ledger, raws, worn)
            try:
                ledger.record(TENANT, Draft(event_type="test.worn", resource="test/1", detail={}, actor=_ACTOR))
                ledger.checkpoint()
            except BailiwickError as error:
                self._tell(f"  takes no more records: {error.message}")
            self._abandon(ledger)

    def _check_answers(self, ledger: Ledger, raws: list[bytes], worn: Worn) -> None:
        if wrong := find_wrong_answer(ledger, raws, worn, self._signer.verifier.text()):
            self._break(wrong)

    def _survive(self, action: Callable[[], None]) -> None:
        """Do something, and go on after whatever it met."""
        try:
            action()
        except PowerCut:
            self._tell("  the power goes")
            self._restart()
        except Killed:
            self._tell("  one is killed")
            if self._chosen in self._ledgers:
                self._ledgers.remove(self._chosen)
                self._abandon(self._chosen)
            if not self._ledgers:
                self._reopen()
        except Unavailable as error:
            self._tell(f"  {error.message}")
            self._restart() if self.disk.is_off else self._reopen()

    def _restart(self) -> None:
        self._abandon_all()
        self.disk.restart()
        if self._dice.random() < 0.3:
            self._plan()
        self._reopen()

    def _reopen(self) -> None:
        """Open the ledger until it stays open, and look for everything."""
        self._abandon_all()
        for _ in range(_OPENINGS_MAX):
            try:
                ledger = self._open()
            except PowerCut:
                self._tell("  the power goes while it opens")
                self.disk.restart()
                continue
            except (Killed, Unavailable) as error:
                self._tell(f"  opening fails: {error!r}")
                self.disk.make_room()
                continue
            if ledger.failure is None:
                self._ledgers = [ledger]
                self._check(ledger)
                return
            self._check_readable(ledger)
            self.disk.make_room()
        self._break(f"the ledger did not open in {_OPENINGS_MAX} turns")

    def _open(self, disk: SimulatedDisk | None = None) -> Ledger:
        store = FileLedgerStore(FOLDER, disk or self.disk, segment_records=SEGMENT_RECORDS)
        try:
            return Ledger.open(
                TENANT,
                store,
                self._signer,
                clock=self._clock,
                node_id="node-1",
                checkpoint_ms=None,
                guard=_admit_anything,
            )
        except NotFound:
            if self._promised:
                self._break("the ledger is gone")
            return Ledger.create(
                TENANT,
                store,
                self._signer,
                clock=self._clock,
                origin=ORIGIN,
                node_id="node-1",
                actor=_ACTOR,
                checkpoint_ms=None,
                guard=_admit_anything,
            )

    def _abandon_all(self) -> None:
        for ledger in self._ledgers:
            self._abandon(ledger)
        self._ledgers = []

    def _abandon(self, ledger: Ledger) -> None:
        """Leave a ledger as a dead process does: only its thread is ended."""
        ledger._committer.close()

    # --- what must hold ---------------------------------------------------------------------------------------------

    def _check_readable(self, ledger: Ledger) -> None:
        """A ledger that cannot be repaired now, because its disk fails, still gives everything that it promised."""
        self._tell(f"  opens for reading alone: {ledger.failure}")
        if not isinstance(ledger.failure, LedgerPoisoned):
            self._break(f"the ledger is broken: {ledger.failure!r}")
        self._check_promised([leaf_digest(record.raw).hex() for record in ledger.records()])

    def _check(self, ledger: Ledger) -> None:
        records = list(ledger.records())
        leaves = [leaf_digest(record.raw) for record in records]
        self._check_promised([leaf.hex() for leaf in leaves])
        self._check_groups(records)
        self._check_dropped(records)
        report = ledger.verify()
        if report.verdict is not Verdict.OK:
            self._break(f"it does not verify: {report.problems[0]}")
        held = self._held
        if held is not None and (held.size > len(leaves) or _root(leaves[: held.size]) != held.root):
            self._break(f"the checkpoint of size {held.size} that is held elsewhere is of another ledger")

    def _check_promised(self, leaves: list[str]) -> None:
        for index, leaf in self._promised.items():
            if index >= len(leaves) or leaves[index] != leaf:
                what = "is another one" if index < len(leaves) else f"is gone; there are {len(leaves)}"
                self._break(f"record {index} was acknowledged, and {what}")

    def _check_groups(self, records: list[Record]) -> None:
        """Each group is whole or absent, nothing is there twice, and what is there now stays."""
        places: dict[int, int] = {}
        for record in records:
            if record.event_type == "test.step":
                number = int(str(record.detail["number"]))
                if number in places:
                    self._break(f"{number} was asked for once, and is at {places[number]} and {record.index}")
                places[number] = record.index
        for asked in self._asked:
            found = [places[number] for number in asked.numbers if number in places]
            if found and found != list(range(found[0], found[0] + len(asked.drafts))):
                self._break(f"of the group {asked.numbers}, there are records {found}")
            if asked.is_known and (found[0] if found else None) != asked.first:
                self._break(f"{asked.numbers} came to be at {found[:1]}, after it was {asked.first}")
            asked.first, asked.is_known = found[0] if found else None, True
        for index in places.values():
            self._promised[index] = leaf_digest(records[index].raw).hex()

    def _check_dropped(self, records: list[Record]) -> None:
        """Whatever was moved aside is whole, was never promised, and a record says so."""
        said = {
            str(record.detail["quarantine"]): record for record in records if record.event_type == "ledger.recovered"
        }
        folder = FOLDER / "quarantine"
        names = self.disk.names(folder) if "quarantine" in self.disk.names(FOLDER) else []
        promised = set(self._promised.values())
        for name in names:
            data = self.disk.read(folder / name)
            digest = hashlib.sha256(data).hexdigest()
            if not name.endswith(digest[:16]):
                continue  # an interrupted copy: what it copied is still in its place
            if name not in said or said[name].detail["dropped_digest"] != f"sha256:{digest}":
                self._break(f"{name} was moved aside, and no record says so")
            if any(leaf_digest(line).hex() in promised for line in data.split(b"\n")):
                self._break(f"{name} was moved aside, and holds a record that was acknowledged")
        if missing := said.keys() - set(names):
            self._break(f"a record says that {missing} were moved aside, and they are not there")

    def _tell(self, what: str) -> None:
        self.story.append(f"{self._step:>4}  {what}")

    def _break(self, what: str) -> None:
        told = "\n".join(self.story[-12:])
        raise PromiseBroken(f"step {self._step}: {what}\n{told}\nrepeat it: make sim SEED={self.seed}")


def _admit_anything(draft: Draft) -> None:
    """Take drafts of a type that no room of the product writes."""
    del draft


def _root(leaves: Sequence[bytes]) -> bytes:
    """Give the root of a tree as RFC 6962 section 2.1 defines it, without any of the ledger's own code."""
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()
