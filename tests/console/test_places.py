"""Where the facilitator can point the room."""

from __future__ import annotations

from dataclasses import replace

from gameday.console.places import Place, places
from gameday.exercise import events as e
from gameday.exercise.fold import fold

from . import states
from .journal import Journal, running
from .stage import BIG, SMALL, HeldFeed, played, post, stage, until, words

NAMES = {"checkout": "http://127.0.0.1:41951", "storefront": "http://127.0.0.1:39473"}
RUNBOOK = Place("runbook", "https://runbooks.example.com/payments")


def publishing(journal: Journal, kind: str = "sandbox") -> Journal:
    first = journal.records[0]
    assert isinstance(first.event, e.ExerciseStarted)
    event = replace(first.event, target={**first.event.target, "kind": kind, "names": NAMES})
    journal.records[0] = replace(first, event=event)
    return journal


def test_the_status_page_comes_first_then_the_runbook() -> None:
    status = Place("status page", "http://127.0.0.1:39473/", front=True)
    assert places(fold(publishing(running()).records)) == (status, RUNBOOK, Place("checkout", NAMES["checkout"]))
    elsewhere = Place("storefront", NAMES["storefront"], front=True)
    assert places(fold(publishing(running(), "other").records))[0] == elsewhere
    assert places(fold(running().records)) == (RUNBOOK,)


@played
async def test_the_status_page_is_in_sight_and_l_tells_all_of_them() -> None:
    journal = publishing(running())
    for size in (BIG, SMALL):
        app, _ = stage(HeldFeed(journal.records))
        async with app.run_test(size=size) as pilot:
            await post(pilot, journal.records)
            assert "status page http://127.0.0.1:39473/" in words(app).splitlines()[1]
            await pilot.press("l")
            await until(pilot, lambda app=app: "Where to look" in words(app))
            assert NAMES["checkout"] in words(app) and RUNBOOK.address in words(app)
            await pilot.press("escape")
            await post(pilot, publishing(states.aborted()).records)
            await until(pilot, lambda app=app: "ABORTED" in words(app))
            assert "39473" not in words(app), "it is taken down with the exercise"
