"""Experiments, run: by `gameday` as they are, and by `chaos` after a scenario was exported. Judged by the target."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from gameday.debrief.build import build_debrief
from gameday.exercise import events as ev
from tests.support.runs import Place, Target

from .shapes import action, hypothesis, probe, python

pytestmark = pytest.mark.long

RUN = ("--target", "lab", "--unattended")


def put(target: Target, name: str, value: str = "") -> dict[str, Any]:
    return {"type": "http", "url": f"${{base}}/state/{name}", "method": "PUT", "arguments": value}


def remove(target: Target, name: str) -> dict[str, Any]:
    return {"type": "http", "url": f"${{base}}/state/{name}", "method": "DELETE"}


def experiment(target: Target, **changes: Any) -> dict[str, Any]:
    """Two things are broken, one after the other; two rollbacks, of which nobody can say what they belong to."""
    return {
        "title": "Two things break",
        "description": "And are mended again.",
        "configuration": {"base": target.url, "wait": 0.3},
        "steady-state-hypothesis": hypothesis(
            probe("value-is-there", {"type": "http", "url": "${base}/value"}, tolerance=200)
        ),
        "method": [
            action("break one", put(target, "one"), pauses={"after": "${wait}"}),
            {"ref": "value-is-there"},
            action("break two", put(target, "two"), pauses={"before": 0.2}),
        ],
        "rollbacks": [
            action(
                "mend one", {"type": "process", "path": "curl", "arguments": ["-sSX", "DELETE", "${base}/state/one"]}
            ),
            action(
                "mend two", {"type": "process", "path": "curl", "arguments": ["-sSX", "DELETE", "${base}/state/two"]}
            ),
        ],
        **changes,
    }


def asked(target: Target) -> list[tuple[str, str]]:
    return [(line["method"], line["path"]) for line in target.lines()]


def write(place: Place, made: Any, name: str = "experiment.json") -> None:
    place.write(name, json.dumps(made, indent=1))


def chaos(place: Place, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from chaostoolkit.cli import cli; cli()", "--log-file", "chaos.log", *arguments]
    return subprocess.run(
        line,
        cwd=place.folder,
        env={**place.environment, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_experiment_is_run_as_it_is_in_its_order_and_undone(place: Place, target: Target) -> None:
    write(place, experiment(target))
    done = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert done.returncode == 0, done.stderr
    value = ("GET", "/value")
    assert asked(target) == [
        value,
        ("PUT", "/state/one"),
        value,
        ("PUT", "/state/two"),
        # The hypothesis with everything broken, the rollbacks in their order, and the steady state again.
        value,
        ("DELETE", "/state/one"),
        ("DELETE", "/state/two"),
        value,
    ]
    assert "which action each undoes is not clear" in done.stderr
    boots = {(line["method"], line["path"]): line["boot"] for line in target.lines()}
    assert boots["PUT", "/state/two"] - boots["PUT", "/state/one"] >= 0.5
    started = place.records()[0].event
    assert isinstance(started, ev.ExerciseStarted)
    assert started.path == "experiment.json"
    assert started.scenario_hash == hashlib.sha256((place.folder / "experiment.json").read_bytes()).hexdigest()
    answers = [record.event for record in place.records() if isinstance(record.event, ev.ProbeAnswered)]
    assert [(answer.name, answer.held) for answer in answers] == [("value-is-there", None), ("value-is-there", True)]


def test_without_an_abort_condition_it_is_refused_and_nothing_touched(place: Place, target: Target) -> None:
    write(place, experiment(target))
    refused = place.call("run", "experiment.json", *RUN)
    assert refused.returncode == 5
    assert "break-one, break-two" in refused.stderr and "--no-abort-condition" in refused.stderr
    preview = place.call("preview", "experiment.json", "--target", "lab")
    assert preview.returncode == 5
    assert "no abort condition" in " ".join(preview.stdout.split())
    assert place.call("preview", "experiment.json", "--target", "lab", "--no-abort-condition").returncode == 0
    assert not place.begun() and not target.lines()


def test_a_hypothesis_that_does_not_hold_under_the_fault_fails_the_run(place: Place, target: Target) -> None:
    up = probe("nothing-is-broken", {"type": "http", "url": "${base}/state/one"}, tolerance=404)
    method = [action("break one", put(target, "one"))]
    write(place, experiment(target, method=method, **{"steady-state-hypothesis": hypothesis(up)}))
    done = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert done.returncode == 1, done.stderr
    assert "check 'nothing-is-broken-at-the-end' did not hold" in place.exercise().reason
    assert target.requests("DELETE", "/state/two")
    worst = build_debrief(place.records()).findings[0]
    assert worst.title == "Check nothing-is-broken-at-the-end did not hold while break-one stood"
    assert [place.records()[seq - 1].kind for seq in worst.evidence] == ["probe_answered"]


def test_a_safeguard_aborts_and_all_is_rolled_back(place: Place, target: Target) -> None:
    safe = probe("nobody-minds", {"type": "http", "url": "${base}/state/two"}, tolerance=404, frequency=0.1)
    control = {"type": "python", "module": "chaosaddons.controls.safeguards", "arguments": {"probes": [safe]}}
    method = [*experiment(target)["method"], action("wait", python("lab_activities", "number"), pauses={"before": 60})]
    write(place, experiment(target, method=method, controls=[{"name": "safe", "provider": control}]))
    done = place.call("run", "experiment.json", *RUN)
    assert done.returncode == 3, done.stderr
    assert asked(target)[-3:-1] == [("DELETE", "/state/one"), ("DELETE", "/state/two")] or [
        request for request in asked(target) if request[0] == "DELETE"
    ] == [("DELETE", "/state/one"), ("DELETE", "/state/two")]
    assert "wait" not in place.exercise().faults


def test_configuration_secrets_and_values_that_are_asked_for(place: Place, target: Target) -> None:
    counter = python("lab_activities", "count", arguments={"file": str(place.folder / "counted")})
    told = python("lab_activities", "put", arguments={"url": "${base}/state/n${number}"}, secrets=["lab"])
    place.extra |= {"LAB_TOKEN": "s3cret-token", "LAB_SPARE": "from here"}
    made = {
        "title": "t",
        "description": "d",
        "configuration": {
            "base": target.url,
            "spare": {"type": "env", "key": "LAB_SPARE"},
            "number": {"type": "probe", "name": "n", "provider": counter},
        },
        "secrets": {"lab": {"token": {"type": "env", "key": "LAB_TOKEN"}}},
        "method": [action("tell", told)],
        "rollbacks": [
            action("forget", python("lab_activities", "delete", arguments={"url": "${base}/state/n${number}"}))
        ],
    }
    write(place, made)
    done = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert done.returncode == 0, done.stderr
    # The undo, which may be sent twice where it follows so soon, had the value that the action had.
    sent, *undone = asked(target)
    assert sent == ("PUT", "/state/n1")
    assert set(undone) == {("DELETE", "/state/n1")}
    (output,) = [record.event.output for record in place.records() if isinstance(record.event, ev.FaultInjected)]
    assert output["secrets"] == ["token"]
    assert (output["configuration"]["spare"], output["configuration"]["number"]) == ("from here", 1)
    assert "s3cret-token" not in place.store.read_bytes().decode("latin-1")


def test_importing_runs_nothing_and_policy_holds(place: Place, target: Target) -> None:
    (place.folder / "modules" / "evil.py").write_text(f"open({str(place.folder / 'was-run')!r}, 'w')\ndef f(): pass\n")
    asks = {"type": "probe", "provider": python("evil", "f")}
    made = experiment(target, configuration={"base": target.url, "x": asks}, method=[action("a", python("evil", "f"))])
    write(place, made)
    for command in (("import",), ("validate",), ("preview", "--target", "lab"), ("export", "--to", "chaostoolkit")):
        assert place.call(command[0], "experiment.json", *command[1:]).returncode in (0, 1, 5)
    refused = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert refused.returncode == 5
    assert "a.activity (evil)" in refused.stderr and "configuration.x (evil)" in refused.stderr
    assert not (place.folder / "was-run").exists()


def test_import_writes_a_file_and_lists_what_is_not_in_it(place: Place, target: Target) -> None:
    write(place, experiment(target, controls=[{"name": "c", "provider": {"type": "python", "module": "m"}}]))
    done = place.call("import", "experiment.json", "--output", "scenario.yaml")
    assert (done.returncode, done.stdout) == (1, "scenario.yaml\n"), done.stderr
    lines = (place.folder / "experiment.json").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"controls"' in text) + 1
    assert f"experiment.json:{line}:3: controls[1]: not carried over: a control c (m)" in done.stderr
    assert place.call("validate", "scenario.yaml").returncode == 0
    again = place.call("import", "experiment.json", "--output", "scenario.yaml")
    assert again.returncode == 2 and "exists already" in again.stderr
    write(place, experiment(target))
    whole = place.call("import", "experiment.json")
    assert whole.returncode == 0 and whole.stdout.startswith("# Imported from experiment.json")
    assert "--no-abort-condition" in whole.stderr
    for broken in ('{"title": ', '{"title": "t", "method": 3}', ""):
        place.write("experiment.json", broken)
        for command in ("import", "validate", "run"):
            failed = place.call(command, "experiment.json")
            assert failed.returncode == 2 and "Traceback" not in failed.stderr, failed.stderr
            assert "experiment.json" in failed.stderr


# --- and back --------------------------------------------------------------------------------------------------------


def test_what_was_imported_is_exported_and_run_by_chaos(place: Place, target: Target) -> None:
    write(place, experiment(target))
    assert place.call("import", "experiment.json", "--output", "scenario.yaml").returncode == 0
    done = place.call("export", "scenario.yaml", "--to", "chaostoolkit", "--target", "lab", "--output", "back.json")
    assert done.returncode == 0, done.stderr
    assert "rollbacks: played whatever happens" in done.stderr
    valid = chaos(place, "validate", "back.json")
    assert valid.returncode == 0, valid.stderr
    run = chaos(place, "run", "back.json")
    assert run.returncode == 0, run.stderr
    by_chaos = asked(target)
    assert json.loads((place.folder / "journal.json").read_text())["status"] == "completed"
    first = len(by_chaos)
    assert chaos(place, "run", "experiment.json").returncode == 0
    assert asked(target)[first:] == by_chaos


SCENARIO = """\
version: 1
title: A $ scenario
tags: [a, "contribution:availability:high"]
roles: [incident-commander]
steady_state:
  - {{name: value, http: {{url: "${{lab}}/value"}}, expect: {{status: 200}}}}
  - {{name: json, http: {{url: "${{lab}}/value", path: $}}, expect: {{equals: 0}}}}
  - {{name: text, http: {{url: "${{lab}}/metrics", read: body}}, expect: {{matches: "value 0"}}}}
  - {{name: fast, http: {{url: "${{lab}}/value", read: latency}}, expect: {{below: 4}}}}
  - {{name: number, metrics: {{name: value}}, expect: {{between: [0, 0.5]}}}}
  - {{name: open, tcp: {{address: "{address}"}}, expect: {{equals: true}}}}
  - {{name: program, process: {{command: [sh, -c, "exit 3"]}}, expect: {{equals: 3}}}}
  - {{name: said, process: {{command: [echo, so what], read: stdout}}, expect: {{equals: so what}}}}
  - {{name: seven, activity: {{type: python, module: lab_activities, func: number}}, expect: {{above: 6, below: 8}}}}
