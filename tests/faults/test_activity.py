"""Chaos Toolkit activities as faults, undos and probes: whatever they do, the outcome is true and without secrets."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Plan, TargetInfo
from gameday.faults import activity
from gameday.faults.by_hand import by_hand, in_words
from gameday.faults.chaostoolkit import LARGEST_OUTPUT, ActivityFailed
from gameday.faults.planning import plan

from .conftest import context, run, wait_until

SECRET = 'hunter2/"quoted" & long'

# The HTTP provider leaves its session to the garbage collector, which is how it is used here and in a worker alike.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

MODULE = """
import logging, os, sys, time
from pathlib import Path

calls = []

def greet(name="world", configuration=None, secrets=None):
    calls.append(name)
    return {"hello": name}

def record(obj, configuration=None, secrets=None):
    import json
    told = {"obj": obj, "configuration": configuration, "secrets": secrets}
    (Path(__file__).parent / "recorded").write_text(json.dumps(told))

def fail(word="boom"):
    raise KeyError(word)

def leave():
    sys.exit(0)

class Odd:
    def __repr__(self):
        raise RuntimeError("no repr either")

class Thing:
    def __repr__(self):
        return "<Thing 1>"

def thing(): return Thing()
def odd(): return Odd()
def not_a_number(): return float("nan")
def nested_nan(): return {"value": float("nan")}
def nothing(): return None
def big(): return "x" * 5_000_000
def deep():
    found = []
    for _ in range(900):
        found = [found]
    return found
def keys(): return {1: "one", (2,): "two"}

def tell(secrets=None, configuration=None):
    logging.getLogger("chaostoolkit").warning("the secret is %s", secrets)
    return {"secrets": secrets, "configuration": configuration}

def quote(secrets):
    raise ValueError(f"can't log in with {secrets['token']!r}")

