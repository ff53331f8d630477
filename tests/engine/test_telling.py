"""An undo that goes on failing is told at a rate that people can read: the first time, changes, and now and then."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.engine.held import Held, Undoing
from gameday.engine.ports import Call

NOBODY = "GET /apis: 401, log in again"


class Told:
    """Failures of one undo, by a clock of the test's."""

    def __init__(self, recovery: float = 600.0) -> None:
        self.now = 1000.0
        self.lines: list[tuple[float, str, int]] = []
        self.error = ""
        self.undoing = Undoing(self._tell, lambda: self.now)
        self.held = Held("dark", 1, "m", None, None, frozenset(), recovery, stage="undoing")
        self.held.give_up = self.now + recovery
        self.undoing.held["dark"] = self.held

    def _tell(self, what: str, fields: dict[str, Any]) -> None:
        self.lines.append((self.now - 1000.0, what, fields.get("attempt", 0)))
        self.error = str(fields.get("error", ""))

    def attempt(self, error: str | None, seconds: float = 2.0) -> None:
        self.held.attempt += 1
        self.held.retry_at = None
        self.undoing.reported(self.held, {"what": "sent", "wall": self.now})
        if error is None:
            self.held.clean = True
            self.undoing.reported(self.held, {"what": "recovered", "evidence": "as it was"})
        else:
            self.undoing.reported(self.held, {"what": "failed", "error": error})
        self.now += seconds

    def told(self, what: str) -> list[tuple[float, int]]:
        return [(at, attempt) for at, each, attempt in self.lines if each == what]


def test_the_same_again_and_again_is_told_now_and_then() -> None:
    told = Told()
    for _ in range(150):
        told.attempt(NOBODY)
    assert [at for at, _ in told.told("undo_failed")] == [0.0, 10.0, 30.0, 70.0, 130.0, 190.0, 250.0]
    assert told.told("undo_failed")[2] == (30.0, 16), "with the attempt that it was"
    assert len(told.told("undo_sent")) == 8


@pytest.mark.parametrize(
    ("then", "news"),
    [
        ("GET /apis: can't be reached: connection refused", True),
        (NOBODY, False),
    ],
)
def test_a_change_is_told_at_once(then: str, news: bool) -> None:
    told = Told()
    for error in (NOBODY, NOBODY, NOBODY, then):
        told.attempt(error)
    assert told.told("undo_failed") == [(0.0, 1), *([(6.0, 4)] if news else [])]


def test_other_times_within_the_words_are_no_change() -> None:
    told = Told()
    for seconds in (5, 4.98, 4.7):
        told.attempt(f"no answer within {seconds} s")
    assert len(told.told("undo_failed")) == 1


def test_what_becomes_of_the_last_attempt_is_always_told_with_its_number() -> None:
    told = Told()
    for error in (NOBODY, NOBODY, NOBODY, NOBODY, None):
        told.attempt(error)
    assert told.lines[-2:] == [(8.0, "undo_sent", 5), (8.0, "recovered", 0)]
    assert told.told("undo_sent") == [(0.0, 1), (2.0, 2), (8.0, 5)]


def test_that_it_failed_for_good_is_told_with_the_last_attempt() -> None:
    told = Told(recovery=4.0)
    for _ in range(3):
        told.attempt(NOBODY)
    assert told.lines[-3:] == [(4.0, "undo_sent", 3), (4.0, "undo_failed", 3), (4.0, "leaked", 0)]


@pytest.mark.parametrize("seen_to_stand", [False, True])
def test_that_one_had_come_through_is_said_where_nobody_could_look_again(seen_to_stand: bool) -> None:
    told = Told(recovery=4.0)
    told.held.undo = Call("os:getpid", {}, 1.0)
    told.attempt("")
    told.held.clean = False
    told.held.retry_at = None
    told.undoing.reported(told.held, {"what": "recovered", "evidence": "as it was"})
    if seen_to_stand:
        told.attempt("it stands again")
    for _ in range(3):
        told.held.retry_at = None
        told.undoing.failed(told.held, "no process for the undo")
        told.now += 2.0
    assert told.lines[-1][1] == "leaked"
    assert ("an undo had come through before (as it was)" in told.error) is not seen_to_stand
