"""Activities on a cluster reach that of their target, whichever context is current: chaosk8s, programs, probes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from gameday.cluster.lending import kubeconfig_of
from gameday.engine.ports import Plan
from gameday.errors import TargetError
from gameday.faults import activity, dynamic
from gameday.faults.chaostoolkit import ActivityFailed
from gameday.faults.own_ways import strays
from gameday.faults.planning import plan
from gameday.probes.sync import ask
from tests.support.kubernetes.cluster import Cluster
from tests.support.runs import Place

from .targets import CONTEXT, place_of, target_of, where

Json = dict[str, Any]

TELL = (
    "import json, os; found = json.load(open(os.environ['KUBECONFIG'])); "
    "print(found['current-context'], *[one['name'] for one in found['contexts']], os.environ['KUBERNETES_CONTEXT'])"
)
"""What a program finds."""

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


class Prod:
    """What calls itself the cluster that is current, and counts who comes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(f"{self.command} {self.path}")
                self.send_response(500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PATCH = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prod() -> Iterator[Prod]:
    made = Prod()
    yield made
    made.close()


@pytest.fixture
def two(cluster: Cluster, prod: Prod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, by a kubeconfig in which another one is current; everybody's default."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    found["clusters"].append({"name": "prod", "cluster": {"server": prod.url}})
    found["contexts"].append({"name": "prod", "context": {"cluster": "prod", "user": found["users"][0]["name"]}})
    found["current-context"] = "prod"
    cluster.kubeconfig = tmp_path / "two.kubeconfig"
    cluster.kubeconfig.write_text(json.dumps(found))
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "prod")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(cluster.kubeconfig))
    return cluster


def scaled(cluster: Cluster, replicas: int, **more: Any) -> Json:
    arguments = {"name": "web", "replicas": replicas, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments, "timeout": "20s", **more}


def program(script: str) -> Json:
    return {"type": "process", "path": sys.executable, "arguments": ["-c", script]}


def planned(cluster: Cluster, provider: Json, undo: Any = None) -> Plan:
    params = {"activity": provider, **({"undo": undo} if undo else {"one_shot": True})}
    return Plan.from_json(plan("activity", target_of(cluster, {}), params, CONTEXT))


def replicas(cluster: Cluster) -> int:
    return int(cluster.get("Deployment", "web")["spec"]["replicas"])


def test_a_function_and_its_undo_reach_the_target_and_not_what_is_current(two: Cluster, prod: Prod) -> None:
    two.deployment("web", 2)
    made = planned(two, scaled(two, 1), [scaled(two, 2), program(TELL)])
    assert made.undo is not None
    activity.run_activity(**made.inject.args)
    assert replicas(two) == 1
    # As it is after a crash: from the journal.
    kept = json.loads(json.dumps(made.undo.args))
    activity.prepare_undo_all(**kept)
    _, said = activity.undo_all(**kept)
    assert replicas(two) == 2
    assert said["stdout"].split() == [two.context] * 3
    assert prod.asked == []


