"""Whose call runs next: nobody is starved, nobody saves up, urgent ones go first, and queues have an end."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack

import pytest

from bailiwick.errors import DocumentRefused, NotFound, Unavailable
from bailiwick.supervisor import NodeRules
from bailiwick.supervisor.schedule import AROUND_TURNS, NORMAL, PATIENT, QUEUE_MAX, URGENT, Cancelled, Schedule

from .conftest import AUTHOR, OPERATOR, OTHER_TENANT, TENANT, files_of

ADA = b'{"name":"Ada"}'


def order_of(schedule, tickets, fuel):
    """Run tickets one at a time, as a node with one place would, and give the order."""
    left, order = list(tickets), []
    while left:
        (running,) = [each for each in left if each.state == "called"]
        with schedule.run(running) as turn:
            turn.took(fuel[running.tenant])
        order.append(running)
        left.remove(running)
    return order


def tenants_of(order):
    """Whose calls they were."""
    return "".join(each.tenant for each in order)


def test_tenants_take_turns_whoever_asked_for_more():
    """Wrong if a tenant that asks for a hundred calls makes another wait for all of them."""
    schedule = Schedule(at_once=1)
    tickets = [schedule.ticket("a") for _ in range(20)] + [schedule.ticket("b") for _ in range(3)]
    order = tenants_of(order_of(schedule, tickets, {"a": 80_000, "b": 80_000}))
    assert "b" not in order[:1]
    assert order[1:7].count("b") == 3


def test_who_takes_more_fuel_is_called_less_often():
    """Wrong if shares are counted in calls, so that heavy calls take the node from light ones."""
    schedule = Schedule(at_once=1)
    tickets = [schedule.ticket(name) for _ in range(60) for name in "ab"]
    order = tenants_of(order_of(schedule, tickets, {"a": 1_000_000, "b": 80_000}))
    assert order[20:60].count("b") > 3 * order[20:60].count("a")


def test_a_weight_is_a_share():
    """Wrong if a tenant that was given twice the share does not get it."""
    schedule = Schedule(at_once=1, weights={"a": 2})
    tickets = [schedule.ticket(name) for _ in range(60) for name in "ab"]
    order = tenants_of(order_of(schedule, tickets, {"a": 80_000, "b": 80_000}))
    assert 36 <= order[:60].count("a") <= 44


def test_who_was_idle_saves_up_nothing():
    """Wrong if a tenant that slept an hour may then take the whole node for as long."""
    schedule = Schedule(at_once=1)
    fuel = {"a": 80_000, "b": 80_000}
    order_of(schedule, [schedule.ticket("a") for _ in range(50)], fuel)
    tickets = [schedule.ticket(name) for name in "bbbbbbbbbb"] + [schedule.ticket(name) for name in "aaaaaaaaaa"]
    order = tenants_of(order_of(schedule, tickets, fuel))
    assert 4 <= order[:10].count("a") <= 6


def test_an_urgent_call_goes_before_others_of_its_tenant_and_of_no_other():
    """Wrong if calling everything urgent takes another tenant's share."""
    schedule = Schedule(at_once=1)
    blocker = schedule.ticket("z")
    patient, normal, urgent = (schedule.ticket("a", each) for each in (PATIENT, NORMAL, URGENT))
    others = [schedule.ticket("b") for _ in range(3)]
    order = order_of(schedule, [blocker, patient, normal, urgent, *others], dict.fromkeys("abz", 80_000))
    own = [each for each in order if each.tenant == "a"]
    assert own == [urgent, normal, patient]
    assert tenants_of(order)[1:].startswith(("abab", "abba", "baab", "baba"))


def test_a_queue_has_an_end_for_each_tenant():
    """Wrong if a tenant could fill the memory of the node, or the queue of another."""
    schedule = Schedule(at_once=1)
    tickets = [schedule.ticket("a") for _ in range(QUEUE_MAX + 1)]
    with pytest.raises(Unavailable) as caught:
        schedule.ticket("a")
    assert caught.value.code == "module-queue-full"
    assert schedule.ticket("b").state == "waiting"
    assert schedule.waiting() == {"a": QUEUE_MAX, "b": 1}
    assert tickets[5].cancel()
    assert schedule.ticket("a").state == "waiting"


def test_a_call_that_is_taken_back_in_time_never_runs():
    """Wrong if nobody can stop what has not begun, or a cancelled call blocks the queue."""
    schedule = Schedule(at_once=1)
    first, second, third = (schedule.ticket("a") for _ in range(3))
    assert second.cancel()
    assert not second.cancel()
    with pytest.raises(Cancelled), schedule.run(second):
        pass
    with schedule.run(first):
        assert not first.cancel()
        assert third.state == "waiting"
    assert third.state == "called"
    assert third.cancel()
    with schedule.turn("a"):
        pass
    with pytest.raises(Cancelled), schedule.run(first):
        pass


