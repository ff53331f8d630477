"""What becomes of the faults when the guardian is killed, or a worker that was to undo one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from gameday.engine.processes import alive
from gameday.engine.workers import wait_for_order

from .rig import STUBBORN, Rig, as_process, wait_until

# --- the guardian dies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inject", *STUBBORN])
def test_when_the_guardian_is_killed_each_fault_is_undone_by_its_own_worker(rig: Rig, how: str) -> None:
    pid = rig.injecting("a", how) if how != "inject" else 0
    if how == "inject":
        rig.injected("a")
    assert rig.arm("b")["ok"]
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the workers to be done")
    rig.assert_nothing_after_the_last_undo("a")
    assert "undone b" in rig.ledger()
    assert pid == 0 or not alive(pid, None)


def test_a_worker_on_its_own_tries_more_than_once(rig: Rig) -> None:
    rig.injected("a", undo="undo_at_third")
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to be done")
    assert rig.ledger()[-1] == "undone a"


def test_a_worker_on_its_own_does_not_hang(rig: Rig) -> None:
    rig.injected("a", undo="undo_hanging_once", timeout=0.5)
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to be done")
    assert rig.ledger()[-1] == "undone a"


def test_a_worker_on_its_own_does_not_hang_in_the_verification(rig: Rig) -> None:
    rig.injected("a", verify="gone_hanging_once", holding=0.2)
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to be done")
    assert rig.ledger()[1:] == ["undo a", "undone a", "look a"] * 2


def test_a_worker_on_its_own_gives_a_long_undo_no_longer_than_the_recovery_limit(rig: Rig) -> None:
    rig.injected("a", undo="undo_hanging_once", timeout=3600.0, recovery=0.5)
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to be done")
    assert rig.ledger()[-1] == "undone a"


def test_a_worker_on_its_own_kills_an_injection_but_nobody_who_has_its_number_by_now(rig: Rig) -> None:
    rig.injected("a")
    pid = int(rig.fact("injecting", "a")["pid"])
    with as_process(pid) as bystander:
        rig.process.kill()
        wait_until(lambda: "undone a" in rig.ledger() and not rig.left(), "the worker to be done")
        assert bystander.poll() is None


def test_a_worker_on_its_own_kills_only_what_was_not_taken_back() -> None:
    mine = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        for line, groups, clean, struck in [
            (b"k%d\n", {mine.pid}, False, []),
            (b"k%d\nd%d\n", set(), False, []),
            (b"t\n", set(), False, []),
            (b"", set(), True, []),
            (b's[{"name": "web-1"}]\n', set(), True, [{"name": "web-1"}]),
        ]:
            control, tell = os.pipe()
            os.write(tell, line.replace(b"%d", b"%d" % mine.pid))
            os.close(tell)
            order = wait_for_order(control)
            os.close(control)
            assert (order[0], set(order[1]), order[2], order[3]) == ("alone", groups, clean, struck)
    finally:
        mine.kill()
        mine.wait()


def test_a_worker_on_its_own_gives_up_in_the_end(rig: Rig) -> None:
    rig.injected("a", undo="undo_nothing", recovery=1.0, holding=0.1)
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to give up")
    assert rig.ledger().count("undo a") > 1


# --- an undo worker dies -------------------------------------------------------------------------------------------


def _undo_worker(rig: Rig) -> int:
    [pid] = rig.children()
    return pid


def test_an_undo_worker_that_is_killed_while_it_waits_is_replaced(rig: Rig) -> None:
    rig.injected("a")
    rig.settle()
    wait_until(lambda: len(rig.children()) == 1, "the inject worker to be reaped")
    for _ in range(5):
        before = _undo_worker(rig)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda before=before: [pid for pid in rig.children() if pid != before], "another worker")
        wait_until(lambda: len(rig.children()) == 1, "the killed one to be reaped")
        assert rig.ledger() == ["inject a"], "a replacement is no undo"
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    rig.end(0)


def test_many_undo_workers_killed_at_once_are_replaced_and_nothing_is_undone(rig: Rig) -> None:
    for n in range(20):
        rig.injected(f"f{n}")
    rig.settle()
    wait_until(lambda: len(rig.children()) == 20, "the inject workers to be reaped")
    for _ in range(3):
        before = rig.children()
        os.kill(rig.process.pid, signal.SIGSTOP)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        os.kill(rig.process.pid, signal.SIGCONT)
        wait_until(lambda before=before: len(set(rig.children()) - set(before)) == 20, "20 others")
        rig.settle()
        wait_until(lambda: len(rig.children()) == 20, "the killed ones to be reaped")
    assert not [line for line in rig.ledger() if line.startswith("undo")]
    rig.send(do="undo_all", reason="abort")
    for n in range(20):
        rig.fact("recovered", f"f{n}")
    rig.end(3)


def test_an_undo_worker_that_is_killed_in_its_undo_is_followed_by_another(rig: Rig) -> None:
    rig.injected("a", undo="undo_hanging_once", timeout=30.0)
    rig.settle()
    wait_until(lambda: len(rig.children()) == 1, "the inject worker to be reaped")
    rig.send(do="undo", entries=["a"], reason="over")
    wait_until(lambda: "try a" in rig.ledger(), "the undo to hang")
    os.kill(_undo_worker(rig), signal.SIGKILL)
    rig.fact("recovered", "a")
    assert "died" in rig.fact("undo_failed", "a")["error"]
    rig.end(0)


def test_a_replaced_undo_worker_knows_what_to_kill_when_the_guardian_dies(rig: Rig) -> None:
    pid = rig.injecting("a", "inject_in_shell")
    [worker] = [child for child in rig.children() if child != pid]
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: set(rig.children()) - {pid, worker}, "another worker")
    rig.settle()
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the workers to be done")
    rig.assert_nothing_after_the_last_undo("a")
