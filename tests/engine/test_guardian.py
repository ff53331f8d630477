"""Whatever happens to whom: the guardian takes every fault away, or says loudly that it could not."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.engine.ports import BUT_UNWELL
from gameday.engine.processes import alive

from .rig import STUBBORN, Rig, call, wait_until

# --- a fault's life ------------------------------------------------------------------------------------------------


def test_arm_inject_undo(rig: Rig) -> None:
    rig.injected("a")
    assert rig.disturbed() == {"a"}
    rig.send(do="undo", entries=["a"], reason="its time is over")
    assert rig.fact("recovered", "a")["evidence"] == "a is gone"
    assert rig.facts("a") == ["injecting", "undoing", "undo_sent", "recovered"]
    rig.send(do="settled", entry="a")
    rig.assert_nothing_after_the_last_undo("a")
    assert rig.end(0) == 0


def test_an_armed_fault_that_was_never_injected_is_undone_too(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    rig.send(do="undo_all", reason="abort")
    assert rig.fact("recovered", "a")["evidence"] == "nothing was injected; a is gone"
    assert rig.ledger() == ["undo a", "undone a"]
    assert rig.end(3) == 3


def test_after_an_abort_nothing_is_injected_any_more(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    rig.send(do="undo_all", reason="abort")
    assert rig.arm("b")["ok"]
    answer = rig.answer(rig.inject("b"))
    assert not answer["ok"] and "aborted" in answer["error"]
    rig.link.close()
    assert rig.process.wait(15) == 3
    assert "inject b" not in rig.ledger()


def test_inject_and_abort_in_one_breath(rig: Rig) -> None:
    """The injection may or may not have begun; what it did is gone in any case."""
    for n in range(10):
        assert rig.arm(f"f{n}")["ok"]
    orders = [json.dumps({"do": "undo_all", "reason": "abort"})]
    for n in range(10):
        inject = {"do": "inject", "entry": f"f{n}", "id": f"i{n}"}
        orders.insert(n, json.dumps({**inject, "call": call("inject", world=str(rig.world), name=f"f{n}")}))
    rig.link.sendall("\n".join(orders).encode() + b"\n")
    for n in range(10):
        rig.fact("recovered", f"f{n}")
        rig.assert_nothing_after_the_last_undo(f"f{n}")
    rig.end(3)


def test_what_was_to_be_undone_before_it_was_held_is_never_injected(rig: Rig) -> None:
    rig.send(do="undo", entries=["a"], reason="the exercise is being closed")
    armed = rig.arm("a")
    assert not armed["ok"] and "before it was armed" in armed["error"]
    assert not rig.answer(rig.inject("a"))["ok"]
    assert rig.end(0) == 0
    assert rig.ledger() == []


def test_what_was_to_be_undone_while_it_could_not_be_prepared_was_never_armed(rig: Rig) -> None:
    undo = {"name": "nowhere:undo", "args": {}, "timeout": 1.0}
    ident = rig.begin(do="arm", entry="a", undo=undo, recovered=None, objects=[], commands=[], recovery=9.0)
    rig.send(do="undo", entries=["a"], reason="over")
    assert not rig.answer(ident)["ok"]
    assert rig.end(0) == 0, "nothing was injected, so nothing can be left"


def test_undos_of_the_same_object_run_newest_first_and_others_at_once(rig: Rig) -> None:
    slow = {"undo_args": {"seconds": 0.3}}
    rig.injected("old", objects=["proxy", "x"], **slow)
    rig.injected("mid", objects=["proxy"], **slow)
    rig.injected("new", objects=["proxy"], **slow)
    rig.injected("other", objects=["elsewhere"], **slow)
    rig.send(do="undo_all", reason="abort")
    rig.fact("recovered", "old")
    order = [line for line in rig.ledger() if line.startswith("und")]
    assert [line for line in order if not line.endswith("other")] == [
        "undo new", "undone new", "undo mid", "undone mid", "undo old", "undone old",
    ]  # fmt: skip
    assert order.index("undo other") < order.index("undone new")
    rig.end(3)


def test_an_undo_that_fails_is_tried_again(rig: Rig) -> None:
    rig.injected("a", undo="undo_at_third")
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    assert rig.facts("a").count("undo_failed") == 1, "the second time it was no news"
    assert [m["attempt"] for m in rig.heard if m.get("fact") == "undo_sent"] == [1, 2, 3]
    assert "not now" in rig.fact("undo_failed", "a")["error"]
    assert rig.end(0) == 0


def test_an_undo_that_hangs_is_killed_and_tried_again(rig: Rig) -> None:
    rig.injected("a", undo="undo_hanging_once", timeout=0.5)
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    assert rig.ledger()[-3:] == ["try a", "undo a", "undone a"]
    rig.end(0)


def test_an_undo_that_closes_all_it_finds_and_hangs_is_killed_and_tried_again(rig: Rig) -> None:
    rig.injected("a", undo="undo_closing_all_once", timeout=5.0)
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    rig.send(do="settled", entry="a")
    rig.settle()
    wait_until(lambda: not rig.children(), "the first undo worker to be gone")
    rig.end(0)


def test_an_undo_that_says_it_worked_and_did_not_leaks_loudly(rig: Rig) -> None:
    rig.injected("a", undo="undo_nothing", recovery=1.0, holding=0.2, commands=["rm a", "ls"])
    rig.send(do="undo", entries=["a"], reason="over")
    leaked = rig.fact("leaked", "a")
    assert leaked["commands"] == ["rm a", "ls"] and "a is there" in leaked["error"]
    assert rig.facts("a").count("undo_sent") > 1
    assert rig.end(0) == 4


def test_what_is_undone_and_not_well_by_somebody_elses_change_has_recovered_and_says_so(rig: Rig) -> None:
    rig.injected("a", verify="gone_and_unwell", recovery=1.0, holding=0.2, commands=["rm a"])
    rig.send(do="undo", entries=["a"], reason="over")
    said = rig.fact("recovered", "a")
    assert said["unwell"] == "somebody took it away"
    assert rig.fact("undo_failed", "a")["error"] == f"{BUT_UNWELL}somebody took it away"
    assert said["evidence"] == "nothing of it is left, and it is not as it was before: somebody took it away"
    assert rig.facts("a").count("undo_sent") > 1, "it was looked at again until the recovery limit was over"
    rig.injected("b", undo="undo_nothing", verify="gone_and_unwell", recovery=1.0, holding=0.2)
    rig.send(do="undo", entries=["b"], reason="over")
    assert "b is there" in rig.fact("leaked", "b")["error"], "something is left of this one"
    assert rig.end(0) == 4


def test_what_somebody_mends_within_the_recovery_limit_has_recovered(rig: Rig) -> None:
    rig.injected("a", verify="gone_and_unwell", recovery=20.0, holding=0.2)
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("undo_failed", "a")
    (rig.world / "mended").touch()
    said = rig.fact("recovered", "a")
    assert said["evidence"] == "a is gone" and "unwell" not in said
    assert rig.end(0) == 0


def test_an_undo_may_take_long_but_no_longer_than_the_recovery_limit(rig: Rig) -> None:
    rig.injected("a", undo="undo_hanging_once", timeout=3600.0, recovery=0.5, commands=["rm a"])
    rig.send(do="undo", entries=["a"], reason="over")
    assert rig.fact("leaked", "a", within=8.0)["commands"] == ["rm a"]
    assert rig.end(0) == 4


def test_what_was_declared_to_need_no_undo_is_only_verified(rig: Rig) -> None:
    (rig.world / "a").touch()
    recovered = call("gone", 5.0, world=str(rig.world), name="a")
    armed = rig.ask(do="arm", entry="a", undo=None, recovered=recovered, objects=[], commands=[], recovery=5.0)
    assert armed["ok"]
    rig.send(do="undo", entries=["a"], reason="waiting until the target is whole again")
    rig.fact("undoing", "a")
    (rig.world / "a").unlink()
    rig.fact("recovered", "a")
    assert "undo_sent" not in rig.facts("a")
    rig.end(0)


def test_what_an_undo_starts_lives_on(rig: Rig) -> None:
    rig.injected("a", undo="undo_with_daemon")
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    assert rig.end(0) == 0
    services = rig.ledger().count("undone a")
    wait_until(lambda: len(rig.left()) == services, "nothing but the service that the undo started again")
    for pid in rig.left():
        assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")
        os.kill(pid, signal.SIGKILL)


# --- arming --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nowhere:undo", "calls:nothing", "calls"])
def test_an_undo_that_can_not_be_loaded_is_no_armed_fault(rig: Rig, name: str) -> None:
    undo = {"name": name, "args": {}, "timeout": 1.0}
    answer = rig.ask(do="arm", entry="a", undo=undo, recovered=None, objects=[], commands=[], recovery=1.0)
    assert not answer["ok"] and answer["error"]
    rig.send(do="settled", entry="a")
    assert rig.run("echo", value=1)["output"] == 1
    assert rig.end(0) == 0


def test_an_undo_that_can_not_be_loaded_does_not_make_processes_without_end(rig: Rig) -> None:
    undo = {"name": "nowhere:undo", "args": {}, "timeout": 1.0}
    refused = rig.ask(do="arm", entry="a", undo=undo, recovered=None, objects=[], commands=[], recovery=1.0)
    assert not refused["ok"]
    assert refused["error"] == "its undo could not be prepared: ModuleNotFoundError: No module named 'nowhere'"
    for _ in range(5):
        rig.settle()
        time.sleep(0.05)
    assert rig.log.read_text().count("ModuleNotFoundError") == 1
    answer = rig.answer(rig.inject("a"))
    assert not answer["ok"], "it is not armed, so it is not injected"
    rig.end(0)


def test_a_fault_is_armed_once(rig: Rig) -> None:
    rig.injected("a")
    assert not rig.arm("a")["ok"]
    assert rig.ledger() == ["inject a"]
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    rig.end(0)


def test_a_fault_that_can_not_be_armed_for_want_of_descriptors_is_refused(rig: Rig) -> None:
    import resource

    rig.injected("a")
    rig.settle()
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (rig.descriptors() + 1, 4096))
    assert not rig.arm("b")["ok"]
    assert not rig.run("echo", value=1)["ok"]
    rig.send(do="undo_all", reason="abort")
    rig.fact("recovered", "a")
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
    assert rig.end(3) == 3
    assert rig.disturbed() == set()


def test_an_undo_that_can_not_be_forked_now_is_tried_again(rig: Rig) -> None:
    import resource

    rig.injected("a", undo="undo_at_third")
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (rig.descriptors() - 2, 4096))
    rig.send(do="undo", entries=["a"], reason="over")
    rig.hear(lambda m: m.get("fact") == "undo_failed" and m["attempt"] > 1, "a second failure")
    resource.prlimit(rig.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
    rig.fact("recovered", "a")
    rig.end(0)


# --- injections that do not want to end -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", STUBBORN)
def test_an_injection_is_dead_before_the_last_undo(rig: Rig, how: str) -> None:
    pid = rig.injecting("a", how)
    rig.send(do="undo_all", reason="abort")
    rig.fact("recovered", "a")
    assert not alive(pid, None)
    rig.assert_nothing_after_the_last_undo("a")
    lines = len(rig.ledger())
    rig.end(3)
    wait_until(lambda: not rig.left(), "everything to be gone")
    assert len(rig.ledger()) == lines


def test_recovered_needs_an_undo_that_went_out_after_the_injection_was_dead(rig: Rig) -> None:
    rig.injecting("a", "inject_stubbornly")
    rig.send(do="undo", entries=["a"], reason="over")
    rig.fact("recovered", "a")
    assert rig.facts("a").count("undo_sent") == 2, "at once, and again when the injection was dead"
    rig.end(0)


def test_an_injection_past_its_time_is_killed_and_said(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    answer = rig.answer(rig.inject("a", "inject_asleep", timeout=0.3))
    assert not answer["ok"] and "timeout" in answer["error"]
    rig.send(do="undo", entries=["a"], reason="it failed")
    rig.fact("recovered", "a")
    rig.assert_nothing_after_the_last_undo("a")
    rig.end(0)


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.005, 0.01, 0.02])
def test_an_injection_that_completes_while_it_is_undone(rig: Rig, delay: float) -> None:
    for n in range(4):
        assert rig.arm(f"f{n}")["ok"]
        rig.inject(f"f{n}", "inject_late", delay=0.01)
    time.sleep(delay)
    rig.send(do="undo_all", reason="abort")
    for n in range(4):
        rig.fact("recovered", f"f{n}")
        rig.assert_nothing_after_the_last_undo(f"f{n}")
    rig.end(3)


# --- the engine dies or freezes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inject", *STUBBORN])
def test_the_end_of_the_link_undoes_everything(rig: Rig, how: str) -> None:
    rig.injecting("a", how) if how != "inject" else rig.injected("a")
    assert rig.arm("b")["ok"]
    rig.link.close()
    assert rig.process.wait(15) == 3
    rig.assert_nothing_after_the_last_undo("a")
    assert "undone b" in rig.ledger()


def test_a_missing_heartbeat_undoes_everything(start: Callable[..., Rig]) -> None:
    rig = start(heartbeat=0.5)
    rig.injecting("a", "inject_stubbornly")
    assert rig.process.wait(15) == 3
    rig.assert_nothing_after_the_last_undo("a")


def test_a_beating_engine_is_left_alone(start: Callable[..., Rig]) -> None:
    rig = start(heartbeat=0.5)
    rig.injected("a")
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        rig.settle()
        time.sleep(0.1)
    assert rig.ledger() == ["inject a"]
    rig.end(0)


def test_an_engine_that_says_goodbye_over_a_live_fault_is_not_believed(rig: Rig) -> None:
    rig.injected("a", undo="undo_nothing", recovery=0.5, holding=0.1)
    assert rig.end(0) == 4
    assert rig.process.stdout is not None
    assert json.loads(rig.process.stdout.read().splitlines()[-1]) == {"ended": 4}


@pytest.mark.parametrize(
    "line", [b"garbage\n", b"[1]\n", b'{"do": "arm"}\n', b'{"do": "inject", "id": "1"}\n', b"\xff\n"]
)
def test_an_engine_that_has_gone_mad_undoes_everything(rig: Rig, line: bytes) -> None:
    rig.injected("a")
    rig.link.sendall(line)
    rig.fact("recovered", "a")
    assert rig.hear(lambda m: "abort" in m, "word of the abort")
    assert rig.run("echo", value=1)["output"] == 1, "the guardian is still there"
    assert rig.end(3) == 3


def test_a_log_on_a_full_disk_keeps_nothing_from_being_undone(
    start: Callable[..., Rig], tmp_path: pytest.TempPathFactory
) -> None:
    written = tmp_path / "clerk"  # type: ignore[operator]
    with open("/dev/full", "wb") as full:
        rig = start(stderr=full, clerk=["sh", "-c", f"cat > {written}"])
    rig.injected("a")
    rig.link.close()
    assert rig.process.wait(15) == 3
    assert "undone a" in rig.ledger()
    facts = json.loads(written.read_text())
    assert [fact["fact"] for fact in facts["facts"]][-1] == "recovered"


# --- many ----------------------------------------------------------------------------------------------------------


def test_fifty_faults_at_once(rig: Rig) -> None:
    for n in range(50):
        assert rig.arm(f"f{n}", objects=[f"o{n % 25}"])["ok"]
    for n in range(50):
        rig.inject(f"f{n}", "inject_stubbornly" if n % 5 == 0 else "inject")
    wait_until(lambda: len(rig.disturbed()) == 50, "all 50 to be injected")
    rig.send(do="undo_all", reason="abort")
    for n in range(50):
        rig.fact("recovered", f"f{n}", within=30.0)
    assert rig.disturbed() == set()
    for n in range(50):
        rig.send(do="settled", entry=f"f{n}")
    rig.settle()
    wait_until(lambda: not rig.children(), "all workers to be reaped")
    assert rig.end(3) == 3


def test_200_jobs_and_10_faults_leave_no_descriptor_and_no_zombie(rig: Rig) -> None:
    rig.run("echo", value=1)
    before = rig.descriptors()
    for n in range(200):
        if n % 20 == 0:
            rig.injected(f"f{n}")
            rig.send(do="undo", entries=[f"f{n}"], reason="over")
            rig.fact("recovered", f"f{n}")
            rig.send(do="settled", entry=f"f{n}")
        assert rig.run("echo", value=n)["output"] == n
    rig.settle()
    wait_until(lambda: not rig.children(), "all workers to be reaped")
    assert rig.descriptors() == before
    assert rig.end(0) == 0
