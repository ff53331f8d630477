"""Toxics that a lost exercise left are known by their names and taken off; what may be another's is said and left."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cli.recover_unknown import undo_unknown
from gameday.errors import Exit
from gameday.exercise.state import Exercise, FaultState
from gameday.faults import wire
from gameday.sandbox.control import Sandbox
from gameday.scenario.models import Scenario


def recover(sandbox: Sandbox, tmp_path: Path) -> int:
    settings = tmp_path / "gameday.toml"
    settings.write_text(f'[targets.staging]\nkind = "toxiproxy"\nenvironment = "staging"\nproxy = "{sandbox.proxy}"\n')
    return int(recover_target("staging", settings, f"sqlite:///{tmp_path}/none.db"))


def toxic(sandbox: Sandbox, name: str) -> None:
    attributes = {"latency": 1, "jitter": 0}
    body = {"name": name, "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": attributes}
    wire.demand("POST", f"{sandbox.proxy}/proxies/payments/toxics", body)


def test_toxics_of_ours_go_and_others_stay(whole: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toxic(whole, "gameday-20260101-0000-abcd-slow")
    toxic(whole, "somebody-elses")
    assert recover(whole, tmp_path) == 0
    left = wire.demand("GET", f"{whole.proxy}/proxies/payments").content["toxics"]
    assert [one["name"] for one in left] == ["somebody-elses"]
    wire.demand("DELETE", f"{whole.proxy}/proxies/payments/toxics/somebody-elses")
    assert capsys.readouterr().out == "proxy payments  recovered  toxic gameday-20260101-0000-abcd-slow is gone\n"
    assert recover(whole, tmp_path) == 0
    assert "nothing of gameday's is on the proxy" in capsys.readouterr().out


def test_a_proxy_that_is_disabled_may_be_a_fault_and_is_loud(
    whole: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.demand("POST", f"{whole.proxy}/proxies/payments", {"enabled": False})
    assert recover(whole, tmp_path) == 4
    said = capsys.readouterr().err
    assert "CAN'T SAY: proxy payments is disabled" in said and "curl" in said
    assert wire.demand("GET", f"{whole.proxy}/proxies/payments").content["enabled"] is False
    wire.demand("POST", f"{whole.proxy}/proxies/payments", {"enabled": True})


def test_of_an_exercise_whose_journal_is_short_those_go_that_it_does_not_know_of(
    whole: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gameday-x-1-slow", "gameday-x-1-known", "gameday-x-11-slow"):
        toxic(whole, name)
    fault = {"fault": "latency", "with": {"service": "payments", "delay": "1ms"}, "for": "1m"}
    scenario = Scenario.model_validate({"version": 1, "title": "Slow", "timeline": [{"at": "0s", **fault}]})
    target = {"name": "staging", "kind": "toxiproxy", "settings": {"proxy": whole.proxy}}
    state = Exercise(
        "x-1", scenario=scenario, target=target, faults={"known": FaultState("known", "latency", "leaked")}
    )
    assert undo_unknown(state, None) == Exit.OK
    left = wire.demand("GET", f"{whole.proxy}/proxies/payments").content["toxics"]
    assert sorted(one["name"] for one in left) == ["gameday-x-1-known", "gameday-x-11-slow"]
    assert "x-1  slow, proxy payments  recovered  toxic gameday-x-1-slow is gone" in capsys.readouterr().out
    for one in left:
        wire.demand("DELETE", f"{whole.proxy}/proxies/payments/toxics/{one['name']}")
    gone = {**target, "settings": {"proxy": "http://127.0.0.1:1"}}
    assert undo_unknown(Exercise("x-1", scenario=scenario, target=gone), None) == Exit.NOT_RECOVERED
    assert "gameday recover --target staging" in capsys.readouterr().err
