"""`gameday preview` on a real target: what would be touched, what answers, and where a run would be refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.launching import target_held
from gameday.cli.previewing import preview_of
from gameday.cli.staging import in_use, payload_of, refuse_a_target_in_use, stage
from gameday.console.preview_model import PRODUCTION, PreviewModel
from gameday.errors import RefusedError
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.sandbox import control
from gameday.store import Holder, open_store
from gameday.targets import policy
from gameday.targets.settings import load_settings
from tests.support.runs import Place

ROOT = Path(__file__).parents[2]
SETTINGS = """
[policy]
allow_process = true

[targets.lab]
kind = "other"
environment = "test"
names = {lab = "http://127.0.0.1:9"}
"""
SCRIPT = """
version: 1
title: An activity
target: lab
steady_state:
  - {name: nobody answers here, http: {url: "${lab}/x", timeout: 1s}, expect: {status: 200}}
timeline:
  - at: 0s
    fault: activity
    activity: {type: process, path: "true"}
    one_shot: true
abort_when:
  - {name: nothing listens, tcp: {address: "127.0.0.1:9"}, unless: {equals: false}, consecutive: 3}
limits: {duration: 5m}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path, extra={"PYTHONPATH": str(ROOT)})
    made.write("gameday.toml", SETTINGS)
    made.write("activity.yaml", SCRIPT)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, made.environment[name])
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("preview")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAMEDAY_SANDBOX_RATE", "5")
        control.up(folder)
    yield folder
    control.down(folder)


def shown(place: Place, *, despite_faults: bool = False) -> PreviewModel:
    return preview_of(
        place.folder / "activity.yaml",
        target=None,
        parameters={},
        settings=load_settings(explicit=place.folder / "gameday.toml"),
        store=str(place.store),
        despite_faults=despite_faults,
    )


def started(place: Place) -> dict[str, Any]:
    """The payload of a run of the scenario, its exercise not begun."""
    settings = load_settings(explicit=place.folder / "gameday.toml")
    staged = stage(
        place.folder / "activity.yaml", target=None, parameters={}, settings=settings, confirm=None, say=print
    )
    return {"staged": staged, "payload": payload_of(staged, store=str(place.store), attended=False)}


def test_probes_and_limits_are_told(place: Place) -> None:
    done = place.call("preview", "activity.yaml")
    assert done.returncode == 0, done.stderr
    assert re.search(r"nobody answers here +status 200 +NO ANSWER NOW: unreachable", done.stdout)
    assert re.search(r"nothing listens +unless equal to false, 3 times in a row +now (False|false)", done.stdout)
    touched = done.stdout.split("Touched\n")[1].splitlines()[0]
    assert re.fullmatch(r"  at 0s +true", touched) and "activity: activity" not in done.stdout
    assert re.search(r"^  duration +5m +then", done.stdout, re.MULTILINE)
    assert re.search(r"^  recovery +1m \(default\) +an undo", done.stdout, re.MULTILINE)
    assert re.search(r"^  pods +any number \(default\)", done.stdout, re.MULTILINE)
    assert not place.store.exists(), "a preview writes nothing"
    said = json.loads(place.call("preview", "activity.yaml", "--json").stdout)
    assert [(check["answers"], check["holds"]) for check in said["steady_state"]] == [(False, False)]
    assert [limit["name"] for limit in said["limits"] if not limit["default"]] == ["duration"]


def test_a_fault_is_said_as_the_script_says_it_and_stands_apart_from_when(place: Place) -> None:
    place.write(
        "long.yaml",
        "version: 1\ntitle: T\ntarget: sandbox\ntimeline:\n"
        "  - {id: first, at: 0s, fault: pod-kill, with: {service: checkout, all: true}}\n"
        "  - {id: it, after: {entry: first, delay: 10s}, fault: pod-freeze, with: {service: checkout}, for: 13m}\n"
        "abort_when: [{name: a, tcp: {address: '127.0.0.1:9'}, unless: {equals: false}, consecutive: 3}]\n",
    )
    told = place.call("preview", "long.yaml").stdout
    assert "first: pod-kill (service checkout, all true)" in told
    assert "after first + 10s for 13m  it: pod-freeze" in told


def test_a_scenario_that_names_what_is_not_there_is_invalid_for_preview_and_run_alike(place: Place) -> None:
    place.write(
        "wrong.yaml",
        SCRIPT.replace("${lab}", "${lob}").replace('tcp: {address: "127.0.0.1:9"}', "no_data: ok, measure: x"),
    )
    for command in (["validate"], ["preview"], ["run", "--unattended"]):
        done = place.call(*command, "wrong.yaml")
        assert done.returncode == 2, done.stderr
        assert "6:45: target 'lab' publishes no name 'lob'; did you mean 'lab'?" in done.stderr
        assert "target 'lab' publishes no measure 'x'; it publishes none" in done.stderr


def test_validate_takes_the_settings_that_were_named(place: Place) -> None:
    place.write("others.toml", SETTINGS.replace("targets.lab", "targets.shed"))
    place.write("shed.yaml", SCRIPT.replace("target: lab", "target: shed"))
    assert "no target 'shed'" in place.call("validate", "shed.yaml").stderr
    assert place.call("validate", "shed.yaml", "--config", "others.toml").returncode == 0


