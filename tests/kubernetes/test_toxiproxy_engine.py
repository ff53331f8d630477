"""Faults of a cluster by the Toxiproxy in front of its services: with a real proxy, and without asking the cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gameday.engine.ports import Call, Plan
from gameday.engine.workers import function
from gameday.faults import wire
from gameday.faults.planning import needs, plan
from gameday.faults.toxiproxy import read_proxy
from gameday.sandbox import control
from gameday.sandbox.control import Sandbox
from tests.support.toxiproxy import Proxied, toxiproxy

from .targets import CONTEXT


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state_dir = tmp_path_factory.mktemp("sandbox")
    found, _ = control.up(state_dir)
    yield found
    control.down(state_dir)


@pytest.fixture(scope="module")
def proxied(sandbox: Sandbox) -> Iterator[Proxied]:
    with toxiproxy(sandbox) as found:
        yield found


@pytest.fixture
def target(sandbox: Sandbox, proxied: Proxied) -> Iterator[dict[str, Any]]:
    """Its API server is one that nobody listens at: what asks it fails."""
    until(lambda: all(one["ready"] for one in control.status(sandbox)["services"].values()), "ready")
    wire.demand("POST", f"{proxied.api}/reset")
    yield {
        "name": "staging",
        "kind": "kubernetes",
        "environment": "staging",
        "names": {"cards": f"{proxied.doors['payments']}/health"},
        "services": ["cards", "bank"],
        "measures": {},
        "settings": {
            "cluster": {"kubeconfig": "/nowhere", "context": "nowhere", "in_cluster": False},
            "namespaces": ["shop"],
            "namespace_percent": 80.0,
            "services": {
                "cards": {"namespace": "shop", "proxy": "payments", "workload": "deployment/cards"},
                "bank": {"namespace": "shop", "external": ["bank.example.com"]},
            },
            "engines": ["toxiproxy"],
            "proxy": proxied.api,
        },
    }
    wire.demand("POST", f"{proxied.api}/reset")


def until(holds: Any, what: str, within: float = 10.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.02)
    return found


def run(call: Call | None) -> Any:
    assert call is not None
    return function(call.name)(**call.args)


@pytest.mark.proves("latency", "kubernetes/toxiproxy")
@pytest.mark.proves("dependency-outage", "kubernetes/toxiproxy")
@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("latency", {"delay": 0.3}),
        ("dependency-outage", {}),
        ("dependency-outage", {"mode": "blackhole"}),
    ],
)
def test_a_fault_by_the_proxy_is_felt_and_taken_back(
    target: dict[str, Any], proxied: Proxied, fault: str, params: dict[str, Any]
) -> None:
    made = Plan.from_json(plan(fault, target, {"service": "cards", **params}, CONTEXT))
    assert made.engine == "toxiproxy"
    assert made.summary.endswith(", the proxy of cards")
    assert made.objects == ("proxy:payments",)
    assert "proxy payments" in made.notes[0]
    run(made.inject)
    evidence = until(lambda: (said := run(made.effective))["holds"] and said["evidence"], "effective")
    assert "payments" in evidence
    run(made.undo)
    until(lambda: run(made.recovered)["holds"], "recovered")
    state = read_proxy(proxied.api, "payments", 2.0)
    assert state is not None and state.enabled and not state.toxics


@pytest.mark.parametrize(("fault", "params"), [("latency", {"delay": 0.3}), ("dependency-outage", {"mode": "refused"})])
def test_a_proxy_that_somebody_deleted_meanwhile_is_not_as_it_was(
    proxied: Proxied, target: dict[str, Any], fault: str, params: dict[str, Any]
) -> None:
    before = wire.demand("GET", f"{proxied.api}/proxies/payments").content
    made = Plan.from_json(plan(fault, target, {"service": "cards", **params}, CONTEXT))
    run(made.inject)
    try:
        wire.demand("DELETE", f"{proxied.api}/proxies/payments")
        run(made.undo)
        said = run(made.recovered)
        assert not said["holds"] and said["undone"]
        assert said["evidence"] == "proxy payments doesn't exist any more: somebody else has deleted it since"
    finally:
        kept = {key: before[key] for key in ("name", "listen", "upstream")}
        wire.demand("POST", f"{proxied.api}/proxies", {**kept, "enabled": True})
    run(made.undo)
    until(lambda: run(made.recovered)["holds"], "recovered")


def test_no_right_in_the_cluster_is_needed(target: dict[str, Any]) -> None:
    assert needs("latency", target, {"service": "cards", "delay": 0.3}) == []


def test_a_service_without_a_proxy_is_refused(target: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has no proxy called 'bank'"):
        plan("latency", target, {"service": "bank", "delay": 0.3}, CONTEXT)
    with pytest.raises(ValueError, match="publishes no service 'crads'"):
        plan("latency", target, {"service": "crads", "delay": 0.3}, CONTEXT)


def test_a_target_without_toxiproxy_is_told_what_it_needs(target: dict[str, Any]) -> None:
    for left_out, why in (
        ([], "and there is none"),
        (None, "and its engines are api"),
        (
            ["toxiproxy"],
            r'and `engines` under \[targets.staging\] leaves Toxiproxy before it out, which is there: add "tox',
        ),
        (["chaos-mesh", "toxiproxy"], ".* leaves Chaos Mesh and Toxiproxy before it out, which are there"),
    ):
        settings = {**target["settings"], "engines": ["api"], "left_out": left_out}
        with pytest.raises(ValueError, match=rf"Chaos Mesh .* or Toxiproxy .*, {why}"):
            plan("latency", {**target, "settings": settings}, {"service": "cards", "delay": 0.3}, CONTEXT)
