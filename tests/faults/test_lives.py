"""The whole life of each fault: planned, injected, effective, undone, recovered, as the sandbox itself tells it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gameday.engine.ports import Call
from gameday.faults import dependency_outage, processes, wire
from gameday.faults.presence import home
from gameday.sandbox import control
from gameday.sandbox.control import Sandbox
from tests.support.processes import carrying

from .conftest import Life, prepare, run, target_of, wait_until

Planned = Callable[..., Life]

UNDOABLE: dict[str, dict[str, Any]] = {
    "latency": {"service": "payments", "delay": "300ms", "jitter": "20ms"},
    "refused": {"service": "payments", "mode": "refused"},
    "blackhole": {"service": "inventory", "mode": "blackhole"},
    "pod-freeze": {"service": "inventory"},
    "error-rate": {"service": "payments", "share": 1.0, "status": 502},
}
FAULT = {"refused": "dependency-outage", "blackhole": "dependency-outage"}
DONE = {
    "latency": ("toxic-added", "toxic-removed"),
    "refused": ("proxy-disabled", "proxy-enabled"),
    "blackhole": ("toxic-added", "toxic-removed"),
    "pod-freeze": ("instance-frozen", "instance-thawed"),
    "error-rate": ("error-rate-set", "error-rate-cleared"),
}
STANDS = {
    "latency": ["toxic gameday-e1-f1 on proxy payments"],
    "refused": ["proxy payments disabled"],
    "blackhole": ["toxic gameday-e1-f1 on proxy inventory"],
    "pod-freeze": ["instance inventory-1 frozen"],
    "error-rate": ["error rate gameday-e1-f1 on payments"],
}

each_undoable = pytest.mark.parametrize("kind", UNDOABLE)


def life(planned: Planned, kind: str, /, **changes: Any) -> Life:
    return planned(FAULT.get(kind, kind), UNDOABLE[kind], **changes)


@pytest.mark.proves("latency", "sandbox")
@pytest.mark.proves("dependency-outage", "sandbox")
@pytest.mark.proves("pod-freeze", "sandbox")
@pytest.mark.proves("error-rate", "sandbox")
@each_undoable
def test_whole_life(planned: Planned, kind: str) -> None:
    fault = life(planned, kind)
    undo = fault.plan.undo
    assert undo is not None
    prepare(undo)
    assert not fault.is_effective()
    assert fault.standing() == []
    fault.inject()
    fault.becomes_effective()
    assert fault.standing() == STANDS[kind]
    assert not fault.is_recovered()
    fault.undo()
    fault.recovers()
    assert not fault.is_effective()
    assert fault.standing() == []
    done, undone = DONE[kind]
    lines = [line for line in fault.ledger(done, undone) if line.process in ("proxy", "supervisor")]
    assert [line.what for line in lines] == [done, undone]


@each_undoable
def test_undo_before_the_injection_and_again_after_it(planned: Planned, kind: str) -> None:
    fault = life(planned, kind)
    fault.undo()
    fault.recovers()
    assert fault.ledger(*DONE[kind]) == []
    fault.inject()
    fault.becomes_effective()
    fault.undo()
    fault.undo()
    fault.recovers()
    assert fault.standing() == []


@each_undoable
def test_a_plan_is_json_and_names_what_it_touches(planned: Planned, kind: str) -> None:
    plan = life(planned, kind).plan
    assert json.loads(json.dumps(plan.to_json()))["summary"] == plan.summary
    assert plan.targets and plan.objects and plan.commands
    for call in (plan.inject, plan.undo, plan.effective, plan.recovered):
        assert call is not None and call.timeout <= 10


@pytest.mark.proves("latency", "toxiproxy")
@pytest.mark.proves("dependency-outage", "toxiproxy")
@pytest.mark.parametrize("kind", ["latency", "refused", "blackhole"])
def test_the_same_on_a_toxiproxy(planned: Planned, kind: str) -> None:
    fault = life(planned, kind, on="toxiproxy")
    fault.inject()
    fault.becomes_effective()
    assert fault.standing() == STANDS[kind]
    fault.undo()
    fault.recovers()
    assert fault.standing() == []


def test_latency_is_felt_by_requests_as_long_as_it_stands(planned: Planned, whole: Sandbox) -> None:
    fault = planned("latency", {"service": "payments", "delay": "300ms", "direction": "request"})
    assert fastest(whole.payments) < 0.3
    fault.inject()
    assert fastest(whole.payments) >= 0.3
    assert "the slowest was silent" in fault.becomes_effective()
    assert fault.ledger("toxic-added")[0].detail["stream"] == "upstream"
    fault.undo()
    assert fastest(whole.payments) < 0.3


def fastest(address: str) -> float:
    """Of three requests, since the machine may be busy."""
    return min(wire.knock(f"{address}/health", 2).took for _ in range(3))


@pytest.mark.parametrize("kind", ["latency", "refused", "blackhole"])
def test_what_somebody_took_off_the_proxy_is_seen_not_to_stand(planned: Planned, whole: Sandbox, kind: str) -> None:
    made = life(planned, kind)
    made.inject()
    assert run(made.plan.standing)["holds"]
    proxy = f"{whole.proxy}/proxies/{UNDOABLE[kind]['service']}"
    if kind == "refused":
        wire.demand("POST", proxy, {"enabled": True})
    else:
        wire.demand("DELETE", f"{proxy}/toxics/gameday-e1-f1")
    seen = run(made.plan.standing)
    assert not seen["holds"] and ("enabled again" in seen["evidence"] or "any more" in seen["evidence"])
    assert made.plan.standing is not None
    nobody = {**made.plan.standing.args, "api": "http://127.0.0.1:1"}
    with pytest.raises(wire.Unanswered):
        run(Call(made.plan.standing.name, nobody))
    made.undo()
    made.recovers()


def test_latency_of_a_share_of_connections_is_noticed(planned: Planned) -> None:
    fault = planned("latency", {"service": "payments", "delay": "200ms", "share": 0.3})
    fault.inject()
    assert fault.ledger("toxic-added")[0].detail["toxicity"] == 0.3
    fault.becomes_effective()
    fault.undo()
    fault.recovers()


def test_a_toxic_that_is_there_but_not_felt_is_not_effective(planned: Planned, whole: Sandbox) -> None:
    fault = planned("latency", {"service": "payments", "delay": "750ms"})
    name = fault.plan.undo.args["toxic"] if fault.plan.undo else ""
    weak = {"name": name, "type": "latency", "stream": "downstream", "attributes": {"latency": 1}}
    wire.demand("POST", f"{whole.proxy}/proxies/payments/toxics", weak)
    assert not fault.is_effective()
    fault.undo()


def test_a_refused_connection_and_a_swallowed_one(planned: Planned, whole: Sandbox) -> None:
    fault = life(planned, "refused")
    fault.inject()
    assert wire.knock(f"{whole.payments}/health", 1).outcome == "refused"
    fault.undo()
    fault.recovers()
    fault = life(planned, "blackhole")
    fault.inject()
    assert wire.knock(f"{whole.inventory}/health", 0.3).outcome == "silent"
    fault.undo()
    assert wire.knock(f"{whole.inventory}/health", 1).outcome == "answered"


def test_a_black_hole_swallows_requests_and_not_answers(planned: Planned, whole: Sandbox) -> None:
    """A service that closes after its answer would end the hole for whoever asks, and it would do what it was asked."""
    fault = life(planned, "blackhole")
    fault.inject()
    toxic = wire.demand("GET", f"{whole.proxy}/proxies/inventory").content["toxics"][0]
    assert (toxic["type"], toxic["stream"]) == ("timeout", "upstream")
    fault.becomes_effective()
    fault.undo()
    fault.recovers()


def test_a_disabled_proxy_behind_a_published_port_is_an_outage(whole: Sandbox) -> None:
    """What publishes the port accepts itself, and closes since nobody listens behind it."""
    wire.demand("POST", f"{whole.proxy}/proxies/payments", {"enabled": False})
    with socket.create_server(("127.0.0.1", 0)) as published:

        def accept_and_close() -> None:
            published.accept()[0].close()

        accepting = threading.Thread(target=accept_and_close)
        accepting.start()
        door = f"http://127.0.0.1:{published.getsockname()[1]}/"
        found = dependency_outage.refuses(whole.proxy, "payments", door)
        accepting.join()
    wire.demand("POST", f"{whole.proxy}/proxies/payments", {"enabled": True})
    assert found["holds"], found
    assert "closed" in found["evidence"]
    still_on = dependency_outage.refuses(whole.proxy, "payments", f"{whole.payments}/health")
    assert not still_on["holds"]


def test_injecting_what_is_there_already_is_a_failure(planned: Planned) -> None:
    fault = life(planned, "latency")
    fault.inject()
    with pytest.raises(RuntimeError, match="409"):
        fault.inject()
    fault.undo()


def test_undo_leaves_what_others_did(planned: Planned, whole: Sandbox) -> None:
    url = f"{whole.proxy}/proxies/payments/toxics"
    theirs = {"name": "by-hand", "type": "latency", "stream": "downstream", "attributes": {"latency": 5}}
    wire.demand("POST", url, theirs)
    fault = life(planned, "latency")
    other = life(planned, "latency", fault="f2")
    fault.inject()
    other.inject()
    fault.undo()
    assert "not this fault's" in fault.recovers()
    assert sorted(fault.standing()) == ["toxic by-hand on proxy payments", "toxic gameday-e1-f2 on proxy payments"]
    other.undo()
    assert fault.standing() == ["toxic by-hand on proxy payments"]
    wire.demand("DELETE", f"{url}/by-hand")


def test_a_proxy_that_is_disabled_already_is_refused(planned: Planned, whole: Sandbox) -> None:
    url = f"{whole.proxy}/proxies/payments"
    wire.demand("POST", url, {"enabled": False})
    with pytest.raises(ValueError, match="disabled already"):
        life(planned, "refused")
    wire.demand("POST", url, {"enabled": True})


def test_recovery_of_one_fault_does_not_wait_for_another_behind_it(planned: Planned) -> None:
    frozen = planned("pod-freeze", {"service": "payments"}, fault="frozen")
    slow = life(planned, "latency")
    frozen.inject()
    frozen.becomes_effective()
    slow.inject()
    slow.undo()
    assert "behind its proxy" in slow.recovers()
    frozen.undo()
    frozen.recovers()


def test_the_service_itself_is_asked_whether_an_error_rate_works(planned: Planned) -> None:
    fault = planned("error-rate", {"service": "checkout", "share": 1.0, "status": 500})
    fault.inject()
    evidence = fault.becomes_effective()
    assert "checkout-1, checkout-2" in evidence and "failed by it" in evidence
    assert {line.process for line in fault.ledger("error-rate-set")} == {"supervisor", "checkout-1", "checkout-2"}
    fault.undo()
    fault.recovers()
    cleared = {line.process for line in fault.ledger("error-rate-cleared")}
    assert cleared == {"supervisor", "checkout-1", "checkout-2"}


def test_an_error_rate_that_no_request_meets_is_not_effective(planned: Planned, whole: Sandbox) -> None:
    found = carrying(f"GAMEDAY_SANDBOX={whole.state_dir}").items()
    load = next(pid for pid, command in found if "gameday.sandbox.load" in command)
    fault = planned("error-rate", {"service": "payments", "share": 1.0})
    os.kill(load, signal.SIGSTOP)
    try:
        # What was under way is through.
        wait_until(lambda: not _in_flight(whole), "no request on its way")
        fault.inject()
        assert not fault.is_effective()
    finally:
        os.kill(load, signal.SIGCONT)
    fault.becomes_effective()
    fault.undo()
    fault.recovers()


def _in_flight(sandbox: Sandbox) -> bool:
    """Whether the storefront is answering requests."""
    page = str(wire.demand("GET", f"{sandbox.storefront}/metrics").content)
    (line,) = [line for line in page.splitlines() if line.startswith("http_requests_in_flight{")]
    return float(line.rpartition(" ")[2]) > 0


@pytest.mark.proves("pod-kill", "sandbox")
def test_kill_whole_life(planned: Planned, whole: Sandbox) -> None:
    fault = planned("pod-kill", {"service": "checkout", "instance": "checkout-2"})
    (instance,) = fault.plan.inject.args["instances"]
    assert fault.plan.undo is None
    assert fault.plan.targets == (f"checkout-2 (pid {instance['pid']})",)
    assert not fault.is_effective()
    fault.inject()
    fault.becomes_effective()
    fault.recovers()
    (gone,) = [line for line in fault.ledger("instance-exited") if line.detail["service"] == "checkout"]
    assert (gone.detail["pid"], gone.detail["signal"], gone.detail["wanted"]) == (instance["pid"], 9, False)
    assert [line.detail["name"] for line in fault.ledger("instance-started")] == ["checkout-2"]
    assert control.status(whole)["services"]["checkout"]["ready"] == 2


def test_killing_what_is_gone_already_is_a_failure(planned: Planned) -> None:
    fault = planned("pod-kill", {"service": "checkout", "instance": "checkout-1"})
    fault.inject()
    fault.becomes_effective()
    with pytest.raises(RuntimeError, match="gone before it was killed: checkout-1"):
        fault.inject()
    fault.recovers()
    assert len([line for line in fault.ledger("instance-exited") if line.detail["service"] == "checkout"]) == 1


def test_freezing_stops_the_very_process(planned: Planned, whole: Sandbox) -> None:
    fault = planned("pod-freeze", {"service": "checkout", "instance": "checkout-1"})
    (instance,) = fault.plan.inject.args["instances"]
    fault.inject()
    fault.becomes_effective()
    assert processes.state(instance["pid"], instance["start"]) == "T"
    fault.undo()
    fault.recovers()
    assert processes.state(instance["pid"], instance["start"]) in ("S", "R")
    assert fault.plan.commands == (f"kill -CONT {instance['pid']}",)


def test_what_has_the_pid_now_is_left_alone(whole: Sandbox) -> None:
    (instance,) = control.instances(whole, "inventory")
    other = [{"name": "inventory-1", "pid": instance["pid"], "start": instance["start"] - 1}]
    from gameday.faults import pod_freeze, pod_kill

    with pytest.raises(RuntimeError):
        pod_freeze.inject(other)
    with pytest.raises(RuntimeError):
        pod_kill.inject(other)
    assert processes.state(instance["pid"], instance["start"]) in ("S", "R")
    pod_freeze.undo(other, home(target_of(whole)))


def test_the_commands_for_people_undo_it(planned: Planned) -> None:
    import subprocess

    for kind in UNDOABLE:
        fault = life(planned, kind)
        fault.inject()
        fault.becomes_effective()
        for command in fault.plan.commands:
            subprocess.run(command, shell=True, check=True, capture_output=True)
        fault.recovers()
        assert fault.standing() == []


def test_target_needs_no_state_dir_for_a_toxiproxy(whole: Sandbox) -> None:
    assert set(target_of(whole, "toxiproxy")["settings"]) == {"proxy"}


def test_effective_says_why_not_when_nobody_answers(planned: Planned) -> None:
    for kind in ("latency", "refused", "blackhole"):
        fault = life(planned, kind, on="toxiproxy")
        for call in (fault.plan.effective, fault.plan.recovered):
            assert call is not None
            call.args["api"] = "http://127.0.0.1:9"
            found = run(call)
            assert not found["holds"] and "connection refused" in found["evidence"]


def test_a_repeated_kill_announces_each_strike_and_begins_none_when_its_time_is_over(planned: Planned) -> None:
    """Every 2 s for 4 s are two strikes; whom the second hits is told before."""
    fault = planned("pod-kill", {"service": "inventory", "count": 1, "every": "2s"}, duration=4.0)
    strikes = run(fault.plan.inject)
    (first,) = fault.plan.targets
    began = time.monotonic()
    assert next(strikes) == {"evidence": f"killed {first}"}
    fault.recovers(20)
    said = next(strikes)
    if "striking" not in said:
        # Whoever supervises them took its time.
        assert said["evidence"].startswith("not this time: ")
    else:
        (second,) = said["striking"]
        assert next(strikes) == {"evidence": f"killed {second}"}
    assert list(strikes) == []
    assert time.monotonic() - began < 4.0
    fault.recovers(20)
