"""Group commit: callers that come at the same time share one flush.

Whoever comes while nobody commits does it, for all who wait, in their own thread: a lone caller pays for no hand-over.
A caller whose records are durable hands over what came meanwhile to a thread in the background. That thread also signs
a checkpoint when records came and then nothing more. There is no timer that makes anybody wait.

Callers check and encode their records before they queue. Whoever waits is woken by the one before in the same group:
woken all at once, they would only wake to wait again, for the interpreter, which runs one thread at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice, pairwise

from bailiwick.errors import BailiwickError, LedgerPoisoned, UsageRefused
from bailiwick.ledger.record import Admitted
from bailiwick.ledger.recover import GROUP_BYTES_MAX
from bailiwick.ledger.writer import Writer
from bailiwick.model import Receipt

PARKED_SECONDS_MAX = 1.0
"""Longest sleep of a caller without looking whether its records are durable, in seconds: if the thread that was to wake
it was interrupted, it wakes by itself."""


class Committer:
    """The queue of what waits to be durable. Thread-safe."""

    def __init__(self, writer: Writer, *, idle_ms: int | None) -> None:
        """Commit through a writer.

        Args:
            writer: Appends groups.
            idle_ms: How long after the last record a checkpoint is signed in the background; None for never.
        """
        self._writer = writer
        self._idle_seconds = None if idle_ms is None else idle_ms / 1000
        self._mutex = threading.RLock()
        self._gate = threading.Condition(self._mutex)
        self._waiting: deque[_Ticket] = deque()
        self._is_led = False
        self._is_handed_over = False
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self.groups = 0
        """Groups that were committed."""
        self.upkeep_failure: BailiwickError | None = None
        """Why the newest checkpoint that nobody asked for was not signed, or None."""

    def run(self, entries: Sequence[Admitted], *, key: str | None = None, is_whole: bool = True) -> list[Receipt]:
        """Make records durable and give their receipts in order; the caller's thread may commit for others too.

        Args:
            entries: At most ``GROUP_BYTES_MAX`` of them where they are kept whole.
            key: What the caller knows them by; asked for again, they are not recorded again.
            is_whole: All of them go in one group.

        Raises:
            LedgerPoisoned, LedgerBroken, Unavailable: as ``Writer.commit``.
            UsageRefused: the key was used for something else.
        """
        size = sum([entry.size for entry in entries])
        ticket = None
        with self._mutex:
            self._check_open()
            if self._is_led or key is not None or size > GROUP_BYTES_MAX:
                ticket = _Ticket(entries, key=key, is_whole=is_whole, size=size)
                self._waiting.append(ticket)
                if self._is_led:
                    ticket.park()
            is_leader = not self._is_led
            self._is_led = True
            if self._thread is None and is_leader and self._idle_seconds is not None:
                self._start_thread()
        if ticket is None:
            return self._commit_alone(entries)
        if is_leader:
            self._lead(ticket)
        else:
            ticket.wait()
        if ticket.error is not None:
            raise ticket.error
        return ticket.receipts

    def submit(self, entry: Admitted, *, key: str | None = None) -> Future[Receipt]:
        """Queue one record, and give a future of its receipt. Callbacks must not append: they hold up the rest."""
        ticket = _Ticket([entry], key=key, size=entry.size)
        ticket.future = Future()
        ticket.future.set_running_or_notify_cancel()
        with self._mutex:
            self._check_open()
            self._waiting.append(ticket)
            if not self._is_led:
                self._is_led = True
                self._hand_over()
        return ticket.future

    def close(self) -> None:
        """Commit what waits, and stop the background thread. Records are refused from here on."""
        with self._gate:
            self._is_closing = True
            self._gate.wait_for(lambda: not self._is_led)
            self._gate.notify_all()
        if self._thread is not None:
            self._thread.join()

    # --- leading ----------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._is_closing:
            raise UsageRefused("the ledger is closed", hint="open it again", code="ledger-closed")

    def _commit_alone(self, entries: Sequence[Admitted]) -> list[Receipt]:
        """Commit what nobody else waits with, and give up the lead; nothing waits while nobody leads."""
        try:
            receipts = self._writer.commit(entries)
            self.groups += 1
            self._maintain()
            return receipts
        finally:
            self._give_up_lead()

    def _lead(self, own: _Ticket | None) -> None:
        """Commit group after group, until nothing waits, or until one's own is done."""
        while True:
            with self._gate:
                if own is not None and own.is_done and self._waiting:
                    self._hand_over()
                    return
                group = self._take_group()
                if not group:
                    self._release_lead()
                    return
            try:
                self._commit(group)
            except BaseException:
                # Those who wait have been told. The background goes on; a caller is interrupted, and others go on.
                if own is not None:
                    self._give_up_lead()
                    raise

    def _give_up_lead(self) -> None:
        with self._gate:
            if self._waiting:
                self._hand_over()
            else:
                self._release_lead()

    def _release_lead(self) -> None:
        self._is_led = False
        if self._is_closing:
            self._gate.notify_all()

    def _take_group(self) -> list[tuple[_Ticket, Sequence[Admitted]]]:
        """Take as much as one group may hold, from the oldest on; only what need not stay whole is divided."""
        group: list[tuple[_Ticket, Sequence[Admitted]]] = []
        keys: set[str] = set()
        room = GROUP_BYTES_MAX
        while self._waiting and room > 0:
            ticket = self._waiting[0]
            begin, entries = ticket.taken, ticket.entries
            if begin == 0 and ticket.key is None and ticket.size <= room and ticket.error is None:
                # What nearly all of many callers come with: all of it, and nothing to look for.
                room -= ticket.size
                ticket.taken = len(entries)
                group.append((ticket, entries))
                self._waiting.popleft()
                continue
            if ticket.is_done:
                self._waiting.popleft()
                continue
            if ticket.key is not None:
                if ticket.key in keys:
                    break
                keys.add(ticket.key)
            if begin == 0 and ticket.size <= room:
                room -= ticket.size
                ticket.taken = len(entries)
            elif ticket.is_whole and group:
                break
            while ticket.taken < len(entries) and (room := room - entries[ticket.taken].size) > 0:
                ticket.taken += 1
            if ticket.taken > begin:
                group.append((ticket, entries[begin : ticket.taken]))
            if ticket.taken == len(entries):
                self._waiting.popleft()
        return group

    def _commit(self, group: list[tuple[_Ticket, Sequence[Admitted]]]) -> None:
        try:
            answers = self._answers(group)
        except BailiwickError as error:
            _tell(group, [error] * len(group))
            return
        except BaseException as error:
            _tell(group, [_interrupted(error) for _ in group])
            raise
        self.groups += 1
        _tell(group, answers)
        self._maintain()

    def _answers(self, group: list[tuple[_Ticket, Sequence[Admitted]]]) -> Sequence[list[Receipt] | UsageRefused]:
        """Commit a group, and give to each of it what it gets."""
        if any(ticket.key is not None for ticket, _ in group):
            return self._writer.commit_keyed([(ticket.key, entries) for ticket, entries in group])
        if len(group) == 1:
            return [self._writer.commit(group[0][1])]
        receipts = iter(self._writer.commit([entry for _, entries in group for entry in entries]))
        return [list(islice(receipts, len(entries))) for _, entries in group]

    def _maintain(self) -> None:
        try:
            self._writer.maintain()
        except BailiwickError as error:
            # The callers' records are durable and they have their receipts. What stopped the writer stays in its
            # ``failure`` and meets the next caller; anything else is tried again at the next checkpoint.
            self.upkeep_failure = error

    # --- the background ---------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        self._is_handed_over = True
        self._start_thread()
        self._gate.notify_all()

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_background, name="ledger-committer", daemon=True)
            self._thread.start()

    def _run_background(self) -> None:
        while True:
            with self._gate:
                is_idle = not self._gate.wait_for(lambda: self._is_handed_over or self._is_closing, self._idle_seconds)
                if self._is_handed_over:
                    self._is_handed_over = False
                elif self._is_closing:
                    return
                elif not is_idle or self._is_led:
                    continue
                self._is_led = True
            if is_idle and not self._writer.tip.is_covered:
                self._sign_idle()
            self._lead(None)

    def _sign_idle(self) -> None:
        try:
            self._writer.checkpoint()
        except BailiwickError as error:
            self.upkeep_failure = error


