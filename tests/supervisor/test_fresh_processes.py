"""The same module, input and answers of the host leave the same evidence in every process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 4
PROGRAM = """
import json
from bailiwick.engine import Engine
from tests.supervisor.conftest import AUTHOR, CLOCK, OPERATOR, TENANT, House, asking
from tests.supervisor.test_real_guests import add, asking_text

with Engine() as engine:
    house = House(engine)
    fleet = house.open()
    fleet.registry(TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    add(fleet, "clock-reader", asking_text(CLOCK, "now"), asking(CLOCK, "now"))
    add(fleet, "denied", asking_text(CLOCK, "now"), asking(CLOCK, "now"), grant=False)
    for name in ("clock-reader", "denied"):
        fleet.call(TENANT, name, "do", b'{"b":1,"a":[2,3]}', OPERATOR)
    print(json.dumps([dict(each.detail) for each in house.events()], sort_keys=True))
    for ledger in house.ledgers.values():
        ledger.close()
"""


def test_calls_in_fresh_processes_leave_the_same_records_to_the_byte():
    """Wrong if output, fuel or evidence depended on the process: nobody else could show how a call went."""
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(number), "PYTHONPATH": str(ROOT)},
        ).stdout
        for number in range(PROCESSES)
    }
    assert len(told) == 1
    assert told.pop().count('"fuel"') == 2