def test_a_call_that_fails_gives_its_place_back():
    """Wrong if an error leaks a place, until nothing runs any more."""
    schedule = Schedule(at_once=2)
    for _ in range(10):
        with pytest.raises(ValueError, match="no"), schedule.turn("a"):
            raise ValueError("no")
    with schedule.turn("a"), schedule.turn("b"):
        pass


def test_never_more_than_so_many_run_and_all_come_to_an_end():
    """Wrong if a race lets too many run, or leaves a call waiting for ever."""
    schedule, most, running, lock = Schedule(at_once=3), 0, 0, threading.Lock()
    dice = random.Random(7)

    def call(tenant, priority):
        nonlocal most, running
        with schedule.turn(tenant, priority) as turn:
            with lock:
                running += 1
                most = max(most, running)
            turn.took(dice.randint(0, 10**6))
            with lock:
                running -= 1

    threads = [threading.Thread(target=call, args=(dice.choice("abc"), dice.choice((0, 1, 2)))) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 3
    assert schedule.waiting() == {}
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(schedule.turn("a"))


def test_a_tenant_runs_few_calls_while_there_are_others():
    """Wrong if a tenant waits for the end of another's call, or one that is alone leaves places empty."""
    schedule = Schedule(at_once=3, beside=1)
    alone = [schedule.ticket("a") for _ in range(3)]
    assert [each.state for each in alone] == ["called"] * 3
    assert all(each.cancel() for each in alone)
    with schedule.turn("b"):
        pass
    busy = [schedule.ticket("a") for _ in range(3)]
    assert [each.state for each in busy] == ["called", "waiting", "waiting"]
    other = schedule.ticket("b")
    assert other.state == "called"
    for each in (*busy, other):
        each.cancel()
    for _ in range(AROUND_TURNS + 1):
        with schedule.turn("a"):
            pass
    assert [schedule.ticket("a").state for _ in range(3)] == ["called"] * 3


def test_who_stops_waiting_for_its_turn_gives_its_place_back():
    """Wrong if an interrupt at the terminal leaves a turn that nobody uses, until nothing runs any more."""
    schedule = Schedule(at_once=1)
    first, second, third = (schedule.ticket("a") for _ in range(3))

    def interrupted():
        raise KeyboardInterrupt

    second._go.wait = interrupted
    with schedule.run(first), pytest.raises(KeyboardInterrupt), schedule.run(second):
        pass
    assert (second.state, third.state) == ("cancelled", "called")


def test_a_ticket_is_used_up_whatever_comes_of_its_call(house):
    """Wrong if a call that never ran leaves its place taken, until nothing of the node runs any more."""
    house.rules = NodeRules(at_once=1)
    fleet = house.open()
    fleet.registry(TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    fleet.registry(TENANT).install(files_of(), OPERATOR)
    for name, given, error in (("none", ADA, NotFound), ("greeter", b"{", DocumentRefused)):
        with pytest.raises(error):
            fleet.call(TENANT, name, "greet", given, OPERATOR, ticket=fleet.queue(TENANT, URGENT))
    lost = fleet.queue(TENANT)
    assert fleet.queue(TENANT).state == "waiting"
    assert lost.cancel()
    taken = fleet.queue(OTHER_TENANT, PATIENT)
    assert taken.cancel()


def test_calls_that_wait_for_a_swap_hold_no_turn_of_others(house):
    """Wrong if a tenant that drains a module stops every other tenant until it has."""
    house.rules = NodeRules(at_once=1)
    fleet = house.open()
    for tenant in (TENANT, OTHER_TENANT):
        fleet.registry(tenant).trust(AUTHOR.verifier.text(), OPERATOR)
        fleet.registry(tenant).install(files_of(), OPERATOR)
    inflight = fleet.swapper(TENANT).inflight
    detail = {"name": "greeter", "old": "sha256:" + "0" * 64, "new": "sha256:" + "1" * 64}
    ticket = fleet.queue(TENANT)
    assert ticket.state == "called"
    with inflight.locks.exclusive(TENANT, "swap-greeter"):
        inflight.state.record("module.swap-started", "module/greeter", detail, OPERATOR)
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(fleet.call(TENANT, "greeter", "greet", ADA, OPERATOR, ticket=ticket))
        )
        waiting.start()
        assert fleet.call(OTHER_TENANT, "greeter", "greet", ADA, OPERATOR).value == {"greeting": "hello"}
        assert answers == []
    waiting.join()
    assert [each.value for each in answers] == [{"greeting": "hello"}]
