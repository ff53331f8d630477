"""The scenarios that ship: right, complete enough for a team, short enough to run unattended; and their schema."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gameday.faults.catalogue import catalogue
from gameday.scenario.loading import Loaded, load, load_many
from gameday.scenario.models import Scenario
from gameday.scenario.problems import ScenarioErrors
from tests.scenario.marked import ROOT, SHIPPED, entry, problems, scenario, unmarked
from tests.support import forking

SCHEMA = ROOT / "scenarios" / "scenario.schema.json"
NAMES = {
    "storefront", "checkout", "payments", "inventory", "metrics", "alertmanager", "control", "load",
}  # fmt: skip
MEASURES = {"error-rate", "latency-p95", "request-rate"}


@pytest.fixture(params=SHIPPED, ids=[path.stem for path in SHIPPED])
def shipped(request: pytest.FixtureRequest) -> Loaded:
    return load(request.param, catalogue=catalogue())


def probes(found: Scenario) -> list[Any]:
    checks = [entry.effective for entry in found.timeline] + [entry.recovered for entry in found.timeline]
    checks += [expectation.check for expectation in found.expect]
    return [*found.steady_state, *found.abort_when, *(check for check in checks if check)]


def test_what_ships() -> None:
    assert {path.relative_to(ROOT / "scenarios").as_posix() for path in SHIPPED} == {
        "sandbox/payment-outage.yaml",
        "sandbox/checkout-latency.yaml",
        "sandbox/pod-kill.yaml",
        "sandbox/frozen-inventory.yaml",
        "tabletop/primary-database-gone.yaml",
        "tabletop/leaked-credentials.yaml",
    }


def test_a_loaded_scenario_is_its_document(shipped: Loaded) -> None:
    assert shipped.sha256 == hashlib.sha256(shipped.path.read_bytes()).hexdigest()
    assert shipped.name == shipped.path.stem
    again = json.loads(json.dumps(shipped.document))
    assert Scenario.model_validate(again) == shipped.scenario
    line, column = shipped.locate(("timeline", 0, "inject"))[1:]
    assert shipped.text.splitlines()[line - 1][column - 1 :].startswith(">")


def test_a_team_finds_what_it_needs(shipped: Loaded) -> None:
    found = shipped.scenario
    assert found.description and found.severity and found.severity_why and found.category and found.difficulty
    assert len(found.objectives) >= 3
    assert found.runbook and found.runbook.startswith("https://runbooks.example.com/")
    injects = [entry for entry in found.timeline if entry.inject]
    assert len(injects) >= 5
    assert all(entry.notes for entry in injects)
    assert sum(bool(entry.hint) for entry in injects) >= 1
    assert any(entry.audience for entry in injects)
    assert {expectation.milestone for expectation in found.expect} >= {"detected", "acknowledged", "diagnosed"}
    assert shipped.text.startswith("# yaml-language-server: $schema=../scenario.schema.json\n")
    assert all(entry.id for entry in found.timeline)


def test_the_sandbox_publishes_what_is_used(shipped: Loaded) -> None:
    shipped.resolve(dict.fromkeys(NAMES, "http://127.0.0.1:1"))
    assert {probe.measure for probe in probes(shipped.scenario) if probe.measure} <= MEASURES


def test_a_sandbox_scenario_ends_soon_and_stretches(shipped: Loaded) -> None:
    found = shipped.scenario
    if found.target == "none":
        assert not [entry for entry in found.timeline if entry.fault]
        return
    machine = [entry for entry in found.timeline if entry.at is not None]
    ends = max(entry.at + (entry.for_ or 0.0) for entry in machine if entry.at is not None)
    assert ends <= 35
    longest = max(entry.for_ or 0.0 for entry in found.timeline)
    assert longest <= 25
    assert found.abort_when and found.steady_state
    stretched = load(shipped.path, catalogue=catalogue(), parameters=dict.fromkeys(shipped.parameters, "10m"))
    assert stretched.scenario.timeline != found.timeline


@pytest.mark.parametrize("name", ["payment-outage", "frozen-inventory"])
def test_the_scripted_fault_does_not_trip_an_abort_condition(name: str) -> None:
    """Where the fault breaks nearly every checkout, no condition may watch the share of failed ones."""
    path = next(path for path in SHIPPED if path.stem == name)
    found = load(path, catalogue=catalogue()).scenario
    assert "error-rate" not in {condition.measure for condition in found.abort_when}


# --- the schema ----------------------------------------------------------------------------------------------------


def schema_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return forking.call(["schema", *map(str, arguments)])


def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_is_up_to_date(tmp_path: Path) -> None:
    assert schema_command("--check", SCHEMA).returncode == 0
    assert schema_command().stdout == SCHEMA.read_text()
    old = tmp_path / "old.json"
    old.write_text("{}")
    stale = schema_command("--check", old)
    assert (stale.returncode, stale.stdout) == (1, "")
    assert "write it again" in stale.stderr
    assert schema_command("--check", tmp_path / "none.json").returncode == 2


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_the_schema_takes_what_ships(path: Path) -> None:
    assert [error.message for error in validator().iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize(
    "text",
    [
        scenario("»fautl: x"),
        entry("at: »5, inject: x"),
        entry("at: 5s, inject: x, »fault: pod-kill, with: {service: a}"),
        entry("at: 5s, »manual: true, inject: x"),
        entry("at: 5s, fault: »earthquake"),
        entry("at: 5s, fault: latency, with: {service: a, »delai: 1s}, for: 1m"),
        entry("at: 5s, fault: »latency, with: {service: checkout, delay: 1s}"),
        entry("at: 5s, fault: pod-kill, with: {service: checkout}, »for: 1m"),
        entry("at: 5s, fault: »activity, activity: {type: python, module: a, func: b}"),
        entry("after: {milestone: »detectd}, inject: x"),
        scenario("abort_when: [{name: a, »measure: b, above: 1}]", abort=""),
        scenario("abort_when: [{name: a, tcp: {address: 'h:1'}, »above: 1, below: 3}]", abort=""),
        scenario("expect: [{alert: a, »update: b, within: 1m}]"),
        scenario("severity: »SEV9"),
        scenario("steady_state: [{»measure: a, expect: {}}]"),
    ],
)
def test_the_schema_underlines_what_validate_refuses(text: str) -> None:
    plain, _ = unmarked(text)
    assert problems(plain)
    assert list(validator().iter_errors(yaml.safe_load(plain)))


def test_many_files_are_scenarios_or_their_problems(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("nonsense")
    results = load_many([SHIPPED[0], wrong, tmp_path], catalogue=catalogue())
    assert isinstance(results[0], Loaded)
    assert isinstance(results[1], ScenarioErrors) and isinstance(results[2], ScenarioErrors)
    assert re.search(r"wrong.yaml:1:1: .*single value", str(results[1]))
    assert str(results[2]) == f"{tmp_path}: is a directory; name a file in it"