class Alertmanager(BaseHTTPRequestHandler):
    """Whatever it is asked: Slow fires."""

    def do_GET(self) -> None:
        body = json.dumps([{"labels": {"alertname": "Slow"}, "status": {"state": "active"}}]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """A test's output is its own."""


def test_an_expected_alert_that_fires_already_or_can_not_be_read_is_told(place: Place) -> None:
    place.write("activity.yaml", SCRIPT + "expect: [{alert: Slow, within: 1m}, {alert: Down, within: 1m}]\n")
    server = HTTPServer(("127.0.0.1", 0), Alertmanager)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        names = f'names = {{lab = "http://127.0.0.1:9", alertmanager = "http://127.0.0.1:{server.server_port}"}}'
        place.write("gameday.toml", re.sub(r"names = .*", names, SETTINGS))
        assert shown(place).warnings == ("firing already, so it would tell nothing of a fault: Slow",)
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
    (away,) = shown(place).warnings
    assert away == "the alerts can't be read (unreachable: connection refused): nobody will know of Down, Slow"


def test_a_target_that_another_exercise_holds(place: Place) -> None:
    payload = started(place)["payload"]
    assert shown(place).refusals == ()
    with target_held(payload):
        done = place.call("preview", "activity.yaml", "--store", str(place.folder / "other.db"))
        assert done.returncode == 5
        assert "REFUSED  another exercise runs on lab" in done.stdout
    assert shown(place).refusals == ()


def test_faults_that_stand_on_the_target_refuse_as_with_run(place: Place) -> None:
    run = started(place)
    payload = run["payload"]
    first = ev.ExerciseStarted(**payload.started, boot=0.0, boot_id="another")
    with open_store(str(place.store)) as store:
        epoch = store.create(Record(1, 0.0, 0.0, 0.0, 1, "engine", "", first), Holder.mine())
        plan = {"summary": "x", "targets": [], "objects": [], "inject": {"name": "a:b"}, "undo": {"name": "a:c"}}
        armed = ev.FaultArmed("fault-1", "activity", plan, False, 60.0)
        for number, event in enumerate(
            (ev.FaultPlanned("fault-1", "activity", 0.0), armed, ev.FaultInjecting("fault-1")), 2
        ):
            store.append(payload.exercise, epoch, [Record(number, 0.0, 0.0, 0.0, 1, "engine", "", event)])
        store.release_lease(payload.exercise, epoch)
    with pytest.raises(RefusedError) as refused:
        refuse_a_target_in_use(run["staged"], str(place.store), despite_faults=False)
    assert shown(place).refusals == (str(refused.value),)
    assert f"gameday recover {payload.exercise}" in str(refused.value)
    assert shown(place, despite_faults=True).refusals == ()


def test_a_store_that_can_t_be_read_is_a_reason(place: Place) -> None:
    place.store.write_text("this is no database, and long enough to be seen to be none" * 20)
    [reason] = shown(place).refusals
    assert str(place.store) in reason or "database" in reason
    assert in_use(started(place)["staged"].target, str(place.folder / "none.db"), despite_faults=False) == ""


def test_instances_that_chance_chooses_are_all_named(place: Place, shop: Path) -> None:
    place.extra["GAMEDAY_SANDBOX"] = str(shop)
    path = str(ROOT / "scenarios" / "sandbox" / "pod-kill.yaml")
    faults = json.loads(place.call("preview", path, "--json").stdout)["faults"]
    assert [fault["chosen"] for fault in faults] == [1, 1, 1]
    for fault in faults:
        assert re.fullmatch(r"checkout-1 \(pid \d+\), checkout-2 \(pid \d+\)", ", ".join(fault["targets"]))
    assert "1 of 2, chosen when it is due: checkout-1 (pid" in place.call("preview", path).stdout
    one = json.loads(place.call("preview", path, "--json", "--seed", "3").stdout)["faults"]
    assert [(fault["chosen"], len(fault["targets"])) for fault in one] == [(None, 1)] * 3


@pytest.mark.parametrize("name", ["checkout-latency", "frozen-inventory", "payment-outage", "pod-kill"])
def test_what_ships_can_be_run_where_the_sandbox_is_up(place: Place, shop: Path, name: str) -> None:
    place.extra["GAMEDAY_SANDBOX"] = str(shop)
    done = place.call("preview", str(ROOT / "scenarios" / "sandbox" / f"{name}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO ANSWER" not in done.stdout and "CAN'T" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110
    assert "on sandbox, environment sandbox; nothing was touched" in done.stdout


def test_the_console_and_the_policy_mean_the_same_by_production() -> None:
    assert set(policy.PRODUCTION) == PRODUCTION


def test_the_store_of_the_settings_that_were_named_is_the_one(place: Place) -> None:
    there = place.folder / "there.db"
    place.write("other.toml", f'[store]\nurl = "{there}"\n')
    place.write("hello.yaml", "version: 1\ntitle: Hello\ntimeline: [{at: 0s, inject: hello}]\n")
    line = [sys.executable, "-m", "gameday", "run", "hello.yaml", "--unattended", "--config", "other.toml"]
    environment = {key: value for key, value in place.environment.items() if key != "GAMEDAY_STORE"}
    done = subprocess.run(line, cwd=place.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_store(str(there), create=False) as store:
        assert [one.id for one in store.exercises()] == done.stdout.split()[:1]
