"""From a name to a target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gameday.engine.ports import TargetInfo
from gameday.errors import Exit, TargetError, UsageError
from gameday.sandbox.control import Sandbox
from gameday.targets.resolving import check_target, resolve, sandbox_target
from gameday.targets.settings import Settings, load_settings

from .test_settings import WHOLE, write

NAMES = ("control", "proxy", "storefront", "checkout", "payments", "inventory", "load", "alertmanager", "metrics")
INFO = {name: f"http://127.0.0.1:{9000 + number}" for number, name in enumerate(NAMES)}


def test_the_tabletop() -> None:
    assert resolve("none", Settings()) == TargetInfo("none", "none", "tabletop")


def test_the_sandbox_publishes_its_addresses_services_and_measures() -> None:
    target = resolve("sandbox", Settings(), sandbox_info={**INFO, "pid": 7, "state_dir": "/somewhere"})
    assert target == sandbox_target(INFO, "/somewhere")
    assert (target.kind, target.environment) == ("sandbox", "sandbox")
    assert target.names == {name: INFO[name] for name in NAMES if name != "proxy"}
    assert target.services == ("storefront", "checkout", "payments", "inventory")
    assert set(target.measures) == {"error-rate", "latency-p95", "request-rate"}
    assert target.settings == {"control": INFO["control"], "proxy": INFO["proxy"], "state_dir": "/somewhere"}
    assert TargetInfo.from_json(json.loads(json.dumps(target.to_json()))) == target


def test_all_that_the_sandbox_must_publish_it_has() -> None:
    sandbox = Sandbox(Path("/somewhere"), dict(INFO))
    for name in NAMES:
        assert getattr(sandbox, name) == INFO[name]


def test_before_it_is_up_the_sandbox_has_no_addresses_but_can_be_judged() -> None:
    target = check_target("sandbox", Settings())
    assert (target.kind, target.names, target.settings) == ("sandbox", {}, {})
    assert target.services
    with pytest.raises(TargetError, match="gameday sandbox up"):
        resolve("sandbox", Settings())


def test_a_sandbox_of_another_version_is_refused() -> None:
    with pytest.raises(TargetError, match="publishes no metrics"):
        sandbox_target({**INFO, "metrics": None}, "/somewhere")


def test_a_target_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    target = resolve("staging", load_settings(explicit=write(tmp_path, WHOLE)))
    assert (target.name, target.kind, target.environment) == ("staging", "toxiproxy", "staging")
    assert target.services == ("redis", "payments")
    assert target.settings == {"proxy": "http://127.0.0.1:8474"}
    assert target.names["redis"] == "127.0.0.1:26379"
    assert target.measures["up"] == {"http": {"url": "${prometheus}/-/healthy", "timeout": "2s"}}
    assert TargetInfo.from_json(json.loads(json.dumps(target.to_json()))) == target
    cluster = resolve("live cluster", load_settings(explicit=write(tmp_path, WHOLE)))
    assert cluster.settings == {
        "cluster": {"kubeconfig": str(Path("~/.kube/config").expanduser()), "context": "live", "in_cluster": False},
        "namespaces": ["shop", "payments"],
        "namespace_percent": 80.0,
        "services": {
            "checkout": {
                "namespace": "shop",
                "workload": "deployment/checkout",
                "service": "checkout",
                "address": "https://shop.example.com",
            },
            "payments": {
                "namespace": "payments",
                "selector": "app=payments,tier in (api)",
                "external": ["api.payments.example.com"],
            },
        },
        "engines": [],
        "opt_in": "gameday.dev/enabled=true",
    }
    assert cluster.services == ("checkout", "payments")
    assert cluster.names == {"checkout": "https://shop.example.com"}, "a service's address is its name's"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sandobx", "did you mean 'sandbox'?"), ("Staging", "did you mean 'staging'?"), ("xyz", "[targets.xyz]")],
)
def test_an_unknown_target_gets_the_nearest_right_word(tmp_path: Path, name: str, hint: str) -> None:
    settings = load_settings(explicit=write(tmp_path, WHOLE))
    for ask in (resolve, check_target):
        with pytest.raises(UsageError) as caught:
            ask(name, settings)
        assert hint in str(caught.value)
        assert caught.value.exit_code == Exit.INVALID
