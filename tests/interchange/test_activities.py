"""What activities can do since experiments can be imported: undo in several steps, tolerate, be configured."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Plan, TargetInfo
from gameday.faults.activity import prepare_undo_all, probe, undo_all
from gameday.faults.chaostoolkit import ActivityFailed
from gameday.faults.dynamic import DynamicError, find
from gameday.faults.planning import plan
from gameday.probes.prober import LiveProber
from gameday.probes.sync import _run_here
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.models import Scenario
from gameday.targets import policy
from gameday.targets.settings import PolicySettings, Settings

LAB = TargetInfo("lab", "other", "test", names={"lab": "http://127.0.0.1:1"})


def touch(path: Path, **more: Any) -> dict[str, Any]:
    return {"type": "process", "path": "touch", "arguments": [str(path)], **more}


def python(func: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "python", "module": "lab_activities", "func": func, "arguments": arguments}


def planned(undo: Any) -> Plan:
    context = {"exercise": "x", "fault": "f", "seed": 1, "duration": 5.0, "pods": None, "percent": None}
    return Plan.from_json(
        plan("activity", LAB.to_json(), {"activity": {"type": "process", "path": "true"}, "undo": undo}, context)
    )


def test_an_undo_in_several_steps_tries_them_all_and_says_which_failed(tmp_path: Path, activities: Path) -> None:
    first, last = tmp_path / "first", tmp_path / "last"
    made = planned([touch(first), python("fail"), touch(last, timeout=5)])
    assert made.undo is not None
    assert made.undo.timeout == 30 + 30 + 5
    assert len(made.commands) == 3
    prepare_undo_all(**made.undo.args)
    with pytest.raises(RuntimeError, match=r"2 of 3 \(lab_activities.fail\): .*no use"):
        undo_all(**made.undo.args)
    assert first.exists() and last.exists()


def test_an_undo_step_that_cannot_be_run_is_noticed_beforehand(activities: Path) -> None:
    made = planned([python("number"), python("no_such_function")])
    assert made.undo is not None
    with pytest.raises(ImportError, match="no_such_function"):
        prepare_undo_all(**made.undo.args)


def test_a_variable_that_an_activity_is_configured_by_must_be_there() -> None:
    missing = {"type": "env", "key": "GAMEDAY_NO_SUCH_VARIABLE"}
    with pytest.raises(ValueError, match=r"GAMEDAY_NO_SUCH_VARIABLE.*'base'"):
        planned({"type": "process", "path": "true", "configuration": {"base": missing}})
    planned({"type": "process", "path": "true", "configuration": {"base": {**missing, "default": "x"}}})


@pytest.mark.parametrize(
    ("tolerance", "met"),
    [
        (7, True),
        ("7", False),
        ([1, 9], True),
        ([1, 2, 7], True),
        ([8, 9], False),
        ({"type": "range", "range": [6.5, 7.5]}, True),
        ({"type": "jsonpath", "path": "$", "expect": 7}, True),
        (
            {
                "type": "probe",
                "name": "seven",
                "provider": {"type": "python", "module": "lab_activities", "func": "is_seven"},
            },
            True,
        ),
    ],
)
def test_a_tolerance_of_its_own_is_judged_as_chaos_toolkit_does(activities: Path, tolerance: Any, met: bool) -> None:
    activity = {**python("number"), "tolerance": tolerance}
    assert probe(activity) == {"met": met, "output": 7}

    async def ask() -> Any:
        return await LiveProber(LAB, run_call=_run_here).ask({"activity": activity})

    answer = asyncio.run(ask())
    assert (answer.kind, answer.value, answer.detail) == ("value", met, "7")


def test_a_tolerance_that_stumbles_is_no_answer_and_no_traceback(activities: Path) -> None:
    with pytest.raises(ActivityFailed, match="its tolerance can't judge 7: TypeError"):
        probe({**python("number"), "tolerance": {"type": "regex", "pattern": "7"}})


def test_a_large_output_that_was_judged_is_shown_in_part(activities: Path) -> None:
    found = probe({**python("number", value="x" * 500_000), "tolerance": {"type": "regex", "pattern": "^x+$"}})
    assert found["met"] is True
    assert len(found["output"]) < 2000


# --- configuration ---------------------------------------------------------------------------------------------------

SCRIPT = """\
version: 1
title: t
configuration:
  base: http://127.0.0.1:1
  port: {type: env, key: PORT, default: "80"}
  which: {type: probe, name: w, provider: {type: python, module: lab_activities, func: number}}
steady_state:
  - {name: up, activity: {type: http, url: "$${base}/$${which}"}, expect: {status: 200}}
timeline:
  - at: 0s
    fault: activity
    activity: {type: python, module: lab_activities, func: put, configuration: {base: its own}}
    undo: [{type: process, path: "true"}, {type: process, path: echo, arguments: [$which]}]
    for: 5s