class _Ticket:
    """What one caller waits for."""

    __slots__ = ("_bed", "entries", "error", "follower", "future", "is_whole", "key", "receipts", "size", "taken")

    def __init__(self, entries: Sequence[Admitted], *, key: str | None, is_whole: bool = True, size: int) -> None:
        self.entries = entries
        self.key = key
        self.is_whole = is_whole
        self.size = size
        self.receipts: list[Receipt] = []
        self.taken = 0
        self.error: BailiwickError | None = None
        self.future: Future[Receipt] | None = None
        self.follower: _Ticket | None = None
        """Whom to wake, in the same group."""
        self._bed: threading.Lock | None = None

    @property
    def is_done(self) -> bool:
        return self.error is not None or len(self.receipts) == len(self.entries)

    @property
    def is_parked(self) -> bool:
        return self._bed is not None

    def park(self) -> None:
        """Make ready for a caller to sleep on; held until ``wake``."""
        self._bed = threading.Lock()
        self._bed.acquire()

    def wait(self) -> None:
        """Sleep until the records are durable or failed, and wake the one behind."""
        assert self._bed is not None
        try:
            while not self.is_done:
                self._bed.acquire(timeout=PARKED_SECONDS_MAX)
        finally:
            if self.is_done and self.follower is not None:
                self.follower.wake()

    def wake(self) -> None:
        """Let the caller go; once."""
        assert self._bed is not None
        self._bed.release()

    def answer(self, answer: list[Receipt] | BailiwickError) -> None:
        """Take in receipts, or why there are none."""
        if isinstance(answer, BailiwickError):
            self.error = answer
        else:
            self.receipts = [*self.receipts, *answer] if self.receipts else answer
        if self.future is None:
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        elif self.is_done:
            self.future.set_result(self.receipts[0])


def _tell(group: list[tuple[_Ticket, Sequence[Admitted]]], answers: Sequence[list[Receipt] | BailiwickError]) -> None:
    """Give each of a group its answer, and wake the first of those who sleep; each wakes the next."""
    sleepers = [
        ticket
        for (ticket, _), answer in zip(group, answers, strict=True)
        if ticket.is_parked and (ticket.taken == len(ticket.entries) or isinstance(answer, BailiwickError))
    ]
    # Before the answers: whoever looks by itself, and finds that it is done, must know whom to wake.
    for ticket, follower in pairwise(sleepers):
        ticket.follower = follower
    for (ticket, _), answer in zip(group, answers, strict=True):
        ticket.answer(answer)
    if sleepers:
        sleepers[0].wake()


def _interrupted(error: BaseException) -> LedgerPoisoned:
    interrupted = LedgerPoisoned(
        f"committing was interrupted by {error!r}; whether the newest records are kept is unknown",
        hint="look for them with `bailiwick ledger tail`, and record them again where they are missing",
    )
    interrupted.__cause__ = error
    return interrupted
