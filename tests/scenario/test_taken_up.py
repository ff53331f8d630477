"""A scenario that another process takes up reads as the one that was checked, and takes no models to read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gameday.faults.catalogue import catalogue
from gameday.scenario.keys import PROBES, TOLERANCES
from gameday.scenario.loading import load
from gameday.scenario.models import Scenario
from gameday.scenario.taken_up import handed_over, taken_up
from tests.support.processes import wait_for
from tests.support.runs import Place

SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.yaml"))
RICH: dict[str, Any] = {
    "version": 1,
    "title": "All there is",
    "tags": ["a"],
    "roles": ["technical-lead"],
    "parameters": {"n": 3, "m": {"default": None, "description": "…"}},
    "configuration": {"model": {"named": [1, {"said": {}}]}, "token": {"type": "env", "key": "TOKEN"}},
    "steady_state": [
        {"name": "up", "http": {"url": "http://x", "headers": {"a": {"env": "A"}}}, "expect": {"status": [200, 204]}}
    ],
    "timeline": [
        {"at": "0s", "fault": "latency", "with": {"service": "a", "model": {"x": []}}, "for": "250ms", "id": "slow"},
        {
            "after": "slow",
            "fault": "activity",
            "activity": {"type": "python", "module": "m", "func": "f", "arguments": {"said": [{"model": 1}]}},
            "undo": {"type": "process", "path": "true"},
            "until": ["slow", {"milestone": "resolved", "delay": "1m"}],
            "effective": {"tcp": {"address": "h:1"}, "expect": {"equals": None}},
        },
        {"at": "1s", "check": {"process": {"command": ["true"]}, "expect": {"between": [1, 2.5]}}},
        {"manual": True, "inject": "Hello", "audience": ["technical-lead"]},
    ],
    "expect": [{"update": "all", "every": "5m"}, {"milestone": "mitigated", "within": "5m", "of": "detected"}],
    "abort_when": [
        {"name": "x", "measure": "m", "above": 0.5, "for": "5s", "no_data": "hold"},
        {"name": "y", "http": {"url": "u"}, "unless": {"matches": "a"}, "no_data": {"nan": "ok"}, "consecutive": 2},
    ],
    "limits": {"duration": "5m", "percent": 50},
}


def compare(checked: Any, taken: Any) -> int:
    """How many models were found alike."""
    if isinstance(checked, BaseModel):
        said = checked.model_dump(mode="json", exclude_unset=True)
        assert taken.model_dump(mode="json", exclude_unset=True) == said
        for names in (PROBES, TOLERANCES, ("activity", "undo", "effective", "recovered")):
            ours = taken.model_dump(mode="json", include=set(names), exclude_unset=True)
            assert ours == checked.model_dump(mode="json", include=set(names), exclude_unset=True)
        names = {**type(checked).model_fields, **(checked.model_extra or {})}
        return 1 + sum(compare(getattr(checked, name), getattr(taken, name)) for name in names)
    if isinstance(checked, list | tuple):
        assert len(checked) == len(taken)
        return sum(compare(*pair) for pair in zip(checked, taken, strict=True))
    if isinstance(checked, dict):
        assert list(checked) == list(taken)
        return sum(compare(checked[name], taken[name]) for name in checked)
    assert checked == taken and type(checked) is type(taken)
    return 0


def again(scenario: Scenario) -> Scenario:
    return taken_up(json.loads(json.dumps(handed_over(scenario))))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_reads_the_same(path: Path) -> None:
    scenario = load(path, catalogue=catalogue()).scenario
    taken = again(scenario)
    assert compare(scenario, taken) > 5
    assert [taken.entry_id(n) for n in range(len(taken.timeline))] == [
        scenario.entry_id(n) for n in range(len(scenario.timeline))
    ]


def test_so_does_one_with_all_there_is() -> None:
    scenario = Scenario.model_validate(RICH)
    taken = again(scenario)
    assert compare(scenario, taken) == 31
    assert [taken.entry_id(n) for n in range(4)] == ["slow", "fault-2", "check-3", "inject-4"]
    with pytest.raises(AttributeError, match="title"):
        taken.title = "Another"
    taken.timeline[0].model_dump(mode="json", exclude_unset=True).clear()
    assert compare(scenario, taken) == 31, "what is written out is a dict of whoever asked"


def test_an_engine_that_begins_has_no_models(tmp_path: Path) -> None:
    code = "import sys, gameday.cli.engine_process; print([name for name in sys.modules if 'pydantic' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    place = Place(tmp_path)
    place.write(
        "scenario.yaml",
        "version: 1\ntitle: A rehearsal\ntimeline:\n  - {at: 0s, inject: Hello}\n  - {at: 1h, inject: Late}\n"
        "abort_when:\n  - {name: never, tcp: {address: 'localhost:1'}, unless: {equals: false}, every: 100ms}\n",
    )
    process = place.start("run", "scenario.yaml", "--unattended")
    try:
        wait_for(lambda: "WATCH" in place.said(), 20, "a condition that was asked")
        (engine,) = place.pids("-m gameday.cli.engine_process")
        assert "pydantic" not in Path(f"/proc/{engine}/maps").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 3
    finally:
        place.clean_up()
