"""What is refused before anything is touched, and what each refusal says to do."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import TargetInfo
from gameday.faults.catalogue import all_faults
from gameday.scenario.models import Scenario
from gameday.targets.policy import refusals
from gameday.targets.resolving import check_target
from gameday.targets.settings import Settings, load_settings

from .test_settings import write

SANDBOX = check_target("sandbox", Settings())
NONE = check_target("none", Settings())
OUTAGE = {"at": "1s", "fault": "dependency-outage", "with": {"service": "payments"}, "for": "5s"}
PROCESS = {"process": {"command": ["true"]}, "expect": {"equals": 0}}


def scenario(**parts: Any) -> Scenario:
    return Scenario.model_validate({"version": 1, "title": "x", **parts})


def asked(
    made: Scenario, target: TargetInfo = SANDBOX, confirm: str | None = None, settings: Settings | None = None
) -> Any:
    return refusals(made, target, settings or Settings(), confirm=confirm, catalogue=all_faults())


def test_an_ordinary_scenario_on_the_sandbox_may_run() -> None:
    check = {"http": {"url": "http://127.0.0.1"}, "expect": {"status": 200}}
    assert asked(scenario(timeline=[OUTAGE], steady_state=[check])) == []


@pytest.mark.parametrize("environment", ["production", "Production", "PROD", " live ", "prd"])
def test_production_needs_the_targets_name(environment: str) -> None:
    target = replace(SANDBOX, name="shop", environment=environment)
    (said,) = asked(scenario(), target)
    assert "--confirm shop" in said
    assert asked(scenario(), target, confirm="shop") == []
    (wrong,) = asked(scenario(), target, confirm="Shop")
    assert "'Shop'" in wrong
    assert "'shop'" in wrong
    assert len(asked(scenario(), target, confirm="")) == 1


def test_a_confirmation_of_another_target_is_refused_anywhere() -> None:
    (said,) = asked(scenario(), SANDBOX, confirm="shop")
    assert "the target is 'sandbox'" in said
    assert asked(scenario(), SANDBOX, confirm="sandbox") == []


def test_faults_need_something_to_break() -> None:
    (said,) = asked(scenario(timeline=[OUTAGE, {**OUTAGE, "id": "again"}]), NONE)
    assert "fault-1, again are real faults" in said
    assert "--target sandbox" in said
    assert asked(scenario(timeline=[{"at": "1s", "inject": "The database is gone."}]), NONE) == []


def test_an_activity_needs_a_target_that_says_what_environment_it_is(tmp_path: Path) -> None:
    """It would act on whatever cluster or account is current, and be called a tabletop."""
    activity = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods"}
    made = scenario(timeline=[{"at": "1s", "fault": "activity", "activity": activity, "one_shot": True}])
    (said,) = asked(made, NONE)
    assert "is a real fault" in said and 'kind = "other"' in said
    settings = load_settings(explicit=write(tmp_path, '[targets.aws]\nkind = "other"\nenvironment = "production"\n'))
    (unconfirmed,) = asked(made, check_target("aws", settings), settings=settings)
    assert "--confirm aws" in unconfirmed
    assert asked(made, check_target("aws", settings), confirm="aws", settings=settings) == []


def test_a_fault_that_a_kind_of_target_has_no_way_to_do() -> None:
    target = TargetInfo("staging", "toxiproxy", "staging", services=("payments",))
    (said,) = asked(scenario(timeline=[{"at": "1s", "fault": "pod-kill", "with": {"service": "payments"}}]), target)
    assert said.startswith("fault-1: pod-kill can't be done on target 'staging', which is of kind toxiproxy")
    assert "sandbox" in said


PLACES: list[dict[str, Any]] = [
    {"steady_state": [PROCESS]},
    {"expect": [{"check": PROCESS, "within": "5s"}]},
    {"abort_when": [{"name": "a", "process": {"command": ["true"]}, "equals": 1}]},
    {"timeline": [{**OUTAGE, "effective": PROCESS}]},
    {"timeline": [{**OUTAGE, "recovered": PROCESS}]},
    {
        "timeline": [
            {"at": "1s", "fault": "activity", "one_shot": True, "activity": {"type": "process", "path": "true"}}
        ]
    },
    {"timeline": [{**OUTAGE, "fault": "activity", "undo": {"type": "process", "path": "true"}}]},
    {"steady_state": [{"activity": {"type": "process", "path": "true"}, "expect": {"equals": 0}}]},
]


@pytest.mark.parametrize("parts", PLACES, ids=[f"{next(iter(parts))} {number}" for number, parts in enumerate(PLACES)])
def test_a_program_anywhere_is_refused_with_the_line_to_add(parts: dict[str, Any], tmp_path: Path) -> None:
    (said,) = asked(scenario(**parts))
    assert "gameday.toml" in said
    _, _, line = said.partition("under [policy]: ")
    settings = load_settings(explicit=write(tmp_path, f"[policy]\n{line}\n"))
    assert asked(scenario(**parts), settings=settings) == []


def python(module: Any) -> dict[str, Any]:
    provider = {"type": "python", "func": "f"} | ({} if module is None else {"module": module})
    return {"steady_state": [{"activity": provider, "expect": {"equals": 0}}]}


@pytest.mark.parametrize(
    "module", ["os", "chaosk8sx", "chaosk8s_evil.x", "chaosaws.ec2.actions", ".chaosk8s", "CHAOSK8S"]
)
def test_a_module_outside_the_list_is_refused_with_the_line_to_add(module: str, tmp_path: Path) -> None:
    (said,) = asked(scenario(**python(module)))
    assert module in said
    _, _, line = said.partition("under [policy]: ")
    assert tomllib.loads(line)["allow_modules"][0] == "chaosk8s"
    if module != ".chaosk8s":
        settings = load_settings(explicit=write(tmp_path, f"[policy]\n{line}\n"))
        assert asked(scenario(**python(module)), settings=settings) == []


@pytest.mark.parametrize("module", ["chaosk8s", "chaosk8s.pod.actions"])
def test_modules_of_the_list_may_be_called(module: str) -> None:
    assert asked(scenario(**python(module))) == []


@pytest.mark.parametrize("module", [None, "", 7, ["chaosk8s"]])
def test_a_module_that_is_none_is_refused(module: Any) -> None:
    (said,) = asked(scenario(**python(module)))
    assert "write module:" in said


def test_an_http_activity_is_fine() -> None:
    activity = {"type": "http", "url": "http://127.0.0.1"}
    assert asked(scenario(steady_state=[{"activity": activity, "expect": {"status": 200}}])) == []


def test_the_file_that_there_is_gets_named(tmp_path: Path) -> None:
    settings = load_settings(explicit=write(tmp_path, ""))
    (said,) = asked(scenario(steady_state=[PROCESS]), settings=settings)
    assert str(settings.path) in said


def test_everything_is_said_at_once() -> None:
    target = TargetInfo("live", "toxiproxy", "production")
    parts = python("os") | {"timeline": [{"at": "1s", "fault": "pod-kill"}], "abort_when": PLACES[2]["abort_when"]}
    assert len(asked(scenario(**parts), target)) == 4


def test_without_a_catalogue_faults_are_not_looked_at() -> None:
    assert refusals(scenario(timeline=[OUTAGE]), NONE, Settings(), confirm=None) == []
