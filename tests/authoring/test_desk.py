"""At the desk a module gets what its manifest asks for, as far as it goes, and each call is shown."""

import pytest

from bailiwick.authoring import Desk
from bailiwick.engine import HostRefused
from bailiwick.model import Tier
from bailiwick.node import desk_services

CLOCK, READ, CONFIG = "bailiwick:clock/clock@0.1.0", "bailiwick:audit/read@0.1.0", "bailiwick:config/config@0.1.0"


@pytest.fixture
def shown():
    return []


@pytest.fixture
def desk(shown):
    def capability(interface, function, scope):
        return {"interface": interface, "functions": [function], "reason": "a test", "scope": scope}

    asked = [
        capability(CLOCK, "now", {}),
        capability(READ, "records", {}),
        capability(CONFIG, "get", {"values": {"rate": 3}}),
    ]
    manifest = {"name": "pay", "digest": "sha256:" + "0" * 64, "capabilities": asked}
    made = Desk(manifest, desk_services(), shown.append)
    return lambda *words: made.call(*words, left=Tier.LIGHTWEIGHT.budget, charge=lambda fuel: None)


def test_what_the_manifest_asks_for_is_answered_and_shown(desk, shown):
    """Wrong if an author could not see what a module does."""
    now = desk(CLOCK, "now", {})
    assert now > 10**18
    assert desk(CONFIG, "get", {"name": "rate"}) == "3"
    assert shown[0] == f"{CLOCK}#now {{}} gives {now}"


def test_what_it_does_not_ask_for_is_denied_and_shown(desk, shown):
    """Wrong if a missing line in the manifest showed only after installation."""
    with pytest.raises(HostRefused) as caught:
        desk("bailiwick:random/random@0.1.0", "number", {})
    assert caught.value.code == "denied"
    assert "manifest" in shown[0]


def test_what_only_a_home_has_is_denied_with_the_way_on(desk, shown):
    """Wrong if the desk made up a ledger."""
    with pytest.raises(HostRefused):
        desk(READ, "records", {"start": 0, "limit": 1})
    assert "write a case" in shown[0]


def test_a_refusal_of_the_service_reaches_the_module(desk, shown):
    """Wrong if a wrong argument were answered."""
    with pytest.raises(HostRefused):
        desk(CLOCK, "now", {"zone": "UTC"})
    assert "refused" in shown[0]
