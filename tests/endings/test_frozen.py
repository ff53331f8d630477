"""Guardian and engine were stopped, or killed, all at once: nobody is left to say so but the next command."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from gameday.exercise.events import EngineStarted
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target

pytestmark = pytest.mark.long

RUN = ("run", "scenario.yaml", "--target", "lab", "--unattended")


def effective(place: Place) -> tuple[int, int]:
    """Start a run; guardian and engine once its fault is effective."""
    place.write("scenario.yaml", script(activity()))
    place.start(*RUN)
    state = place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    assert state.guardian_pid is not None and state.engine_pid is not None
    return state.guardian_pid, state.engine_pid


def stop(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def all_stopped() -> bool:
        return all(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T" for pid in pids)

    wait_for(all_stopped, 5, "all to be stopped")


@pytest.mark.parametrize("workers", ["running", "stopped"])
def test_abort_kills_those_that_stand_still_and_recovers(place: Place, target: Target, workers: str) -> None:
    guardian, engine = effective(place)
    pids = {guardian, engine} | (set(place.pids("gameday.engine.guardian")) if workers == "stopped" else set())
    stop(*sorted(pids))
    done = place.call("abort", timeout=40)
    assert done.returncode == 0, done.stdout + done.stderr + place.said()
    assert f"the guardian (pid {guardian}), the engine (pid {engine})" in done.stderr
    assert "broken  confirmed clear" in done.stdout
    assert target.requests("DELETE", "/state/broken")
    assert "NOT RECOVERED" not in place.call("list").stderr
    place.gone()


@pytest.mark.parametrize("engine_is", ["stopped", "killed"])
def test_the_command_that_waits_kills_those_that_stand_still_and_has_it_undone(
    place: Place, target: Target, engine_is: str
) -> None:
    guardian, engine = effective(place)
    stop(guardian)
    os.kill(engine, signal.SIGSTOP if engine_is == "stopped" else signal.SIGKILL)
    assert place.started[0].wait(60) == 3, place.said()
    assert f"the guardian (pid {guardian})" in place.said() and "stood still and was killed" in place.said()
    assert target.requests("DELETE", "/state/broken")
    assert place.exercise().phase == "ended"
    place.gone()


def test_a_signal_to_the_command_ends_what_stands_still_at_once(place: Place, target: Target) -> None:
    guardian, engine = effective(place)
    stop(guardian)
    os.kill(engine, signal.SIGKILL)
    place.started[0].send_signal(signal.SIGTERM)
    wait_for(lambda: target.requests("DELETE", "/state/broken"), 8, "the fault to be undone")
    assert place.started[0].wait(60) == 3, place.said()
    place.gone()


def test_recover_kills_those_that_stand_still(place: Place, target: Target) -> None:
    guardian, engine = effective(place)
    stop(guardian, engine)
    with sqlite3.connect(place.store) as raw:
        # As it stands a while later: nobody has renewed the lease.
        raw.execute("UPDATE gameday_exercises SET renewed_at = renewed_at - 60")
    raw.close()
    assert "NOT RECOVERED" in place.call("list").stderr
    done = place.call("recover", timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr + place.said()
    assert f"the guardian (pid {guardian}) stood still and was killed" in done.stderr
    assert target.requests("DELETE", "/state/broken")
    assert "NOT RECOVERED" not in place.call("list").stderr
    place.gone()


def test_abort_after_everything_was_killed_signals_nobody(place: Place) -> None:
    """The engine's number has been given to somebody else."""
    processes = [*effective(place)]
    ours = set(place.pids("gameday.engine.guardian")) | set(processes)
    place.started[0].kill()
    stop(*sorted(ours))
    for pid in sorted(ours):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not ours & set(place.processes()), 5, "all to be gone")
    with subprocess.Popen(["sleep", "60"]) as bystander:
        with open_store(str(place.store)) as store:
            ident = store.resolve(None)
            epoch = store.lease(ident).epoch
            there = Holder.mine(bystander.pid)
            old = Holder(there.pid, there.start_ticks - 1, there.host, there.boot_id)
            store.take_lease(ident, old, force=True)
            last = store.records(ident)[-1]
            event = EngineStarted(bystander.pid, bystander.pid, there.host)
            began = Record(last.seq + 1, last.wall, last.clock, last.wall, epoch + 1, "engine", "", event)
            store.append(ident, epoch + 1, [began], unrecovered=1)
        done = place.call("abort", timeout=40)
        assert bystander.poll() is None
        bystander.kill()
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"the engine of {ident} is gone" in done.stderr and "sent SIGTERM" not in done.stderr
    assert f"gameday recover {ident}" in done.stderr
    assert "broken  NOT CONFIRMED CLEAR" in done.stdout
    assert place.call("recover").returncode == 0
