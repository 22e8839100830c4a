"""The module as a channel: what it answers, refuses, and how it fails."""

from __future__ import annotations

import pytest

from bailiwick.adapters.effectchannel_module import ModuleEffectChannel
from bailiwick.errors import EffectDelayed, EffectRefused, ModuleFailed, ModuleRefused, SchemaViolated, Unavailable
from bailiwick.schema import Schemas, parse_document
from tests.conformance.ports.test_effectchannel import KEY, message


def channel(value=None, refusal: str | None = None, error=None):
    """Give a channel whose module answers so, and what it was asked."""
    asked: list = []

    def call(tenant: str, content: bytes):
        """Answer."""
        asked.append((tenant, parse_document(content)))
        if error is not None:
            raise error
        return value, refusal

    return ModuleEffectChannel(name="pay", call=call), asked


@pytest.mark.parametrize(
    ("value", "delivered"),
    [(None, "now"), ({}, "now"), ({"delivered": "before"}, "before"), ("before", "now"), ({"delivered": 7}, "now")],
)
def test_an_answer_is_delivered(value, delivered: str):
    """A module could not say that it had done it before, or its chatter would count as that."""
    made, asked = channel(value)
    came = made.deliver("local", KEY, message(hours=8), fence=40)
    assert came == {"delivered": delivered, "channel": "module"}
    assert asked == [("local", {"fence": 40, "message": message(hours=8)})]
    Schemas().check("effect-result", {"key": KEY, "type": "notify", "record": 17, **came})


def test_a_refusal_is_for_good():
    """A module that said no would be asked again and again."""
    with pytest.raises(EffectRefused, match="no-account"):
        channel(refusal="no-account")[0].deliver("local", KEY, message())


@pytest.mark.parametrize(
    "error", [ModuleFailed("trap", hint="mend"), Unavailable("busy", hint="wait")], ids=lambda error: error.code
)
def test_a_failure_stays_what_it_is(error):
    """A module that will fail the same way each time would be tried for days, or one that is busy given up."""
    with pytest.raises(type(error)):
        channel(error=error)[0].deliver("local", KEY, message())


def test_a_quota_is_waited_for():
    """An effect would be given up because a day's fuel was used up."""
    with pytest.raises(EffectDelayed):
        channel(error=ModuleRefused("used up", hint="wait", code="module-quota"))[0].deliver("local", KEY, message())
    with pytest.raises(ModuleRefused):
        channel(error=ModuleRefused("stopped", hint="start it"))[0].deliver("local", KEY, message())


def test_what_is_no_message_calls_no_module():
    """Anything could be handed to a module under any key."""
    made, asked = channel()
    with pytest.raises(SchemaViolated):
        made.deliver("local", KEY, {"key": KEY})
    assert asked == []
