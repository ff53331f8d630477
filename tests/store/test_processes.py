"""Several real processes on one store, some of them killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gameday.exercise import events as ev
from gameday.store import Holder, open_store
from gameday.store.store import Store

from .makers import started

pytestmark = pytest.mark.long


def test_of_two_writers_with_different_epochs_exactly_one_wins(store: Store, url: str, actor: Callable) -> None:
    store.create(started("e"), Holder.mine())
    new = store.take_lease("e", Holder.mine())
    racers = {epoch: actor("race", url, "e", epoch, f"by {epoch}") for epoch in (new - 1, new)}
    for racer in racers.values():
        assert racer.hear() == {"ready": True}
    for racer in racers.values():
        racer.go()
    assert racers[new].hear() == {"won": f"by {new}"}
    assert racers[new - 1].hear() == {"refused": "LeaseLost"}
    assert store.records("e")[1].event == ev.NoteTaken(f"by {new}")


def test_of_two_writers_with_one_epoch_exactly_one_wins(store: Store, url: str, actor: Callable) -> None:
    epoch = store.create(started("e"), Holder.mine())
    racers = [actor("race", url, "e", epoch, name) for name in ("ada", "bob")]
    for racer in racers:
        racer.hear()
    for racer in racers:
        racer.go()
    answers = [racer.hear() for racer in racers]
    assert {"refused": "LeaseLost"} in answers
    (winner,) = [answer["won"] for answer in answers if "won" in answer]
    assert [one.event for one in store.records("e", after=1)] == [ev.NoteTaken(winner)]


def test_a_writer_stops_when_the_lease_is_taken(store: Store, url: str, actor: Callable) -> None:
    store.create(started("e"), Holder.mine())
    writer = actor("write", url, "e", 1)
    writer.hear()
    for _ in range(20):
        writer.hear()
    store.take_lease("e", Holder.mine(), force=True)
    said = writer.rest()
    assert said[-1] == {"refused": "LeaseLost"}
    acknowledged = [line["acknowledged"] for line in said[:-1]]
    assert store.last_seq("e") == max(acknowledged, default=store.last_seq("e"))


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_kill_9_of_a_writer_leaves_a_whole_journal(url: str, actor: Callable) -> None:
    chance = random.Random(20261120)
    with open_store(url, busy=5.0) as store:
        store.create(started("e"), Holder.mine())
    for epoch in range(1, 9):
        writer = actor("write", url, "e", epoch)
        before = writer.hear()["ready"]
        heard = before
        while heard < before + 5:
            heard = writer.hear()["acknowledged"]
        time.sleep(chance.uniform(0, 0.02))  # the random moment
        writer.kill()
        heard = max([heard, *(line["acknowledged"] for line in writer.rest())])
        writer.process.join()
        with open_store(url, busy=5.0) as store:
            records = store.records("e")
            assert [one.seq for one in records] == list(range(1, len(records) + 1))
            assert heard <= len(records) == store.last_seq("e")
            assert store.take_lease("e", Holder.mine()) == epoch + 1


def test_several_processes_may_set_a_store_up_at_once(url: str, actor: Callable) -> None:
    crowd = [actor("setup", url) for _ in range(4)]
    for one in crowd:
        one.hear()
    for one in crowd:
        one.go()
    assert [one.hear() for one in crowd] == [{"schema": 1}] * 4


def test_a_crowd_may_set_many_files_up_at_once(tmp_path: Path) -> None:
    """Who changes the journal mode while another does gets an error at once; SQLite waits there for nobody."""

    def look(number: int) -> None:
        with open_store(str(tmp_path / f"{number // 6}.db"), busy=5.0) as store:
            assert store.exercises() == []

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(look, range(180)))


def test_a_forked_child_makes_connections_of_its_own(path: Path, actor: Callable) -> None:
    assert actor("fork", path).hear() == {"child": 0, "records": 3}


def test_threads_share_a_store(url: str, actor: Callable) -> None:
    assert actor("threads", url).hear() == {"trouble": [], "records": 199, "unrecovered": 0}
