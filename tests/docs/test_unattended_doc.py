"""What docs/unattended.md shows is taken from the page and run, or checked by the tool that it is meant for."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.endings.conftest import place, target
from tests.endings.judging import assert_ended, assert_undone, set_value
from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target

__all__ = ["place", "target"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "unattended.md").read_text()
INSTALLED = "/opt/gameday/bin"


def block(language: str, after: str = "") -> str:
    """The first code block in `language` behind the words `after`."""
    rest = PAGE[PAGE.index(after) :]
    found = re.search(rf"^```{language}\n(.*?)^```$", rest, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no block in {language} behind {after!r}"
    return found[1]


def unit(name: str) -> str:
    return block("ini", f"`/etc/systemd/system/{name}`:")


@pytest.fixture
def binaries(place: Place) -> Path:
    """A folder like the bin of an installation: `gameday`, and a `logger` that writes where we can read it."""
    folder = place.folder / "bin"
    folder.mkdir()
    kept = {key: place.environment[key] for key in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "GAMEDAY_STORE", "PYTHONPATH")}
    kept |= dict([place.mark.split("=", 1)])
    lines = [f"export {key}={shlex.quote(value)}" for key, value in kept.items()]
    _program(folder / "gameday", *lines, f'exec {shlex.quote(sys.executable)} -m gameday "$@"')
    _program(folder / "logger", f'echo "$@" >>{shlex.quote(str(place.folder / "syslog"))}')
    return folder


def _program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


# --- cron ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cron(place: Place, binaries: Path) -> Callable[[], tuple[int, str]]:
    """Run the crontab's line as cron would; its exit code and what went to the system's log."""
    table = block("crontab")
    settings = dict(line.split("=", 1) for line in table.splitlines() if "=" in line.split(" ")[0])
    (line,) = [line for line in table.splitlines() if line[:1].isdigit()]
    command = line.split(None, 5)[5]
    assert "%" not in command
    _program(binaries / "gameday-job", block("sh", "`/usr/local/bin/gameday-job`:"))
    (place.folder / "gamedays").mkdir()
    shutil.copy(place.folder / "gameday.toml", place.folder / "gamedays" / "gameday.toml")
    assert INSTALLED in settings["PATH"].split(":")
    path = settings["PATH"].replace(INSTALLED, str(binaries))

    def run() -> tuple[int, str]:
        environment = {"HOME": str(place.folder), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": path}
        # What follows names a target of the page; here it is the lab.
        spoken = command.replace(" staging", " lab")
        done = subprocess.run(["/bin/sh", "-c", spoken], env=environment, cwd="/", capture_output=True, timeout=90)
        assert not done.stdout and not done.stderr, "cron would mail this"
        syslog = place.folder / "syslog"
        return done.returncode, syslog.read_text() if syslog.exists() else ""

    return run


def _scenario(place: Place, text: str) -> None:
    (place.folder / "gamedays" / "payment-outage.yaml").write_text(text)


def test_cron_as_hoped(place: Place, target: Target, cron: Callable[[], tuple[int, str]]) -> None:
    _scenario(place, script(activity(lasts="200ms")))
    assert cron() == (0, "")
    ident, report = (place.folder / "gamedays" / "runs.txt").read_text().split()
    assert ident == place.exercise().id
    assert (place.folder / "gamedays" / report).exists()
    assert_undone(target, ["broken"])


def test_cron_tells_an_abort_and_an_invalid_scenario(
    place: Place, target: Target, cron: Callable[[], tuple[int, str]]
) -> None:
    set_value(target, "1")
    _scenario(place, script(activity(at="5s")))
    code, log = cron()
    assert (code, log) == (3, "-t gameday -p user.warning payment-outage.yaml on lab ended with 3\n")
    _scenario(place, "version: 2")
    code, log = cron()
    assert code == 2
    assert "user.err payment-outage.yaml on lab can't run" in log
    assert "payment-outage.yaml:" in (place.folder / "gamedays" / "runs.log").read_text()


@pytest.mark.long
def test_cron_pages_for_a_fault_that_stays_and_recovers_one_that_does_not(
    place: Place, target: Target, cron: Callable[[], tuple[int, str]]
) -> None:
    lying = {"type": "http", "url": "${lab}/lie", "method": "DELETE"}
    leaking = script(activity(undo=lying, lasts="200ms"), limits={"recovery": "1s"})
    _scenario(place, leaking)
    code, log = cron()
    assert code == 4
    assert "user.crit" in log and "NOT RECOVERED" in log
    assert len(target.requests("DELETE", "/lie")) > 3, "recover tried again"


# --- systemd -------------------------------------------------------------------------------------------------------

UNITS = ("gameday.service", "gameday.timer", "gameday-alert.service")


def _settings(name: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit(name))
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_units_say_what_the_page_explains() -> None:
    service = _settings("gameday.service")["Service"]
    assert service["Type"] == "oneshot"
    assert service["KillMode"] == "mixed"
    assert service["ExecStopPost"].split()[1:] == ["recover"]
    assert "--unattended" in service["ExecStart"]
    assert _settings("gameday.timer")["Timer"]["Persistent"] == "false"
    assert _settings("gameday.service")["Unit"]["OnFailure"] == "gameday-alert.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(place: Place, binaries: Path) -> None:
    for name in UNITS:
        place.write(name, unit(name).replace(INSTALLED, str(binaries)).replace("/usr/bin/logger", "/bin/true"))
    paths = [str(place.folder / name) for name in UNITS]
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    # It ends with 0 over much that it complains of: that it would have complained is shown here.
    place.write("gameday.service", unit("gameday.service").replace("mixed", "mxed"))
    assert (
        "kill mode"
        in subprocess.run(["systemd-analyze", "verify", "--man=no", paths[0]], capture_output=True, text=True).stderr
    )
    calendar = _settings("gameday.timer")["Timer"]["OnCalendar"]
    assert subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True).returncode == 0


@pytest.mark.long
def test_the_service_runs_and_is_stopped_as_systemd_does_it(place: Place, target: Target, binaries: Path) -> None:
    """KillMode=mixed by hand: SIGTERM to the main process, patience, then ExecStopPost."""
    service = _settings("gameday.service")["Service"]
    place.write("payment-outage.yaml", script(activity()))
    run = service["ExecStart"].replace(INSTALLED, str(binaries)).replace(" staging", " lab")
    process = _start(place, run.split(), {"PATH": "/usr/bin:/bin"})
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    process.send_signal(signal.SIGTERM)
    assert_ended(place, process.wait(60), 3)
    assert_undone(target, ["broken"])
    place.gone()
    after = service["ExecStopPost"].replace(INSTALLED, str(binaries)).split()
    done = subprocess.run(after, env={"PATH": "/usr/bin:/bin"}, cwd=place.folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "nothing to recover\n")


@pytest.mark.long
def test_what_the_command_leaves_when_everything_is_killed_is_undone_afterwards(
    place: Place, target: Target, binaries: Path
) -> None:
    """KillMode=mixed when the main process dies: SIGKILL to all that is left, then ExecStopPost."""
    service = _settings("gameday.service")["Service"]
    place.write("payment-outage.yaml", script(activity()))
    run = service["ExecStart"].replace(INSTALLED, str(binaries)).replace(" staging", " lab")
    process = _start(place, run.split(), {"PATH": "/usr/bin:/bin"})
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in place.processes():
            os.kill(pid, number)
    process.wait(10)
    wait_for(lambda: not place.processes(), 10, "all are dead")
    assert not target.requests("DELETE", "/state/broken")
    after = service["ExecStopPost"].replace(INSTALLED, str(binaries)).split()
    done = subprocess.run(after, env={"PATH": "/usr/bin:/bin"}, cwd=place.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_undone(target, ["broken"])
    assert_ended(place, 3, 3)


def _start(place: Place, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (place.folder / "out").open("wb") as out, (place.folder / "err").open("wb") as err:
        process = subprocess.Popen(
            command, env=environment, cwd=place.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    place.started.append(process)
    return process


# --- Kubernetes ----------------------------------------------------------------------------------------------------


def _cronjob() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(block("yaml", "## Kubernetes CronJob"))
    return found


class _Response:
    """What the client's deserializer reads from."""

    def __init__(self, data: str) -> None:
        self.data = data