def hang(marker):
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "300")
    Path(marker).write_text(f"{os.getpid()} {child}")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of activities that is found on the path."""
    (tmp_path / "a_chaos_extension.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_chaos_extension"
    sys.modules.pop("a_chaos_extension", None)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "body": self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(),
            }
        )
        kind, body, status = "text/plain", b"fine", 200
        if self.path.startswith("/hang"):
            release.wait(10)
        elif self.path.startswith("/json"):
            kind, body = "application/json", b'{"rate": 0.25}'
        elif self.path.startswith("/lies"):
            kind, body = "application/json", b"<html>"
        elif self.path.startswith("/bad"):
            status, body = 503, b"out of order"
        elif self.path.startswith("/echo"):
            body = str(self.headers.get("Authorization")).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the server gives it
        pass


asked: list[dict[str, Any]] = []
release = threading.Event()


@pytest.fixture
def server() -> Iterator[str]:
    asked.clear()
    release.clear()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    serving.daemon_threads = True
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}"
    release.set()
    serving.shutdown()
    serving.server_close()
    thread.join()


def python(module: str, func: str, **more: Any) -> dict[str, Any]:
    return {"type": "python", "module": module, "func": func, **more}


def test_a_python_activity(extension: str) -> None:
    assert activity.run_activity(python(extension, "greet", arguments={"name": "you"})) == {"hello": "you"}


def test_what_chaos_toolkit_would_do_besides_is_not_done(extension: str) -> None:
    began = time.monotonic()
    provider = python(extension, "greet", pauses={"before": 30, "after": 30}, background=True, ref="x", timeout=60)
    assert activity.run_activity(provider) == {"hello": "world"}
    assert time.monotonic() - began < 10
    assert sys.modules[extension].calls == ["world"]


def test_names_that_the_target_publishes_are_filled_in(extension: str) -> None:
    found = activity.run_activity(python(extension, "greet", arguments={"name": "${checkout}"}), {"checkout": "there"})
    assert found == {"hello": "there"}


@pytest.mark.parametrize(
    ("func", "said"),
    [("fail", "KeyError: 'boom'"), ("leave", "tried to exit"), ("absent", "has no attribute 'absent'")],
)
def test_a_failing_python_activity_says_why(extension: str, func: str, said: str) -> None:
    with pytest.raises(ActivityFailed, match=said):
        activity.run_activity(python(extension, func))


def test_wrong_arguments_and_absent_modules_are_failures(extension: str) -> None:
    with pytest.raises(ActivityFailed, match="unexpected keyword"):
        activity.run_activity(python(extension, "greet", arguments={"nme": 1}))
    with pytest.raises(ActivityFailed, match="No module named"):
        activity.run_activity(python("no_such_module_anywhere", "greet"))
    with pytest.raises(ImportError):
        activity.prepare_undo(python("no_such_module_anywhere", "greet"))


@pytest.mark.parametrize(
    ("func", "output"),
    [
        ("thing", "<Thing 1>"),
        ("odd", "<Odd>"),
        ("nothing", None),
        ("nested_nan", "{'value': nan}"),
        ("keys", "{1: 'one', (2,): 'two'}"),
    ],
)
def test_any_output_becomes_json(extension: str, func: str, output: Any) -> None:
    found = activity.run_activity(python(extension, func))
    assert json.loads(json.dumps(found)) == output


def test_an_output_that_is_nested_deeply(extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    found = activity.run_activity(python(extension, "deep", secrets={"token": {"env": "TOKEN"}}))
    assert isinstance(found, list) or found.startswith("<list")


def test_an_output_is_bounded(extension: str) -> None:
    found = activity.run_activity(python(extension, "big"))
    assert len(found) < LARGEST_OUTPUT + 100
    assert found.endswith("(5000000 characters)")


def test_a_probe_that_finds_nan_says_nan(extension: str) -> None:
    assert math.isnan(activity.probe(python(extension, "not_a_number")))


def test_secrets_are_read_where_they_are_used_and_never_come_back(
    extension: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TOKEN", SECRET)
    (tmp_path / "pin").write_text("73519\n")
    places = {"k8s": {"token": {"type": "env", "key": "TOKEN"}}, "pin": {"file": str(tmp_path / "pin")}}
    found = activity.run_activity(python(extension, "tell", secrets=places))
    assert found["secrets"] == {"token": "•••", "pin": "•••"}
    with pytest.raises(ActivityFailed) as failure:
        activity.run_activity(python(extension, "quote", secrets={"token": {"env": "TOKEN"}}))
    assert "can't log in with" in str(failure.value)
    by_name = python(extension, "tell", secrets=["k8s"])
    assert activity.run_activity(by_name, {}, places)["secrets"] == {"token": "•••"}
    for said in (str(failure.value), repr(failure.value.__cause__), caplog.text):
        assert "hunter2" not in said


def test_a_secret_as_itself_is_refused_without_being_repeated(extension: str) -> None:
    with pytest.raises(ValueError, match="token must say where it is") as failure:
        activity.run_activity(python(extension, "tell", secrets={"k8s": {"token": SECRET}}))
    assert "hunter2" not in str(failure.value)


def test_a_secret_that_is_not_there_is_a_failure(extension: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="GAMEDAY_NO_SUCH"):
        activity.run_activity(python(extension, "tell", secrets={"token": {"env": "GAMEDAY_NO_SUCH"}}))
    with pytest.raises(RuntimeError, match="is not there"):
        activity.run_activity(python(extension, "tell", secrets={"token": {"file": str(tmp_path / "none")}}))


def test_an_http_activity(server: str) -> None:
    provider = {"type": "http", "url": f"{server}/json", "method": "POST", "arguments": {"a": 1}}
    found = activity.run_activity({**provider, "headers": {"Content-Type": "application/json"}})
    assert (found["status"], found["body"]) == (200, {"rate": 0.25})
    assert (asked[0]["method"], json.loads(asked[0]["body"])) == ("POST", {"a": 1})


def test_a_bad_status_fails_an_action_and_answers_a_probe(server: str) -> None:
    provider = {"type": "http", "url": f"{server}/bad"}
    with pytest.raises(ActivityFailed, match="answered 503: out of order"):
        activity.run_activity(provider)
    assert activity.probe(provider)["status"] == 503


def test_html_that_says_it_is_json_is_a_failure(server: str) -> None:
    with pytest.raises(ActivityFailed, match="JSONDecodeError"):
        activity.probe({"type": "http", "url": f"{server}/lies"})


def test_an_http_activity_does_not_wait_for_ever(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameday.faults.chaostoolkit.HTTP_TIMEOUT", 0.2)
    with pytest.raises(ActivityFailed):
        activity.run_activity({"type": "http", "url": f"{server}/hang"})
    with pytest.raises(ActivityFailed):
        activity.run_activity({"type": "http", "url": f"{server}/hang", "timeout": "100ms"})
    with pytest.raises(ActivityFailed, match="failed to connect"):
        activity.run_activity({"type": "http", "url": "http://127.0.0.1:9/"})


def test_secrets_in_headers_and_urls(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AUTH", "Bearer abcdefgh12345")
    found = activity.run_activity(
        {"type": "http", "url": f"{server}/echo", "headers": {"Authorization": {"env": "AUTH"}}}
    )
    assert asked[-1]["headers"]["Authorization"] == "Bearer abcdefgh12345"
    assert found["body"] == "•••"
    provider = {"type": "http", "url": f"{server}/fine?key=${{key}}", "secrets": {"key": {"env": "AUTH"}}}
    activity.run_activity(provider)
    assert "abcdefgh12345" in asked[-1]["path"]
    with pytest.raises(ActivityFailed) as failure:
        activity.run_activity({**provider, "url": "http://127.0.0.1:9/${key}"})
    assert "abcdefgh12345" not in str(failure.value) + caplog.text


def test_a_process_activity(tmp_path: Path) -> None:
    found = activity.run_activity({"type": "process", "path": "echo", "arguments": ["a", "b"]})
    assert found == {"status": 0, "stdout": "a b\n", "stderr": ""}
    found = activity.run_activity({"type": "process", "path": "sh", "arguments": "-c 'echo $((1+1))'"})
    assert found["stdout"] == "2\n"


def test_an_exit_code_fails_an_action_and_answers_a_probe() -> None:
    provider = {"type": "process", "path": "sh", "arguments": ["-c", "echo no luck >&2; exit 3"]}
    with pytest.raises(ActivityFailed, match="sh exited with 3: no luck"):
        activity.run_activity(provider)
    assert activity.probe(provider)["status"] == 3
    with pytest.raises(ActivityFailed, match="no program 'no-such-program'"):
        activity.run_activity({"type": "process", "path": "no-such-program"})


def test_a_process_finds_secrets_in_its_environment_and_not_in_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "s3cret-value")
    shell = ["-c", "tr '\\0' ' ' < /proc/$$/cmdline; echo; echo $token"]
    provider = {"type": "process", "path": "sh", "arguments": shell, "secrets": {"token": {"env": "WHERE"}}}
    arguments, value = activity.run_activity(provider)["stdout"].splitlines()
    assert value == "•••"
    assert "•••" not in arguments
    assert "token" not in os.environ


@pytest.mark.parametrize("kind", ["python", "process"])
def test_what_hangs_dies_with_the_process_group(extension: str, tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "marker"
    provider = {
        "python": python(extension, "hang", arguments={"marker": str(marker)}),
        "process": {
            "type": "process",
            "path": "sh",
            "arguments": ["-c", f"trap '' TERM; sleep 300 & echo $$ $! > {marker}; wait"],
        },
    }[kind]
    code = f"from gameday.faults.activity import run_activity; run_activity({provider!r})"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    worker = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        pids = [int(pid) for pid in wait_until(lambda: marker.exists() and marker.read_text().split(), "it to hang")]
        assert all(os.getpgid(pid) == worker.pid for pid in pids)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not any(_alive(pid) for pid in pids), "its children to be gone")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- planning ---------------------------------------------------------------------------------------------------------


def target(**names: str) -> dict[str, Any]:
    return TargetInfo(name="t", kind="other", environment="lab", names=names).to_json()


def planned(params: dict[str, Any], **names: str) -> Plan:
    return Plan.from_json(plan("activity", target(**names), params, context()))


@pytest.mark.proves("activity", "other")
def test_the_whole_life_of_an_activity_fault(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    exists = {"process": {"command": ["test", "-e", str(flag)]}}
    fault = planned(
        {
            "activity": {"type": "process", "path": "touch", "arguments": ["${flag}"], "timeout": "7s"},
            "undo": {"type": "process", "path": "rm", "arguments": ["-f", "${flag}"]},
            "effective": {**exists, "expect": {"equals": 0}},
            "recovered": {**exists, "expect": {"equals": 1}},
        },
        flag=str(flag),
    )
    assert (fault.summary, fault.objects, fault.inject.timeout) == ("touch", ("activity:f1",), 7.0)
    run(fault.undo)
    assert not run(fault.effective)["holds"]
    run(fault.inject)
    assert flag.exists()
    assert run(fault.effective)["holds"]
    assert not run(fault.recovered)["holds"]
    run(fault.undo)
    run(fault.undo)
    assert not flag.exists()
    assert run(fault.recovered)["holds"]
    flag.touch()
    subprocess.run(fault.commands[0], shell=True, check=True)
    assert not flag.exists()


def test_a_one_shot_activity_has_no_undo() -> None:
    fault = planned({"activity": {"type": "process", "path": "true"}, "one_shot": True})
    assert (fault.undo, fault.effective, fault.recovered, fault.commands) == (None, None, None, ())


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ({"type": "python", "module": "no_such_module", "func": "f"}, "no Python module 'no_such_module'"),
        ({"type": "python", "module": "os"}, "needs 'func'"),
        ({"type": "process", "path": "no-such-program"}, "no program 'no-such-program'"),
        ({"type": "http", "url": "${nowhere}/x"}, r"publishes no \$\{nowhere\}"),
        ({"type": "grpc"}, "not 'grpc'"),
        ({"type": "process", "path": "true", "timeout": 0}, "above zero"),
        ({"type": "process", "path": "true", "timeout": "soon"}, "is not a duration"),
        ({"type": "python", "module": "os", "func": "getpid", "secrets": {"a": "abc"}}, "must say where it is"),
    ],
)
def test_what_cannot_run_is_refused_in_the_plan(provider: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        planned({"activity": provider, "one_shot": True})
    with pytest.raises(ValueError, match=said):
        planned({"activity": {"type": "process", "path": "true"}, "undo": provider})


def test_an_activity_without_an_undo_is_refused() -> None:
    with pytest.raises(ValueError, match="f1: an activity needs an undo"):
        planned({"activity": {"type": "process", "path": "true"}})


def test_planning_runs_nothing_of_the_activity(extension: str) -> None:
    planned({"activity": python(extension, "greet"), "undo": python(extension, "greet")})
    assert extension not in sys.modules


def test_undo_by_hand_in_words_of_the_shell(server: str) -> None:
    header = {"Content-Type": "application/json", "Authorization": {"env": "TOKEN"}}
    provider = {"type": "http", "url": "${api}/x", "method": "POST", "arguments": {"on": True}, "headers": header}
    line = by_hand(provider, {"api": server})
    subprocess.run(line, shell=True, check=True, capture_output=True, env={**os.environ, "TOKEN": "t"})
    assert (asked[-1]["method"], asked[-1]["path"], json.loads(asked[-1]["body"])) == ("POST", "/x", {"on": True})
    line = by_hand({"type": "http", "url": server, "arguments": {"q": "a b"}}, {})
    subprocess.run(line, shell=True, check=True, capture_output=True)
    assert (asked[-1]["method"], asked[-1]["path"]) == ("GET", "/?q=a+b")
    line = by_hand(python("json", "dumps", arguments={"obj": [1]}), {})
    assert subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout == "[1]\n"
    assert by_hand({"type": "process", "path": "kubectl", "arguments": {"--n": "x"}}, {}) == "kubectl --n x"


@pytest.mark.parametrize(
    "text", ["plain", "two words", "it's", "it's $HOME", 'say "it\'s `me`\\"', "it's it!", "'$(no)'", ""]
)
def test_a_word_of_a_shell_line_stays_what_it_is(text: str) -> None:
    arguments = {"obj": {"text": text, "list": [text, 1, None, True]}}
    line = by_hand(python("json", "dumps", arguments=arguments), {})
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == arguments["obj"]
    url = by_hand({"type": "http", "url": f"http://x/?q={text}"}, {})
    assert shell_words(url)[-1] == f"http://x/?q={text}"


def test_a_shell_line_can_be_read() -> None:
    provider = python("chaosk8s.pod.actions", "terminate_pods", arguments={"ns": "shop", "qty": 1})
    line = "-c 'from chaosk8s.pod.actions import terminate_pods; print(terminate_pods(ns=\"shop\", qty=1))'"
    assert by_hand(provider, {}) == f"{sys.executable} {line}", "where its extension is"
    assert in_words(provider, {}) == 'chaosk8s.pod.actions.terminate_pods(ns="shop", qty=1)'
    assert 'f(**{"a-b": 1})' in by_hand(python("m", "f", arguments={"a-b": 1}), {})
    assert by_hand({"type": "http", "url": "http://x/?q=it's"}, {}).endswith('GET "http://x/?q=it\'s"')


def test_the_plan_says_what_this_very_activity_is_undone_and_verified_by() -> None:
    probe = {"type": "http", "url": "http://x/"}
    checked = {"name": "callers fail", "http": {"url": "http://x/"}, "expect": {"status": 502}}
    plan = planned({"activity": probe, "undo": {**probe, "method": "DELETE"}, "effective": checked})
    assert plan.undone_by == "curl -sS --fail -X DELETE http://x/"
    assert plan.effective_when == "the entry's `effective` check (callers fail) holds"
    assert plan.recovered_when == "the undo has succeeded: no `recovered` check says how to verify it"


def test_undo_by_hand_reads_secrets_from_where_they_are(tmp_path: Path) -> None:
    token = tmp_path / "a token"
    token.write_text("from $file")
    provider = {
        "type": "http",
        "url": "http://x/${key}?q=$(no)",
        "headers": {"Authorization": {"env": "A_SECRET"}, "X-Token": {"file": str(token)}, "Plain": 'it\'s "$HOME"'},
        "secrets": {"key": {"env": "A_KEY"}},
    }
    words = shell_words(by_hand(provider, {}), A_SECRET='s"e$c', A_KEY="k&y")
    assert {'Authorization: s"e$c', "X-Token: from $file", 'Plain: it\'s "$HOME"', "http://x/k&y?q=$(no)"} <= set(words)
    process = {"type": "process", "path": "env", "secrets": {"TOKEN": {"file": str(token)}, "KEY": {"env": "A_KEY"}}}
    lines = shell_words(by_hand(process, {}), A_KEY="k&y")
    assert {"TOKEN=from $file", "KEY=k&y"} <= set(lines)


def shell_words(line: str, **environment: str) -> list[str]:
    """What a shell makes of a line, `curl` printing its arguments."""
    script = f'curl() {{ printf "%s\\n" "$@"; }}\n{line}'
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


CONFIGURATION = {
    "n": {"type": "env", "key": "A_COUNT", "default": "2", "env_var_type": "int"},
    "off": {"type": "env", "key": "A_SWITCH", "default": "no", "env_var_type": "bool"},
    "share": {"type": "env", "key": "A_SHARE", "env_var_type": "float"},
    "tags": {"team": "shop", "tiers": [1, 2]},
    "settings": {"type": "env", "key": "A_SETTING", "env_var_type": "json"},
    "place": {"type": "env", "key": "A_PLACE"},
    "name": 'it\'s "web"',
    "flag": True,
}
ARGUMENTS = {
    "count": "${n}",
    "off": "${off}",
    "share": "${share}",
    "tags": "${tags}",
    "settings": "${settings}",
    "flag": "${flag}",
    "list": ["${n}", {"place": "${place}"}],
    "text": "${n} of ${name} at ${place} for $$5, ${unknown}, $name",
    "token": "${token}",
}
VALUES = {"A_SHARE": "0.5", "A_PLACE": "a 'place' & $HOME", "A_TOKEN": "s\"e'c$r`t", "A_SETTING": '{"deep": [true]}'}


@pytest.mark.parametrize("count", [None, "7"])
def test_what_is_pasted_does_just_what_the_real_call_does(
    extension: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: str | None
) -> None:
    """With the same values of the same types: a number became a text, false a text that is true, and $$ stayed."""
    for name, value in {**VALUES, **({"A_COUNT": count} if count else {})}.items():
        monkeypatch.setenv(name, value)
    secrets = {"group": {"token": {"env": "A_TOKEN"}}}
    provider = python(extension, "record", arguments={"obj": ARGUMENTS}, configuration=CONFIGURATION, secrets=secrets)
    undo = planned({"activity": provider, "undo": provider}).commands[0]
    activity.run_activity(provider)
    told = tmp_path / "recorded"
    real = json.loads(told.read_text())
    assert real["obj"]["count"] == int(count or 2) and real["obj"]["off"] is False and real["obj"]["flag"] is True
    assert real["secrets"] == {"token": VALUES["A_TOKEN"]} and real["configuration"]["share"] == 0.5
    told.unlink()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run(["bash", "-c", undo], check=True, capture_output=True, env=environment)
    assert json.loads(told.read_text()) == real
    assert not any(value in undo for name, value in VALUES.items() if name in ("A_TOKEN", "A_PLACE"))
    told.unlink()
    # Where a variable is not there it says which, and does nothing.
    del environment["A_TOKEN"]
    done = subprocess.run(["bash", "-c", undo], capture_output=True, text=True, env=environment)
    assert done.returncode != 0 and "A_TOKEN" in done.stderr and not told.exists()


def test_what_is_pasted_of_a_process_and_of_a_request_is_what_they_get(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    told = tmp_path / "told"
    script = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2:], os.environ['token']]))"
    words = [str(told), "--n", "${n}", "${off}", "a ${place}", "$$5", "${unknown}"]
    provider = {"type": "process", "path": sys.executable, "arguments": ["-c", script, *words]}
    provider |= {"configuration": CONFIGURATION, "secrets": {"token": {"env": "A_TOKEN"}}}
    activity.run_activity(provider)
    real = json.loads(told.read_text())
    assert real[0] == ["--n", "2", "False", f"a {VALUES['A_PLACE']}", "$5", "${unknown}"]
    told.unlink()
    line = by_hand(provider, {})
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    assert json.loads(told.read_text()) == real and VALUES["A_TOKEN"] not in line
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "A_PLACE": "", "A_TOKEN": ""}
    )
    assert done.returncode == 0, "empty is not unset"
    monkeypatch.delenv("A_TOKEN")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode != 0 and "A_TOKEN" in done.stderr

    monkeypatch.setenv("A_TOKEN", VALUES["A_TOKEN"])
    body = {"replicas": "${n}", "off": "${off}", "tags": "${tags}"}
    request = {"type": "http", "url": f"{server}/x/${{n}}", "method": "PATCH", "arguments": body}
    request |= {"headers": {"Content-Type": "application/json"}, "configuration": CONFIGURATION}
    line = by_hand(request, {})
    subprocess.run(["bash", "-c", line.replace("-X PATCH", "-X POST")], check=True, capture_output=True)
    assert asked[-1]["path"] == "/x/2"
    assert json.loads(asked[-1]["body"]) == {"replicas": 2, "off": False, "tags": CONFIGURATION["tags"]}


def test_a_plan_says_what_is_touched_and_put_back_with_its_values_and_without_secrets(
    extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter2")
    provider = python(extension, "greet", arguments={"name": "${n}"}, configuration={"n": CONFIGURATION["n"]})
    kubectl = {"type": "process", "path": "echo", "arguments": ["scale", "--token", "${t}", "--replicas=${n}"]}
    kubectl["configuration"] = {**provider["configuration"], "t": {"type": "env", "key": "A_TOKEN"}}
    plan = planned({"activity": provider, "undo": [provider, kubectl]})
    call = 'a_chaos_extension.greet(name=2, configuration={"n": 2})'
    assert plan.targets == (call,)
    assert plan.undone_by == f'{call}, then echo scale --token "${{A_TOKEN?}}" --replicas=2'
    assert "hunter2" not in json.dumps(plan.to_json())
