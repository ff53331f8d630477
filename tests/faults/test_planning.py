"""What is said before anything is touched: parameters, limits, kinds of target, and targets that don't answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from gameday.errors import TargetError
from gameday.faults.catalogue import all_faults, catalogue
from gameday.faults.planning import plan
from gameday.faults.pod_kill import PodKillParameters
from gameday.faults.supervised import choose
from gameday.sandbox import control
from gameday.sandbox.control import Sandbox
from gameday.scenario.models import Entry

from .conftest import Life, context, target_of, wait_until

Planned = Callable[..., Life]


@pytest.mark.parametrize(
    ("fault", "params", "said"),
    [
        ("latencey", {}, "did you mean latency"),
        ("latency", {"service": "payments"}, "delay is missing"),
        ("latency", {"service": "payments", "delay": 5}, "delay: a duration needs its unit"),
        ("latency", {"service": "payments", "delay": "0s"}, "delay: "),
        ("latency", {"service": "payments", "delay": "1s", "shar": 1}, "shar is unknown, did you mean share"),
        ("latency", {"service": "payments", "delay": "1s", "share": 1.5}, "share: "),
        ("latency", {"service": "payments", "delay": "1s", "share": True}, "share: "),
        ("latency", {"service": "paymets", "delay": "1s"}, "no service 'paymets': did you mean payments"),
        ("dependency-outage", {"service": "payments", "mode": "gone"}, "mode: "),
        ("pod-kill", {"service": "checkout", "count": 1, "percent": 50}, "only one of count and percent"),
        ("pod-kill", {"service": "checkout", "count": 0}, "count: "),
        ("pod-kill", {"service": "checkout", "count": 3}, "3 instances asked for, 2 of 2 run"),
        ("pod-kill", {"service": "checkout", "percent": 40}, "40 % of 2 instances is less than one"),
        ("pod-freeze", {"service": "checkout", "instance": "checkout-7"}, "no instance is called 'checkout-7'"),
        ("error-rate", {"service": "checkout", "status": 404}, "status: "),
    ],
)
def test_wrong_parameters(whole: Sandbox, fault: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan(fault, target_of(whole), params, context())


def test_limits_are_kept(planned: Planned) -> None:
    both = {"service": "checkout", "count": 2}
    with pytest.raises(ValueError, match=r"touch 2 instances, and limits\.pods allows 1"):
        planned("pod-kill", both, pods=1)
    with pytest.raises(ValueError, match=r"touch 1 of 2 instances, 50 %, and limits\.percent allows 30 %"):
        planned("pod-freeze", {"service": "checkout"}, percent=30)
    assert len(planned("pod-kill", both, pods=2, percent=100).plan.targets) == 2
    assert len(planned("pod-kill", {"service": "checkout", "percent": 50}, percent=50).plan.targets) == 1


def test_the_same_seed_chooses_the_same_instances(planned: Planned) -> None:
    chosen = {
        seed: planned("pod-kill", {"service": "checkout"}, seed=seed).plan.objects for seed in (*range(12), *range(12))
    }
    assert set(chosen.values()) == {("instance:checkout-1",), ("instance:checkout-2",)}
    again = planned("pod-kill", {"service": "checkout"}, seed=3).plan.objects
    assert again == chosen[3]


def test_a_frozen_instance_is_not_chosen(planned: Planned) -> None:
    fault = planned("pod-freeze", {"service": "checkout", "instance": "checkout-1"})
    fault.inject()
    fault.becomes_effective()
    with pytest.raises(ValueError, match="checkout-1 is frozen, not running"):
        planned("pod-kill", {"service": "checkout", "instance": "checkout-1"})
    with pytest.raises(ValueError, match="2 instances asked for, 1 of 2 run"):
        planned("pod-kill", {"service": "checkout", "count": 2})
    assert planned("pod-kill", {"service": "checkout"}).plan.objects == ("instance:checkout-2",)
    fault.undo()
    fault.recovers()


def test_a_repeat_counts_those_that_are_not_back(planned: Planned, whole: Sandbox) -> None:
    fault = planned("pod-freeze", {"service": "checkout", "instance": "checkout-1"})
    fault.inject()
    fault.becomes_effective()
    wait_until(lambda: control.status(whole)["services"]["checkout"]["ready"] == 1, "one not to be ready")
    asked, half = PodKillParameters(service="checkout"), context(percent=50)
    assert len(choose("pod-kill", target_of(whole), asked, half)) == 1
    with pytest.raises(ValueError, match="it would touch 2 of 2 instances, 100 %, 1 that are not ready now among them"):
        choose("pod-kill", target_of(whole), asked, half, turn=1)
    fault.undo()
    fault.recovers()


def test_a_kind_of_target_that_cannot(whole: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"pod-kill can't be done on target here, .* kind toxiproxy: .* kind sandbox"):
        plan("pod-kill", target_of(whole, "toxiproxy"), {"service": "checkout"}, context())


def test_a_target_that_does_not_answer(whole: Sandbox) -> None:
    target = target_of(whole)
    target["settings"] = {**target["settings"], "control": "http://127.0.0.1:9", "proxy": "http://127.0.0.1:9"}
    for fault, params in (
        ("latency", {"service": "payments", "delay": "1s"}),
        ("dependency-outage", {"service": "payments"}),
        ("pod-kill", {"service": "checkout"}),
        ("error-rate", {"service": "checkout"}),
    ):
        with pytest.raises(TargetError, match="connection refused; is it running"):
            plan(fault, target, params, context())


def test_a_proxy_that_is_not_there(whole: Sandbox) -> None:
    target = {**target_of(whole, "toxiproxy"), "services": ["redis"]}
    with pytest.raises(ValueError, match="has no proxy called 'redis'"):
        plan("dependency-outage", target, {"service": "redis"}, context())


def test_planning_touches_nothing(planned: Planned, whole: Sandbox) -> None:
    fault = planned("pod-kill", {"service": "checkout"})
    planned("latency", {"service": "payments", "delay": "1s"})
    planned("error-rate", {"service": "payments"})
    assert fault.ledger("request", "toxic-added", "instance-exited", "error-rate-set") == []
    assert control.status(whole)["faults"] == []


def test_parameters_that_were_read_already_are_fine(planned: Planned) -> None:
    spec = catalogue()["latency"].parameters
    read = spec.model_validate({"service": "payments", "delay": "250ms"}).model_dump()
    assert planned("latency", read).plan.summary == "latency 250ms on payments"


@pytest.mark.parametrize("name", all_faults())
def test_examples_in_the_catalogue_are_right(name: str) -> None:
    declaration = all_faults()[name]
    entry = Entry.model_validate(yaml.safe_load(declaration.example))
    assert entry.fault == name
    assert (entry.for_ is None) == declaration.one_shot
    if name != "activity":
        declaration.parameters.model_validate(entry.with_)
    assert declaration.summary and declaration.description and declaration.backends


def test_declarations_are_quick_to_import() -> None:
    code = (
        "import sys, gameday.faults.catalogue\n"
        "heavy = {'httpx', 'chaoslib', 'requests', 'subprocess', 'http.client', 'ssl', 'asyncio', 'kubernetes'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