def test_the_cronjob_is_one_by_the_clients_models() -> None:
    """Every key is known to the model of its place, and every value is of its type."""
    import json

    from kubernetes import client

    api = client.ApiClient()
    written = _cronjob()
    job = api.deserialize(_Response(json.dumps(written)), "V1CronJob")
    assert api.sanitize_for_serialization(job) == written, "a key that the model does not know would be missing here"
    assert job.spec.concurrency_policy == "Forbid"
    assert job.spec.job_template.spec.backoff_limit == 0
    pod = job.spec.job_template.spec.template.spec
    assert pod.restart_policy == "Never"
    assert pod.termination_grace_period_seconds >= 2 * 60
    mounts = {mount.name for container in (*pod.containers, *pod.init_containers) for mount in container.volume_mounts}
    assert mounts == {volume.name for volume in pod.volumes}


def _namespaces() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.run([*UNSHARE, "true"], capture_output=True).returncode


UNSHARE: tuple[str, ...] = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
if os.geteuid() == 0:
    UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
needs_namespaces = pytest.mark.skipif(not _namespaces(), reason="no PID namespace can be made here")


@needs_namespaces
@pytest.mark.long
def test_as_pid_1_it_hears_sigterm_reaps_and_leaves_nothing(place: Place, target: Target, binaries: Path) -> None:
    process, first = _contained(place, binaries)
    assert Path(f"/proc/{first}/status").read_text().split("NSpid:")[1].splitlines()[0].split()[-1] == "1"
    # Orphans of the injection come to the guardian, or at last to PID 1; none may stay there as a zombie.
    assert not _zombies(place)
    os.kill(first, signal.SIGTERM)
    assert_ended(place, process.wait(60), 3)
    assert_undone(target, ["broken"])
    place.gone()