timeline:
  - {{id: told, at: 0s, inject: It burns.}}
  - id: broken
    at: 100ms
    fault: activity
    activity:
      type: http
      url: "${{lab}}/state/x"
      method: PUT
      arguments: "1"
      headers: {{Authorization: {{env: LAB_TOKEN}}}}
    undo: {{type: http, url: "${{lab}}/state/x", method: DELETE}}
    for: 600ms
  - {{id: look, after: {{effective: broken, delay: 200ms}}, check: {{http: {{url: "${{lab}}/state/x"}}}}}}
  - {{id: later, manual: true, check: {{http: {{url: "${{lab}}/state/x"}}}}}}
expect:
  - {{milestone: detected, within: 1m}}
abort_when:
  - {{name: too bad, tcp: {{address: "{address}"}}, equals: false}}
limits: {{duration: 1m}}
"""


def test_a_scenario_is_exported_with_all_kinds_of_probes_and_run_by_chaos(place: Place, target: Target) -> None:
    place.write("scenario.yaml", SCENARIO.format(address=target.url.removeprefix("http://")))
    done = place.call("export", "scenario.yaml", "--to", "chaostoolkit", "--target", "lab", "--output", "out.json")
    assert done.returncode == 1, done.stderr
    for lost in ("roles", "inject told", "check later", "expect[1]", "abort_when[1] (too bad)", "limits.duration"):
        assert f": {lost}: not carried over" in done.stderr, done.stderr
    for line in done.stderr.splitlines():
        assert line.startswith("scenario.yaml:")
    made = json.loads((place.folder / "out.json").read_text())
    kinds = [
        each["provider"].get("module", each["provider"]["type"]) for each in made["steady-state-hypothesis"]["probes"]
    ]
    ours = "gameday.interchange.chaostoolkit.probing"
    assert kinds == ["http", "http", "http", ours, ours, ours, "process", "process", ours]
    assert (made["tags"], made["contributions"]) == (["a"], {"availability": "high"})
    valid = chaos(place, "validate", "out.json", LAB_TOKEN="t")
    assert valid.returncode == 0, valid.stderr
    run = chaos(place, "run", "out.json", LAB_TOKEN="t")
    assert run.returncode == 0, run.stderr
    journal = json.loads((place.folder / "journal.json").read_text())
    states = journal["steady_states"]
    assert [states[when]["steady_state_met"] for when in ("before", "after")] == [True, True], run.stderr
    about = [request for request in asked(target) if request[1] == "/state/x"]
    assert about == [("PUT", "/state/x"), ("GET", "/state/x"), ("DELETE", "/state/x"), ("DELETE", "/state/x")]
    boots = [line["boot"] for line in target.lines() if line["path"] == "/state/x"]
    assert boots[2] - boots[0] >= 0.5
    # A probe that does not hold says so, and why.
    subprocess.run(["curl", "-sSX", "PUT", "-d", "0.7", f"{target.url}/value"], check=True)
    lists = made["steady-state-hypothesis"]["probes"]
    made["steady-state-hypothesis"]["probes"] = [each for each in lists if each["name"] == "number"]
    place.write("out.json", json.dumps(made))
    chaos(place, "run", "out.json", LAB_TOKEN="t")
    (number,) = json.loads((place.folder / "journal.json").read_text())["steady_states"]["before"]["probes"]
    assert "number does not hold: 0.7 is not between 0 and 0.5" in "".join(number["exception"])


def test_portable_faults_and_unknown_names_are_not_exported(place: Place) -> None:
    place.write(
        "portable.yaml",
        "version: 1\ntitle: t\ntimeline:\n- {at: 0s, fault: pod-kill, with: {service: payments}}\n"
        "abort_when: [{name: x, http: {url: '${nowhere}/x'}, unless: {status: 200}}]\n",
    )
    refused = place.call("export", "portable.yaml", "--to", "chaostoolkit")
    assert refused.returncode == 5 and "fault-1: how a portable fault is done" in refused.stderr
    place.write(
        "names.yaml",
        "version: 1\ntitle: t\nsteady_state: [{name: x, http: {url: '${nowhere}/x'}, expect: {status: 200}}]\n",
    )
    unknown = place.call("export", "names.yaml", "--to", "chaostoolkit")
    assert unknown.returncode == 2 and "nowhere" in unknown.stderr and "Traceback" not in unknown.stderr
