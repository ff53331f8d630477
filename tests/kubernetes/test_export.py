"""Portable faults, exported as activities of chaosk8s: valid, and really run by `chaos` on a cluster, and undone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.interchange.chaostoolkit.exporting import exported
from gameday.interchange.chaostoolkit.portable import CantExport
from gameday.interchange.files import from_chaostoolkit
from gameday.interchange.losses import Losses
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.runs import Place

from .targets import place_of, target_of

Json = dict[str, Any]

WEB = {"web": {"workload": "deployment/web"}, "bank": {"workload": "deployment/bank"}}
CHAOS = [sys.executable, "-c", "from chaostoolkit.cli import cli; cli()", "--log-file", "chaos.log"]


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    made = place_of(tmp_path, cluster, WEB, "")
    made.extra["KUBECONFIG"] = str(elsewhere_by_default(cluster, tmp_path))
    yield made
    made.clean_up()


def elsewhere_by_default(cluster: Cluster, folder: Path) -> Path:
    """The cluster's kubeconfig, of which another context is the current one, where nobody listens."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    found["clusters"].append({"name": "elsewhere", "cluster": {"server": "http://127.0.0.1:1"}})
    context = {"cluster": "elsewhere", "user": found["users"][0]["name"]}
    found["contexts"].append({"name": "elsewhere", "context": context})
    found["current-context"] = "elsewhere"
    (folder / "elsewhere").write_text(json.dumps(found))
    return folder / "elsewhere"


def entries(place: Place, *timeline: Json) -> None:
    condition = {"name": "x", "tcp": {"address": "127.0.0.1:1"}, "equals": True}
    document = {"version": 1, "title": "Exported", "target": "staging", "timeline": list(timeline)}
    document |= {"abort_when": [condition]}
    place.write("scenario.yaml", json.dumps(document))


