"""A fault that is undone, over what somebody else keeps from being as it was before."""

from __future__ import annotations

from gameday.engine.decide import verdict
from gameday.exercise import events as ev

from .journal import exercise, fault

UNDOING = fault("dark", 10, undo=60)


def test_it_has_recovered_and_failed() -> None:
    ended = exercise(*UNDOING, (61, ev.FaultRecovered("dark", "nothing is left", "the service was deleted")))
    dark = ended.faults["dark"]
    assert (dark.stage, dark.unwell, dark.cleared) == ("recovered", "the service was deleted", "nothing is left")
    assert not ended.unrecovered
    assert (verdict(ended).verdict, verdict(ended).exit_code) == ("failed", 1)
    assert verdict(ended).reason == "fault 'dark' is undone, and it is not as it was before: the service was deleted"


def test_one_that_leaked_before_is_not_called_so_any_more() -> None:
    leaked = (61, ev.FaultLeaked("dark", "no answer", ()))
    ended = exercise(*UNDOING, leaked, (90, ev.FaultRecovered("dark", "nothing is left", "the service was deleted")))
    assert ended.faults["dark"].error == "the service was deleted" and not ended.unrecovered