def test_what_a_person_pastes_reaches_the_target(two: Cluster, prod: Prod, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl here")
    look = {
        "type": "process",
        "path": "sh",
        "arguments": ["-c", "echo $KUBERNETES_CONTEXT; grep current-context $KUBECONFIG"],
    }
    line = planned(two, look, look).commands[0]
    done = subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.split() == [two.context, "current-context:", two.context], done


def test_what_a_person_pastes_of_a_function_does_what_the_function_would(
    two: Cluster, prod: Prod, tmp_path: Path
) -> None:
    """Its numbers are numbers (an API server takes no "2"), and it is run where its extension is."""
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl here")
    two.deployment("web", 1)
    configuration = {"n": {"type": "env", "key": "REPL", "default": "2", "env_var_type": "int"}}
    arguments = {"name": "web", "replicas": "${n}", "ns": two.namespace}
    undo = {**scaled(two, 2), "arguments": arguments, "configuration": configuration}
    line = planned(two, scaled(two, 1), undo).commands[0]
    assert "replicas=2" in line
    # Without a home of its own kubectl would keep its cache wherever it is run.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(["sh", "-c", line], capture_output=True, check=True, env=environment)
    assert replicas(two) == 2 and prod.asked == []


def test_kubectl_reaches_the_target_and_finds_no_other_context(two: Cluster, prod: Prod) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here")
    view = {"type": "process", "path": kubectl, "arguments": ["config", "current-context"]}
    said = activity.run_activity(**planned(two, view).inject.args)
    assert said["stdout"].split() == [two.context]
    view["arguments"] = ["--context", "prod", "get", "--raw", "/version"]
    with pytest.raises(ActivityFailed, match="prod"):
        activity.run_activity(**planned(two, view).inject.args)
    assert prod.asked == []


def test_probes_of_both_kinds_and_dynamic_values_find_the_target(two: Cluster) -> None:
    target = target_of(two, {})
    words = [two.context] * 3
    answer = ask({"activity": program(TELL)}, target)
    assert answer["value"]["stdout"].split() == words
    answer = ask({"process": {"command": [sys.executable, "-c", TELL], "read": "stdout"}}, target)
    assert answer["value"].split() == words, answer
    values = dynamic.find({"way": {"type": "probe", "provider": program(TELL)}}, where(two))
    assert values["way"].split() == words


def test_a_context_of_its_own_reaches_nothing_whatever_it_is(two: Cluster, prod: Prod) -> None:
    two.deployment("web", 2)
    made = planned(two, scaled(two, 1, secrets={"k8s": {"KUBERNETES_CONTEXT": "prod"}}))
    with pytest.raises(ActivityFailed, match="prod"):
        activity.run_activity(**made.inject.args)
    made = planned(two, scaled(two, 1, secrets={"k8s": {"KUBERNETES_CONTEXT": two.context}}))
    activity.run_activity(**made.inject.args)
    assert replicas(two) == 1 and prod.asked == []


def test_a_kubeconfig_that_is_gone_or_leads_elsewhere_is_not_replaced_by_another(
    two: Cluster, prod: Prod, tmp_path: Path
) -> None:
    moved = planned(two, scaled(two, 1)).inject.args
    moved["cluster"] = {**moved["cluster"], "server": "https://192.0.2.1:6443"}
    with pytest.raises(ActivityFailed, match=r"leads to .* now; it was https://192\.0\.2\.1:6443"):
        activity.run_activity(**moved)
    gone = planned(two, program(TELL)).inject.args
    gone["cluster"] = {**gone["cluster"], "kubeconfig": str(tmp_path / "gone")}
    # An undo that has nothing to do with the cluster is not to fail for this; it would find nothing there.
    assert activity.undo(**gone)["stdout"].split() == [two.context] * 3
    with pytest.raises(ActivityFailed, match="gone"):
        activity.undo(**{**gone, "provider": scaled(two, 1)})
    assert prod.asked == []


def test_paths_in_a_kubeconfig_are_from_where_it_lies_and_of_several_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first, second = tmp_path / "one" / "config", tmp_path / "config"
    user = {"client-key": "me.key", "exec": {"command": "./login", "apiVersion": "v1"}}
    first.write_text(json.dumps({"users": [{"name": "me", "user": user}]}))
    second.write_text(
        json.dumps(
            {
                "users": [{"name": "me", "user": {"token": "x"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1", "certificate-authority": "ca"}}],
                "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "me", "namespace": "shop"}}],
            }
        )
    )
    found = kubeconfig_of({"kubeconfig": f"{first}:{second}", "context": "lab", "in_cluster": False})
    assert found["current-context"] == "lab" and len(found["contexts"]) == 1
    assert found["contexts"][0]["context"]["namespace"] == "shop"
    assert found["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca")
    mine = found["users"][0]["user"]
    assert mine["client-key"] == str(tmp_path / "one" / "me.key")
    assert mine["exec"]["command"] == str(tmp_path / "one" / "login")
    with pytest.raises(TargetError, match="has no context 'other'"):
        kubeconfig_of({"kubeconfig": str(second), "context": "other", "in_cluster": False})


def test_in_a_pod_it_is_the_service_account_also_where_there_is_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("token", "t0ken"), ("ca.crt", "a certificate"), ("namespace", "gameday")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.7")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "config").write_text(json.dumps({"current-context": "prod"}))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    pod = {"in_cluster": True, "context": None, "kubeconfig": None, "server": "https://192.0.2.7:443"}
    found = activity.run_activity(program("import os; print(open(os.environ['KUBECONFIG']).read())"), cluster=pod)
    made = json.loads(found["stdout"])
    assert made["clusters"][0]["cluster"]["server"] == "https://192.0.2.7:443"
    assert made["users"][0]["user"] == {"tokenFile": str(tmp_path / "token"), "token": "t0ken"}
    assert made["contexts"][0]["context"]["namespace"] == "gameday"


def test_options_of_clients_are_read_with_what_is_known_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "lab")
    lab = {"in_cluster": False, "context": "lab", "server": "https://192.0.2.1"}

    def told(arguments: Any, **configuration: Any) -> list[str]:
        given = {"type": "process", "path": "kubectl", "arguments": arguments, "configuration": configuration}
        return list(strays(given, lab))

    by_env = {"type": "env", "key": "WHERE"}
    assert not told("--context ${there} get pods", there="lab") and not told(["--context=$there"], there=by_env)
    assert told("--context ${there} get pods", there="prod") and told("--context ${there} get pods")
    assert (
        told({"--kubeconfig": "/x"}) and told(["-n", "a", "--server", "https://192.0.2.9"]) and not told(["get", "po"])
    )
    assert not list(strays({"type": "process", "path": "docker", "arguments": "--context away ps"}, lab))
    hosted = {"type": "python", "secrets": {"k8s": {"KUBERNETES_HOST": {"env": "WHERE"}}}}
    assert list(strays(hosted, lab)) == ["KUBERNETES_HOST among its secrets names the address lab"]


@pytest.fixture
def place(two: Cluster, tmp_path: Path) -> Iterator[Place]:
    made = place_of(tmp_path, two, {}, "")
    made.write("gameday.toml", (tmp_path / "gameday.toml").read_text() + "[policy]\nallow_process = true\n")
    made.extra |= {"KUBECONFIG": str(two.kubeconfig), "OTHER": "prod"}
    yield made
    made.clean_up()


def experiment(cluster: Cluster, secrets: Json, *more: Json) -> str:
    action = {"type": "action", "name": "smaller", "provider": {**scaled(cluster, 1), "secrets": list(secrets)}}
    action["provider"].pop("timeout")
    undo = {"type": "action", "name": "back", "provider": {**action["provider"]}}
    undo["provider"]["arguments"] = {**undo["provider"]["arguments"], "replicas": 2}
    made = {
        "title": "Smaller",
        "description": "A test.",
        "secrets": secrets,
        "method": [action, *more],
        "rollbacks": [undo],
    }
    return json.dumps(made)


def test_an_experiment_that_says_nothing_is_run_on_the_target(place: Place, two: Cluster, prod: Prod) -> None:
    two.deployment("web", 2)
    place.write("k8s.json", experiment(two, {}))
    shown = place.call("preview", "k8s.json", "--target", "staging", "--no-abort-condition")
    said = " ".join(shown.stdout.split())
    assert f"whatever it asks of a cluster goes to context {two.context}" in said
    assert "limits, namespaces and protected objects bind no activity" in said
    done = place.call("run", "k8s.json", "--target", "staging", "--unattended", "--no-abort-condition")
    assert done.returncode == 0, done.stderr
    assert "smaller has RECOVERED" in done.stderr
    assert replicas(two) == 2 and prod.asked == []


def test_one_that_names_another_cluster_is_refused_before_anything_is_touched(
    place: Place, two: Cluster, prod: Prod
) -> None:
    two.deployment("web", 2)
    run = ("--target", "staging", "--no-abort-condition")
    words = "sh -c 'kubectl --context=prod get pods'"
    shell: Json = {"type": "action", "name": "shell", "provider": {"type": "process", "path": "env"}}
    shell["provider"]["arguments"] = words
    probe = {"type": "probe", "name": "see", "provider": {"type": "process", "path": "env", "arguments": ["kubectl"]}}
    probe["provider"]["arguments"] += ["--kubeconfig", "/elsewhere"]  # type: ignore[index]
    for secrets, more, why in (
        ({"k8s": {"KUBERNETES_CONTEXT": "prod"}}, [], "KUBERNETES_CONTEXT among its secrets names the context 'prod'"),
        ({"k8s": {"KUBERNETES_CONTEXT": {"type": "env", "key": "OTHER"}}}, [], "names the context 'prod'"),
        ({}, [shell], "--context prod stands among its arguments"),
        ({}, [probe], "--kubeconfig /elsewhere stands among its arguments"),
    ):
        place.write("k8s.json", experiment(two, secrets, *more))
        shown = place.call("preview", "k8s.json", *run)
        assert shown.returncode == 5 and why in " ".join(shown.stdout.split()), shown.stdout
        done = place.call("run", "k8s.json", *run, "--unattended")
        assert done.returncode == 5 and why in done.stderr, done.stderr
    assert replicas(two) == 2 and prod.asked == [] and not place.begun()