def export(place: Place) -> tuple[Json, str]:
    """The experiment, which Chaos Toolkit takes for valid and `import` for a scenario, and what was said."""
    (place.folder / "experiment.json").unlink(missing_ok=True)
    done = place.call("export", "scenario.yaml", "--to", "chaostoolkit", "--output", "experiment.json")
    assert done.returncode == 1, done.stderr
    valid = subprocess.run(
        [*CHAOS, "validate", "experiment.json"],
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert valid.returncode == 0, valid.stderr
    content = (place.folder / "experiment.json").read_bytes()
    text, _ = from_chaostoolkit(content, content.decode(), "experiment.json")
    assert yaml.safe_load(text)["imported"] == "chaostoolkit"
    return json.loads(content), done.stderr


def chaos(place: Place) -> subprocess.Popen[bytes]:
    """`chaos run`, with no more said than that."""
    with (place.folder / "err").open("wb") as err:
        return subprocess.Popen(
            [*CHAOS, "run", "experiment.json"],
            cwd=place.folder,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=err,
            stderr=err,
        )


def ended(place: Place, run: subprocess.Popen[bytes]) -> Json:
    """Its journal."""
    assert run.wait(60) == 0, place.said()
    found: Json = json.loads((place.folder / "journal.json").read_text())
    return found


def uids(cluster: Cluster, selector: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods(selector)}


def test_what_is_exported_is_run_by_chaos_and_undone(cluster: Cluster, place: Place) -> None:
    cluster.deployment("web", 2)
    cluster.deployment("bank", 2)
    node = cluster.pods("app=web")[0]["spec"]["nodeName"]
    entries(
        place,
        {"id": "kill", "at": "0s", "fault": "pod-kill", "with": {"service": "web", "grace": "0s"}},
        {
            "id": "dark",
            "at": "1s",
            "fault": "dependency-outage",
            "with": {"service": "bank", "by": "scale"},
            "for": "2s",
        },
        {"id": "cut", "after": "dark", "fault": "network-partition", "with": {"service": "web"}, "for": "1s"},
        {"id": "full", "after": "cut", "fault": "node-cordon", "with": {"node": node}, "for": "500ms"},
    )
    _, said = export(place)
    for lost in ("claim", "protection", "limits", "undo", "verification"):
        assert f"target staging: {lost}: not carried over" in said, said
    assert "kill (pod-kill): preconditions: not carried over" in said
    assert "abort_when[1] (x): not carried over" in said and f"set KUBECONFIG={cluster.kubeconfig}" in said
    before = uids(cluster, "app=web")
    run = chaos(place)
    cluster.until(lambda: len(uids(cluster, "app=web") & before) == 1, 20, "one pod of web is killed")
    cluster.until(lambda: not cluster.pods("app=bank"), 20, "bank has no pod")
    policy = cluster.until(lambda: cluster.list("NetworkPolicy"), 20, "a policy")[0]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and not policy.get("ingress")
    cluster.until(lambda: cluster.get("Node", node, "")["spec"].get("unschedulable"), 20, "a cordoned node")  # type: ignore[index]
    journal = ended(place, run)
    assert journal["status"] == "completed" and not journal["deviated"], place.said()
    assert [(each["activity"]["name"], each["status"]) for each in journal["run"]] == [
        (name, "succeeded") for name in ("kill", "dark", "undo dark", "cut", "undo cut", "full", "undo full")
    ]
    # What had been taken back by then, and may not be taken back again.
    assert [(each["activity"]["name"], each["status"]) for each in journal["rollbacks"]] == [
        ("undo full", "succeeded"),
        ("undo cut", "failed"),
        ("undo dark", "failed"),
    ]
    assert not cluster.list("NetworkPolicy")
    assert not cluster.get("Node", node, "")["spec"].get("unschedulable")  # type: ignore[index]
    cluster.whole("bank", timeout=30)
    assert len(cluster.pods("app=bank")) == 2


def test_a_number_of_replicas_that_has_changed_since_is_left_alone(cluster: Cluster, place: Place) -> None:
    cluster.deployment("bank", 2)
    outage = {"service": "bank", "by": "scale"}
    entries(place, {"id": "dark", "at": "0s", "fault": "dependency-outage", "with": outage, "for": "1s"})
    _, said = export(place)
    assert "dark (dependency-outage): replicas: from 2" in said
    cluster.patch("Deployment", "bank", {"spec": {"replicas": 3}})
    cluster.whole("bank", timeout=30)
    journal = ended(place, chaos(place))
    assert not journal["steady_states"]["before"]["steady_state_met"] and not journal["run"]
    assert [each["status"] for each in journal["rollbacks"]] == ["failed"], "played, and refused by the API server"
    found = cluster.get("Deployment", "bank")
    assert found is not None and found["spec"]["replicas"] == 3


def test_an_outage_that_is_interrupted_is_undone_by_its_rollback(cluster: Cluster, place: Place) -> None:
    cluster.deployment("bank", 2, kind="StatefulSet")
    settings = (place.folder / "gameday.toml").read_text()
    place.write("gameday.toml", settings.replace("deployment/bank", "statefulset/bank"))
    outage = {"service": "bank", "by": "scale"}
    entries(place, {"id": "dark", "at": "0s", "fault": "dependency-outage", "with": outage, "for": "10m"})
    export(place)
    run = chaos(place)
    cluster.until(lambda: not cluster.pods("app=bank"), 20, "bank has no pod")
    run.terminate()
    run.wait(60)
    cluster.whole("bank", kind="StatefulSet", timeout=30)


def test_protected_pods_and_such_as_have_not_opted_in_are_left_out(cluster: Cluster, place: Place) -> None:
    front, willing = {"tier": "front"}, {"gameday.dev/enabled": "true"}
    cluster.deployment("web", 2, front, pod_labels=willing)
    cluster.deployment("safe", 1, front, pod_labels={**willing, "gameday.dev/protected": "true"})
    cluster.deployment("other", 1, front)
    settings = (
        (place.folder / "gameday.toml")
        .read_text()
        .replace("[targets.staging]", "[targets.staging]\nopt_in = 'gameday.dev/enabled=true'")
    )
    place.write("gameday.toml", settings.replace('workload = "deployment/web"', 'selector = "tier=front"'))
    entries(place, {"at": "0s", "fault": "pod-kill", "with": {"service": "web", "all": True, "grace": "0s"}})
    export(place)
    before = {name: uids(cluster, f"app={name}") for name in ("web", "safe", "other")}
    ended(place, chaos(place))
    assert not uids(cluster, "app=web") & before["web"]
    assert (uids(cluster, "app=safe"), uids(cluster, "app=other")) == (before["safe"], before["other"])


# --- without a cluster -----------------------------------------------------------------------------------------------

SELECTED = {
    "web": {"selector": "app=web"},
    "bank": {"workload": "deployment/bank", "selector": "app=bank", "service": "bank"},
    "mail": {"external": ["mail.example.com"]},
    "cart": {"workload": "deployment/cart"},
}
PROTECTED = (
    "gameday.dev/protected notin (true,True,TRUE),app.kubernetes.io/managed-by notin (gameday),"
    "app.kubernetes.io/name notin (gameday)"
)


KILL = {"fault": "pod-kill", "with": {"service": "web"}}


class Nowhere:
    """A cluster that nobody can reach."""

    namespace = "shop"
    kubeconfig = Path("/nowhere/config")
    context = "staging"


def made(entry: Json, engines: tuple[str, ...] = ("api",), **limits: Any) -> tuple[Json, list[str]]:
    """The experiment of one fault, made where the cluster can't be reached, and what was said."""
    entry = {"id": "it", "at": "1s", **entry}
    document = {"version": 1, "title": "t", "timeline": [entry], **({"limits": limits} if limits else {})}
    target = target_of(Nowhere(), SELECTED, engines=list(engines))  # type: ignore[arg-type]
    losses = Losses()
    return exported(document, target, losses), [str(loss) for loss in losses]


@pytest.mark.parametrize(
    ("params", "arguments"),
    [
        ({}, {"qty": 1, "rand": True}),
        ({"count": 2, "grace": "2s"}, {"qty": 2, "rand": True, "grace_period": 2}),
        ({"percent": 30}, {"mode": "percentage", "qty": 30, "rand": True}),
        ({"all": True, "grace": "0s"}, {"all": True, "grace_period": 0}),
        ({"instance": "web-7d.x"}, {"name_pattern": r"^web\-7d\.x\Z", "qty": 1}),
    ],
)
def test_which_pods_are_killed_and_how(params: Json, arguments: Json) -> None:
    experiment, _ = made({"fault": "pod-kill", "with": {"service": "web", **params}})
    (kill,) = experiment["method"]
    assert kill["provider"]["arguments"] == {
        "ns": "shop",
        "label_selector": f"app in (web),{PROTECTED}",
        **arguments,
    }
    assert experiment["secrets"][kill["provider"]["secrets"][0]] == {"KUBERNETES_CONTEXT": "staging"}
    assert experiment["rollbacks"] == []


def test_what_repeats_is_repeated_in_the_method() -> None:
    experiment, _ = made({"fault": "pod-kill", "with": {"service": "web", "every": "30s"}, "for": "90s"})
    assert [each.get("pauses") for each in experiment["method"]] == [{"before": 1}, {"before": 30}, {"before": 30}]


@pytest.mark.parametrize(("direction", "kinds"), [("in", ["Ingress"]), ("both", ["Ingress", "Egress"])])
def test_a_policy_of_its_own_selects_the_service_but_nothing_protected(direction: str, kinds: list[str]) -> None:
    cut = {"fault": "network-partition", "with": {"service": "web", "direction": direction}, "for": "1m"}
    experiment, _ = made(cut)
    create, remove = (each["provider"]["arguments"] for each in experiment["method"])
    assert (create["spec"]["metadata"]["name"], create["ns"]) == (remove["name"], remove["ns"])
    assert create["spec"]["spec"]["policyTypes"] == kinds
    selected = create["spec"]["spec"]["podSelector"]["matchExpressions"]
    assert {"key": "app", "operator": "In", "values": ["web"]} in selected
    assert {"key": "gameday.dev/protected", "operator": "NotIn", "values": ["true", "True", "TRUE"]} in selected
    other, _ = made({**cut, "at": "2s"})
    assert other["rollbacks"][0]["provider"]["arguments"]["name"] != remove["name"], "each experiment has its own"


@pytest.mark.parametrize(
    ("fault", "params", "why"),
    [
        ("latency", {"service": "web", "delay": "1s"}, "chaosk8s has no action that does it"),
        ("rollout-break", {"service": "cart", "image": "x"}, "chaosk8s has no action that does it"),
        ("pod-kill", {"service": "web", "evict": True}, "asks no PodDisruptionBudget: leave evict away"),
        ("pod-kill", {"service": "web", "count": 3}, "3 pods asked for, and limits.pods allows 2"),
        ("pod-kill", {"service": "web", "percent": 50}, "limits.percent allows 20 %"),
        ("pod-kill", {"service": "cart"}, 'write selector = "app=…" under [targets.staging.services.cart]'),
        ("node-cordon", {"service": "web"}, "write node: with the one that is meant"),
        ("dependency-outage", {"service": "bank"}, "write by: scale or by: policy"),
        ("dependency-outage", {"service": "bank", "by": "scale"}, "the cluster has to be asked how many replicas"),
        ("dependency-outage", {"service": "mail"}, "mail is outside of the cluster"),
        ("network-partition", {"service": "web", "from": "bank"}, "a policy that keeps bank out lets all others in"),
        ("network-partition", {"service": "web", "count": 1}, "count and percent need Chaos Mesh"),
        ("network-partition", {"service": "mail"}, "outside of the cluster"),
    ],
)
def test_what_can_not_be_expressed_is_refused_with_the_fault_and_the_reason(fault: str, params: Json, why: str) -> None:
    entry = {"fault": fault, "with": params, **({} if fault == "pod-kill" else {"for": "1m"})}
    with pytest.raises(CantExport) as refused:
        made(entry, pods=2, percent=20)
    assert str(refused.value).startswith(f"it ({fault}): ") and why in str(refused.value), refused.value


def test_what_waits_for_people_is_left_out_and_needs_no_way_of_doing_it() -> None:
    slow = {"fault": "latency", "with": {"service": "web", "delay": "1s"}, "for": "1m", "manual": True}
    document = {"version": 1, "title": "t", "timeline": [{"id": "it", "at": "0s", **KILL}, {"id": "slow", **slow}]}
    losses = Losses()
    experiment = exported(document, target_of(Nowhere(), SELECTED), losses)  # type: ignore[arg-type]
    assert [each["name"] for each in experiment["method"]] == ["it"]
    assert any(str(loss).startswith("fault slow: not carried over: it waits for people") for loss in losses)


def test_a_target_that_leaves_the_plain_api_out_is_heeded() -> None:
    with pytest.raises(CantExport, match="the target leaves it to chaos-mesh"):
        made(KILL, engines=("chaos-mesh",))
    _, said = made(KILL, engines=("chaos-mesh", "api"))
    assert any("the target's first choice is chaos-mesh" in line for line in said)


@pytest.mark.double
def test_the_cluster_is_only_read(cluster: DoubleCluster, place: Place) -> None:
    cluster.deployment("web", 1)
    cluster.deployment("bank", 1)
    entries(
        place,
        {"at": "0s", "fault": "pod-kill", "with": {"service": "web"}},
        {"at": "1s", "fault": "dependency-outage", "with": {"service": "bank", "by": "scale"}, "for": "1s"},
    )
    cluster.forget_requests()
    export(place)
    assert {one.verb for one in cluster.requests} <= {"get", "list", ""}, cluster.requests
