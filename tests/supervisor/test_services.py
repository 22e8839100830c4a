"""What is answered is what is published: each service has the functions of its WIT contract, no more and no fewer."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from bailiwick.supervisor.check import NOT_OFFERED
from bailiwick.supervisor.services import standard_services
from bailiwick.supervisor.services.asking import is_named
from bailiwick.testing import MemoryClock, MemoryEntropy

SERVICES = standard_services(MemoryClock(), MemoryEntropy(), pytest.fail)
PACKAGES = {"ai", "audit", "clock", "config", "data", "events", "invoke", "log", "module", "random"}


def contracts() -> dict[str, frozenset[str]]:
    """Give the functions of every published interface, by its name."""
    found = {}
    for path in (files("bailiwick") / "contracts" / "wit").iterdir():
        text = re.sub(r"//[^\n]*", "", path.read_text())
        package, version = re.search(r"package ([a-z:-]+)@([0-9.]+);", text).groups()
        for name, body in re.findall(r"interface ([a-z-]+) \{(.*?)\n\}", text, re.S):
            functions = frozenset(re.findall(r"^    ([a-z-]+): func", body, re.M))
            if functions:
                found[f"{package}/{name}@{version}"] = functions
    return found


def test_every_package_of_the_contract_is_there():
    """Wrong if an interface that is promised had no contract."""
    there = {path.name.removesuffix(".wit") for path in (files("bailiwick") / "contracts" / "wit").iterdir()}
    assert there == PACKAGES


def test_every_service_answers_exactly_its_published_functions():
    """Wrong if a component built from the contract met another host."""
    published = contracts()
    assert {name: service.functions for name, service in SERVICES.items()} == {
        name: functions for name, functions in published.items() if not name.startswith(tuple(NOT_OFFERED))
    }


def test_every_contract_that_nobody_answers_has_a_reason():
    """Wrong if a module were refused without being told why."""
    unanswered = contracts().keys() - SERVICES.keys()
    assert {name.partition("/")[0] + "/" for name in unanswered} == NOT_OFFERED.keys()


@pytest.mark.parametrize(
    ("name", "patterns", "is_in"),
    [
        ("pay.made", ["pay.made"], True),
        ("pay.made", ["pay.*"], True),
        ("pay", ["pay.*"], False),
        ("payroll.made", ["pay.*"], False),
        ("pay.made", [], False),
        ("", ["*"], True),
        ("pay.made", ["PAY.*", "made"], False),
    ],
)
def test_a_name_is_within_a_scope_only_by_its_beginning(name, patterns, is_in):
    """Wrong if a scope let in what it does not name."""
    assert is_named(name, patterns) is is_in