@needs_namespaces
@pytest.mark.long
def test_a_container_that_is_killed_is_recovered_by_the_init_container_of_the_next(
    place: Place, target: Target, binaries: Path
) -> None:
    process, first = _contained(place, binaries)
    os.kill(first, signal.SIGKILL)
    process.wait(30)
    place.gone()
    (recover,) = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    done = _contain(place, binaries, recover["command"])
    assert done.wait(60) == 0, place.said()
    assert_undone(target, ["broken"])
    assert_ended(place, 3, 3)


@needs_namespaces
def test_the_init_container_leaves_alone_what_another_machine_may_still_run(
    place: Place, target: Target, binaries: Path
) -> None:
    process, _ = _contained(place, binaries)
    (recover,) = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    elsewhere = ["unshare", "--uts", "/bin/sh", "-c", f"hostname elsewhere; {recover['command'][-1]}"]
    done = subprocess.run([*UNSHARE, *elsewhere], env=_path(binaries), cwd=place.folder, capture_output=True, text=True)
    assert done.returncode != 0, "the scenario's container is not started"
    assert "may be alive" in done.stderr
    assert not target.requests("DELETE", "/state/broken")
    os.kill(next(pid for pid in place.pids("gameday run") if pid != process.pid), signal.SIGTERM)
    assert_ended(place, process.wait(60), 3)


@needs_namespaces
def test_the_init_container_does_not_mind_that_there_is_no_journal_yet(place: Place, binaries: Path) -> None:
    (recover,) = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    assert _contain(place, binaries, recover["command"]).wait(60) == 0, place.said()
    assert not place.store.exists()


def _path(binaries: Path) -> dict[str, str]:
    return {"PATH": f"{binaries}:/usr/sbin:/usr/bin:/bin"}


def _contain(place: Place, binaries: Path, command: list[str]) -> subprocess.Popen[bytes]:
    return _start(place, [*UNSHARE, *command], _path(binaries))


def _contained(place: Place, binaries: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The CronJob's command as PID 1 of a namespace, its fault in effect: `unshare`, and the pid seen from outside."""
    (container,) = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command = ["lab" if word == "staging" else word for word in container["command"]]
    assert command[0] == "gameday", "no shell in between"
    command[command.index("/state/reports")] = str(place.folder / "reports")
    orphan = {"type": "process", "path": "/bin/sh", "arguments": ["-c", f"(sleep 0.1 &); {_put(place)}"]}
    place.write("payment-outage.yaml", script(activity(activity=orphan)))
    process = _contain(place, binaries, command)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    first = next(pid for pid in place.pids("gameday run") if pid != process.pid)
    return process, first


def _put(place: Place) -> str:
    (url,) = re.findall(r'proxy = "(.*)"', (place.folder / "gameday.toml").read_text())
    return f"curl -sS -X PUT {url}/state/broken"


def _zombies(place: Place) -> list[str]:
    """Dead children that nobody has reaped, below any process of the run."""
    ours = set(place.processes())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            rest = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if rest[0] == "Z" and int(rest[1]) in ours:
            found.append(folder.name)
    return found


# --- users without a name ------------------------------------------------------------------------------------------


def test_the_cronjobs_user_needs_no_name(place: Place, target: Target) -> None:
    user = _cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert user == 10001
    place.write("payment-outage.yaml", script(activity(lasts="200ms")))
    pretend = place.folder / "site"
    pretend.mkdir()
    # The files of a checkout may not be readable for that user, so the names of users are taken away instead.
    (pretend / "sitecustomize.py").write_text(
        "import pwd\ndef getpwuid(uid):\n    raise KeyError(uid)\npwd.getpwuid = getpwuid\n"
    )
    place.extra["PYTHONPATH"] = f"{pretend}{os.pathsep}{ROOT}"
    environment = {k: v for k, v in place.environment.items() if k not in ("USER", "LOGNAME", "LNAME", "USERNAME")}
    command = [sys.executable, "-m", "gameday", "run", "payment-outage.yaml", "--target", "lab", "--unattended"]
    process = _start(place, command, environment)
    assert_ended(place, process.wait(60), 0)
    assert_undone(target, ["broken"])
