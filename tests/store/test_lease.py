"""Who may write a journal."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gameday.errors import Exit
from gameday.store import Holder
from gameday.store.errors import LeaseHeld, LeaseLost, NoSuchExercise
from gameday.store.holder import FROZEN_AFTER, RENEWED_WITHIN, SKEW
from gameday.store.quick import standing
from gameday.store.store import Store

from .makers import note, started, wait_until

ELSEWHERE = Holder(pid=4711, start_ticks=99, host="another-host.example.com", boot_id="other")


def test_taking_makes_a_new_epoch_and_names_the_holder(store: Store) -> None:
    mine = Holder.mine()
    store.create(started("e"), mine)
    assert store.take_lease("e", mine) == 2
    lease = store.lease("e")
    assert (lease.epoch, lease.holder) == (2, mine)
    assert abs(lease.renewed_at - time.time()) < 5
    assert lease.held(time.time())


def test_a_living_engine_keeps_its_lease(store: Store, url: str, actor: Callable) -> None:
    other = actor("live", url, "e")
    assert other.hear() == {"epoch": 1}
    with pytest.raises(LeaseHeld) as held:
        store.take_lease("e", Holder.mine())
    assert held.value.holder.pid == other.pid
    assert str(other.pid) in str(held.value)
    assert held.value.exit_code == Exit.REFUSED
    assert store.lease("e").epoch == 1
    assert store.summary("e").engine_alive

    assert store.take_lease("e", Holder.mine(), force=True) == 2


def test_a_killed_engine_does_not(store: Store, url: str, actor: Callable) -> None:
    other = actor("live", url, "e")
    other.hear()
    other.kill()
    other.process.join()
    assert not store.summary("e").engine_alive
    assert store.take_lease("e", Holder.mine()) == 2


def test_a_zombie_does_not(store: Store) -> None:
    process = subprocess.Popen(["sleep", "60"])
    holder = Holder.mine(process.pid)
    store.create(started("e"), holder)
    with pytest.raises(LeaseHeld):
        store.take_lease("e", Holder.mine())
    process.kill()
    # Not waited for yet, so it is still in the process table.
    wait_until(lambda: not holder.alive(0.0, 0.0), "the process to be dead")
    assert Path(f"/proc/{process.pid}").exists()
    assert store.take_lease("e", Holder.mine()) == 2
    process.wait()


def test_another_process_under_the_same_number_does_not(store: Store) -> None:
    mine = Holder.mine()
    store.create(started("e"), replace(mine, start_ticks=mine.start_ticks - 1))
    assert store.take_lease("e", mine) == 2


def test_a_holder_of_a_former_boot_does_not(store: Store) -> None:
    mine = Holder.mine()
    store.create(started("e"), replace(mine, boot_id="the-one-before"))
    assert store.take_lease("e", mine) == 2


def test_a_holder_on_another_machine_is_believed_while_it_writes() -> None:
    now = 1000.0
    assert ELSEWHERE.alive(now - RENEWED_WITHIN + 1, now)
    assert not ELSEWHERE.alive(now - RENEWED_WITHIN - 1, now)


def test_another_machine_has_the_lease_until_it_is_silent(store: Store) -> None:
    store.create(started("e"), ELSEWHERE)
    with pytest.raises(LeaseHeld, match=r"another-host\.example\.com"):
        store.take_lease("e", Holder.mine())


def test_an_append_renews(store: Store) -> None:
    epoch = store.create(started("e"), Holder.mine())
    before = store.lease("e").renewed_at
    store.append("e", epoch, [note(2)])
    between = store.lease("e").renewed_at
    store.renew_lease("e", epoch)
    assert before < between < store.lease("e").renewed_at


def test_a_released_lease_is_anybodys(store: Store) -> None:
    epoch = store.create(started("e"), ELSEWHERE)
    store.release_lease("e", epoch)
    assert store.lease("e").holder is None
    assert not store.summary("e").engine_alive
    assert store.take_lease("e", Holder.mine()) == 2


def test_only_the_present_holder_renews_and_releases(store: Store) -> None:
    store.create(started("e"), Holder.mine())
    store.take_lease("e", Holder.mine())
    for act in (store.renew_lease, store.release_lease):
        with pytest.raises(LeaseLost) as lost:
            act("e", 1)
        assert lost.value.current_epoch == 2
    assert store.lease("e").holder == Holder.mine()


def test_there_is_no_lease_without_an_exercise(store: Store) -> None:
    with pytest.raises(NoSuchExercise):
        store.take_lease("e", Holder.mine())
    with pytest.raises(NoSuchExercise):
        store.lease("e")


@pytest.mark.parametrize("ahead", [SKEW + 1, 3600.0, 1e9])
def test_a_lease_renewed_in_the_future_proves_nothing(ahead: float) -> None:
    now = 1000.0
    assert ELSEWHERE.alive(now + SKEW - 1, now)
    assert not ELSEWHERE.alive(now + ahead, now)


@pytest.fixture
def stopped() -> Iterator[Holder]:
    process = subprocess.Popen(["sleep", "60"])
    os.kill(process.pid, signal.SIGSTOP)
    holder = Holder.mine(process.pid)
    wait_until(holder.stopped, "it to be stopped")
    yield holder
    process.kill()
    process.wait()


def test_a_holder_that_is_stopped_for_long_is_not_alive(stopped: Holder) -> None:
    now = time.time()
    assert stopped.alive(now, now), "it may go on in a moment"
    assert stopped.alive(now - FROZEN_AFTER + 1, now)
    assert not stopped.alive(now - FROZEN_AFTER, now)
    assert not stopped.alive(now + 3600, now), "the clock was put back meanwhile"
    assert stopped.runs_here()
    os.kill(stopped.pid, signal.SIGCONT)
    wait_until(lambda: not stopped.stopped(), "it to go on")
    assert stopped.alive(now - 3600, now), "a machine that was suspended, or a store that was locked for long"


def test_a_stopped_holder_loses_its_lease_and_is_warned_of(store: Store, url: str, stopped: Holder) -> None:
    epoch = store.create(started("e"), stopped)
    store.append("e", epoch, [note(2)], unrecovered=1)
    with pytest.raises(LeaseHeld):
        store.take_lease("e", Holder.mine())
    with store._database.writing("age") as connection:
        connection.run("UPDATE gameday_exercises SET renewed_at = :then", then=time.time() - FROZEN_AFTER - 1)
    assert not store.summary("e").engine_alive
    path = store.address.path
    assert path is None or [(one.exercise, one.faults) for one in standing(path)] == [("e", 1)]
    assert store.take_lease("e", Holder.mine()) == epoch + 1


def test_only_the_very_process_on_this_host_runs_here() -> None:
    mine = Holder.mine()
    assert mine.runs_here() and not mine.stopped()
    for other in (
        replace(mine, start_ticks=mine.start_ticks - 1),
        replace(mine, host="another-host.example.com"),
        replace(mine, boot_id="the-one-before"),
    ):
        assert not other.runs_here()
