"""What every ending owes, whatever led to it: a whole journal, a true exit code, and no traceback anywhere."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable

from gameday.exercise.state import Exercise
from tests.support.runs import Place, Target, kinds


def assert_ended(place: Place, code: int | None, wanted: int) -> Exercise:
    """The exercise as its journal tells it, which ended once with `wanted`, as the command did with `code`."""
    told = place.said()
    assert code == wanted, told
    records = place.records()
    assert [record.seq for record in records] == list(range(1, len(records) + 1)), "the journal has a gap"
    assert kinds(records).count("exercise_ended") == 1, told
    state = place.exercise()
    assert state.exit_code == wanted, told
    assert not state.live_faults, told
    assert "Traceback" not in told, told
    return state


def assert_undone(target: Target, names: Iterable[str]) -> None:
    """By the target's own ledger: each of these states was taken away, and nothing was set after the last time."""
    for name in names:
        path = f"/state/{name}"
        undone = target.requests("DELETE", path)
        assert undone, f"no undo of {name} in the ledger"
        late = [line for line in target.requests("PUT", path) if line["boot"] > undone[-1]["boot"]]
        assert not late, f"{name} was set after its last undo"


def ask(target: Target, method: str, path: str, body: str = "") -> None:
    urllib.request.urlopen(urllib.request.Request(target.url + path, body.encode(), method=method), timeout=5).read()


def set_value(target: Target, value: str) -> None:
    ask(target, "PUT", "/value", value)