abort_when: [{name: x, activity: {type: http, url: "$${base}"}, unless: {status: 200}}]
"""


def loaded(text: str = SCRIPT) -> Loaded:
    return load_text(text, path="s.yaml", catalogue={})


def test_the_configuration_is_in_the_activities_that_may_need_it() -> None:
    scenario, document = loaded().resolve({}, {"which": 7})
    (entry,) = document["timeline"]
    port = {"type": "env", "key": "PORT", "default": "80"}
    assert entry["activity"]["configuration"] == {"base": "its own", "port": port, "which": 7}
    assert [undo.get("configuration") for undo in entry["undo"]] == [None, {"which": 7}]
    assert document["steady_state"][0]["activity"] == {
        "type": "http",
        "url": "${base}/${which}",
        "configuration": {"base": "http://127.0.0.1:1", "which": 7},
    }
    assert document["abort_when"][0]["activity"]["configuration"] == {"base": "http://127.0.0.1:1"}
    assert document["configuration"]["which"] == 7
    assert scenario == Scenario.model_validate(document)


def test_values_are_asked_once_in_order_and_in_a_process_that_is_gone_afterwards(
    tmp_path: Path, activities: Path
) -> None:
    asked = {"type": "probe", "name": "n", "provider": python("count", file="${folder}/counted")}
    said = {"type": "probe", "provider": {"type": "process", "path": "echo", "arguments": ["${first}", "and more"]}}
    found = find({"second": said, "folder": str(tmp_path)} | {"first": asked})
    assert found == {"second": "${first} and more", "first": 1}
    found = find({"folder": str(tmp_path), "first": asked, "second": said})
    assert found == {"first": 2, "second": "2 and more"}


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ({"type": "python", "module": "lab_activities", "func": "fail"}, "first: ValueError: no use"),
        ({"type": "process", "path": "sh", "arguments": ["-c", "echo oh no >&2; exit 3"]}, "exited with 3: oh no"),
        ({"type": "process", "path": "sleep", "arguments": ["60"], "timeout": 0.7}, "within 0.7 s"),
        ({"type": "python", "module": "no_such_module", "func": "f"}, "no Python module 'no_such_module'"),
        ({"type": "http", "url": "http://127.0.0.1:1/"}, "first: "),
        (None, "has no provider"),
    ],
)
def test_a_value_that_cannot_be_had_is_said(activities: Path, provider: Any, said: str) -> None:
    with pytest.raises(DynamicError, match=said):
        find({"first": {"type": "probe", "provider": provider}})


def refusals(text: str, **policies: Any) -> list[str]:
    settings = Settings(policy=PolicySettings(**policies))
    return policy.refusals(loaded(text).scenario, LAB, settings, confirm=None)


def test_policy_looks_into_configurations_undos_checks_and_tolerances() -> None:
    assert any("lab_activities" in text and "configuration.which" in text for text in refusals(SCRIPT))
    assert any("undo (process)" in text for text in refusals(SCRIPT))
    assert not refusals(SCRIPT, allow_modules=["lab_activities"], allow_process=True)
    nested = "{type: probe, name: n, provider: {type: python, module: evil, func: f}}"
    script = f"""\
version: 1
title: t
timeline:
  - {{at: 0s, check: {{activity: {{type: http, url: "http://a", tolerance: {nested}}}}}}}
  - {{at: 0s, check: {{activity: {{type: http, url: "http://a", configuration: {{x: {nested}}}}}}}}}
"""
    (refusal,) = refusals(script)
    assert "check-1.check.tolerance (evil)" in refusal or "tolerance (evil)" in refusal
    assert "configuration.x (evil)" in refusal


def test_policy_wants_an_abort_condition_of_what_was_imported() -> None:
    unguarded = SCRIPT[: SCRIPT.index("abort_when")] + "imported: chaostoolkit\n"
    allowed = Settings(policy=PolicySettings(allow_modules=["lab_activities"], allow_process=True))
    (refusal,) = policy.refusals(loaded(unguarded).scenario, LAB, allowed, confirm=None)
    assert "fault-1" in refusal and "--no-abort-condition" in refusal
    assert not policy.refusals(loaded(unguarded).scenario, LAB, allowed, confirm=None, no_abort_condition=True)
    without_faults = loaded("version: 1\ntitle: t\nimported: chaostoolkit\n").scenario
    assert not policy.refusals(without_faults, LAB, allowed, confirm=None)


def test_a_line_to_paste_has_the_configuration_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_USER", "ann")
    configuration = {
        "base": "http://a b",
        "user": {"type": "env", "key": "LAB_USER"},
        "port": {"type": "env", "key": "NO_SUCH_PORT", "default": 80},
    }
    undo = {"type": "process", "path": "echo", "arguments": ["${base}", "${port}"], "configuration": configuration}
    over_http = {"type": "http", "url": "http://a:${port}/?u=${user}", "configuration": configuration}
    assert planned(undo).commands == ("echo 'http://a b' 80",)
    assert planned(over_http).commands == ('curl -sS --fail -X GET "http://a:80/?u=${LAB_USER?}"',)
