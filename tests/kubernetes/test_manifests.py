"""The printed roles are what a scenario needs: it runs with them, and says which is missing."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cli.manifests import manifests
from gameday.cli.preflight import missing_evidence, missing_rights
from gameday.cli.recover_target import recover_target
from gameday.cluster import marks
from gameday.cluster.api import Api
from gameday.cluster.resources import DEPLOYMENTS
from gameday.errors import UsageError
from gameday.faults.catalogue import catalogue
from gameday.scenario.loading import load
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.resources import of_kind
from tests.support.runs import Place

from .targets import CONTEXT, place_of, target_of, where

Json = dict[str, Any]
Print = Callable[..., tuple[str, str]]

WEB = {"web": {"workload": "deployment/web", "service": "web"}}
KILL = "  - {at: 0s, fault: pod-kill, with: {service: web}}\n"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Print:
    """`gameday manifests` in this process: what it prints on stdout and on stderr."""

    def call(place: Place, *more: str) -> tuple[str, str]:
        capsys.readouterr()
        settings = ["--config", str(place.folder / "gameday.toml")]
        assert manifests.main([str(place.folder / "scenario.yaml"), *settings, *more], standalone_mode=False) == 0
        out, said = capsys.readouterr()
        return out, said

    return call


def documents(text: str) -> list[Json]:
    return list(yaml.safe_load_all(text))


def of(found: list[Json], kind: str) -> list[Json]:
    return [one for one in found if one["kind"] == kind]


class Account:
    """A service account that the manifests are about, applied, with a kubeconfig of its own."""

    def __init__(self, cluster: Cluster, text: str, folder: Path) -> None:
        self.cluster = cluster
        self.found = documents(text)
        for one in self.found:
            cluster.apply(one)
        self.kubeconfig = folder / "account.kubeconfig"
        self.token = self._token()
        self.kubeconfig.write_text(self._with(self.token))

    def _token(self) -> str:
        if isinstance(self.cluster, DoubleCluster):
            token = secrets.token_hex(8)
            self.cluster.rules(f"system:serviceaccount:{self.cluster.namespace}:gameday", [], token=token)
            return token
        path = self.cluster.path("ServiceAccount", "gameday", below="token")
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.cluster.ask("POST", path, asked)["status"]["token"])

    def _with(self, token: str) -> str:
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
        return json.dumps(config)

    @property
    def seen(self) -> Cluster:
        """The cluster as gameday is told of it: with this account."""
        seen = Cluster(self.kubeconfig, self.cluster.context, self.cluster.namespace, self.cluster.url)
        seen.image = self.cluster.image
        return seen

    def without(self) -> Iterator[str]:
        """Take each verb of each rule away in turn and put it back; yields the right in words."""
        for kind in ("Role", "ClusterRole"):
            for role in of(self.found, kind):
                for index, rule in enumerate(role["rules"]):
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            yield self._lacking(role, index, resource, verb)
                self.cluster.apply(role)

    def _lacking(self, role: Json, index: int, resource: str, verb: str) -> str:
        rule = role["rules"][index]
        others = [one for one in rule["resources"] if one != resource]
        left = [{**rule, "resources": [resource], "verbs": [one for one in rule["verbs"] if one != verb]}]
        left += [{**rule, "resources": others}] if others else []
        left = [one for one in left if one["verbs"]]
        self.cluster.apply({**role, "rules": [*role["rules"][:index], *left, *role["rules"][index + 1 :]]})
        (group,), (plural, slash, sub) = rule["apiGroups"], resource.partition("/")
        name = "".join(f" {one}" for one in rule.get("resourceNames", ()))
        space = role["metadata"].get("namespace")
        return f"{verb} {plural}{f'.{group}' if group else ''}{slash}{sub}{name}{f' in {space}' if space else ''}"


def missing(place: Place, target: Json) -> list[str]:
    """All that a preview says is not allowed, a right each."""
    scenario = load(place.folder / "scenario.yaml", catalogue=catalogue()).scenario
    found = []
    for line in [*missing_rights(scenario, target), *missing_evidence(scenario, target)]:
        assert "does not let us: " in line and "`gameday manifests`" in line
        rights = line.partition("does not let us: ")[2].rpartition(" (`gameday")[0]
        found += [one.partition(" (")[0] for one in rights.split("; ")]
    return found


EVERYTHING = {
    "kill": "fault: pod-kill, with: {service: web}",
    "scale": "fault: dependency-outage, with: {service: web, by: scale}, for: 1s",
}


def known(entry: str) -> bool:
    """Whether the catalogue of this version can do it on the plain API."""
    asked = yaml.safe_load(f"{{{entry}}}")
    declared = catalogue().get(asked["fault"])
    return declared is not None and "kubernetes/api" in declared.backends


@pytest.mark.parametrize("what", [name for name, entry in EVERYTHING.items() if known(entry)])
def test_a_scenario_runs_to_its_end_with_these_rights_alone(
    cluster: Cluster, tmp_path: Path, printed: Print, what: str
) -> None:
    cluster.deployment("web", 3)
    timeline = f"  - {{at: 0s, {EVERYTHING[what]}}}\n"
    asked = place_of(tmp_path, cluster, WEB, timeline)
    account = Account(cluster, printed(asked, "--namespace", cluster.namespace)[0], tmp_path)
    place = place_of(tmp_path, account.seen, WEB, timeline)
    cluster.until(lambda: not missing(place, target_of(account.seen, WEB)), what="the roles are in force")
    if isinstance(cluster, DoubleCluster):
        cluster.forget_requests()
    done = place.call("run", "scenario.yaml", "--unattended", timeout=120)
    assert done.returncode == 0, done.stderr + place.said()
    assert "RECOVERED" in done.stderr
    assert "forbidden" not in done.stderr and "can't be renewed" not in done.stderr
    assert cluster.get("Lease", "gameday") is None, "the claim is given back"
    if isinstance(cluster, DoubleCluster):
        # Which cluster it is nobody has to be allowed to know.
        asked = [one.path for one in cluster.requests if one.status == 403]
        assert [path for path in asked if path != "/api/v1/namespaces/kube-system"] == []


def test_a_kubeconfig_that_is_not_there_is_named_once(cluster: Cluster, tmp_path: Path, printed: Print) -> None:
    nowhere = str(tmp_path / "nowhere")
    _, said = printed(place_of(tmp_path, cluster, WEB, KILL, kubeconfig=nowhere))
    assert said.count(nowhere) == 1 and said.count("which engines there are can't be asked") == 1, said


def test_without_any_one_right_exactly_that_is_said_to_be_missing(
    cluster: Cluster, tmp_path: Path, printed: Print
) -> None:
    cluster.deployment("web", 1)
    place = place_of(tmp_path, cluster, WEB, KILL)
    account = Account(cluster, printed(place, "--namespace", cluster.namespace)[0], tmp_path)
    target = target_of(account.seen, WEB)
    cluster.until(lambda: not missing(place, target), what="the roles are in force")
    taken = 0
    for right in account.without():
        taken += 1
        cluster.until(lambda wanted=right: missing(place, target) == [wanted], 5, f"without {right}")
    assert taken > 15


@pytest.mark.double
def test_a_right_that_is_missing_is_named_by_the_preview_and_refuses_a_run(
    cluster: DoubleCluster, tmp_path: Path, printed: Print
) -> None:
    cluster.deployment("web", 1)
    text, _ = printed(place_of(tmp_path, cluster, WEB, KILL), "--namespace", cluster.namespace)
    account = Account(cluster, text.replace("verbs: [delete, get, list, watch]", "verbs: [get, list]"), tmp_path)
    place = place_of(tmp_path, account.seen, WEB, KILL)
    shown = place.call("preview", "scenario.yaml", "--json")
    assert shown.returncode == 5
    said = json.loads(shown.stdout)
    assert [line for line in said["refusals"] if f"does not let us: delete pods in {cluster.namespace} (" in line]
    assert [line for line in said["warnings"] if f"does not let us: watch pods in {cluster.namespace} (" in line]
    refused = place.call("run", "scenario.yaml", "--unattended")
    assert refused.returncode == 5 and f"delete pods in {cluster.namespace}" in refused.stderr
    assert cluster.asked(verb="delete", resource="pods") == []


def every_engine() -> Iterator[Any]:
    for name, declared in catalogue().items():
        for engine in declared.engines("kubernetes"):
            yield pytest.param(name, engine, id=f"{name}-{engine}")


@pytest.mark.parametrize(("fault", "engine"), list(every_engine()))
def test_every_fault_by_every_engine_gets_all_that_it_says_it_needs(
    cluster: Cluster, tmp_path: Path, printed: Print, fault: str, engine: str
) -> None:
    entry = yaml.safe_load(catalogue()[fault].example)
    names = [entry["with"][key] for key in catalogue()[fault].services if key in entry["with"]]
    services = {
        name: {"workload": f"deployment/{name}", "service": name, "address": "http://127.0.0.1:1"} for name in names
    }
    more = {"engines": [engine], **({"proxy": "http://127.0.0.1:8474"} if engine == "toxiproxy" else {})}
    place = place_of(tmp_path, cluster, services, f"  - {json.dumps(entry)}\n", **more)
    account = Account(cluster, printed(place, "--namespace", cluster.namespace)[0], tmp_path)
    try:
        target = target_of(account.seen, services, **more)
        cluster.until(lambda: missing(place, target) == [], what="nothing is missing")
        wide = of(account.found, "ClusterRole")
        rules = [(set(rule["resources"]), rule["verbs"]) for role in wide for rule in role["rules"]]
        # Whose a cordon is that was left on a node: of some exercise that may live, in whatever namespace.
        assert all(kinds == {"nodes"} or (kinds, verbs) == ({"leases"}, ["list"]) for kinds, verbs in rules)
    finally:
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            for one in of(account.found, kind):
                cluster.delete(of_kind(kind).kind, one["metadata"]["name"], "")


def test_the_rules_are_the_least_and_say_what_they_are_for(cluster: Cluster, tmp_path: Path, printed: Print) -> None:
    place = place_of(tmp_path, cluster, WEB, KILL)
    text, said = printed(place)
    assert said == ""
    found = documents(text)
    assert [one["kind"] for one in found] == ["Namespace", "ServiceAccount", "Role", "RoleBinding"]
    assert all(one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "gameday" for one in found)
    role = of(found, "Role")[0]
    assert role["metadata"]["namespace"] == cluster.namespace
    rules = {(tuple(one["resources"]), tuple(one.get("resourceNames", ()))): one["verbs"] for one in role["rules"]}
    assert rules[("leases",), ("gameday",)] == ["delete", "get", "update"]
    assert rules[("leases",), ()] == ["create"], "what is made has no name yet"
    assert "create" not in rules[("pods",), ()] and "pods/eviction" not in str(rules)
    assert not any("*" in str(rule) or "secrets" in str(rule) for rule in role["rules"])
    assert re.search(r"^  # delete[^:]*: pod-kill$", text, re.MULTILINE) and "  # the claim\n" in text
    subject = of(found, "RoleBinding")[0]["subjects"]
    assert subject == [{"kind": "ServiceAccount", "name": "gameday", "namespace": "gameday"}]


def test_what_the_account_leaves_it_can_find_with_the_journal_lost(
    cluster: Cluster, tmp_path: Path, printed: Print, capsys: pytest.CaptureFixture[str]
) -> None:
    made = cluster.deployment("web", 2)
    place = place_of(tmp_path, cluster, WEB, f"  - {{at: 0s, {EVERYTHING['scale']}}}\n")
    text, _ = printed(place, "--namespace", cluster.namespace)
    assert "recover --target" in text
    account = Account(cluster, text, tmp_path)
    cluster.until(lambda: not missing(place, target_of(account.seen, WEB)), what="the roles are in force")
    change = {"path": "/spec/replicas", "before": 2, "after": 0}
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [change])
    marks.strike(Api(where(cluster)), DEPLOYMENTS, cluster.namespace, "web", mark)
    place = place_of(tmp_path, account.seen, WEB, KILL)
    # What it may not look at it can't have changed, but others may have.
    assert recover_target("staging", place.folder / "gameday.toml", f"sqlite:///{tmp_path}/none.db") == 4
    out, said = capsys.readouterr()
    assert f"deployment {cluster.namespace}/web  recovered" in out
    assert said.count("CAN'T SAY") == 1 and "nodes" in said
    cluster.whole("web")


def test_two_namespaces_get_a_role_each_with_what_is_done_there(
    cluster: Cluster, tmp_path: Path, printed: Print
) -> None:
    other = f"{cluster.namespace}-b"
    services = {**WEB, "cart": {"workload": "statefulset/cart", "namespace": other}}
    timeline = f"{KILL}  - {{at: 5s, fault: pod-kill, with: {{service: cart, evict: true}}}}\n"
    place = place_of(tmp_path, cluster, services, timeline, namespaces=[cluster.namespace, other])
    roles = {one["metadata"]["namespace"]: str(one["rules"]) for one in of(documents(printed(place)[0]), "Role")}
    assert set(roles) == {cluster.namespace, other}
    assert "deployments" in roles[cluster.namespace] and "deployments" not in roles[other]
    assert "pods/eviction" in roles[other] and "pods/eviction" not in roles[cluster.namespace]
    assert all("leases" in rules for rules in roles.values())


def test_names_are_those_that_were_asked_for_and_stay_names(cluster: Cluster, tmp_path: Path, printed: Print) -> None:
    place = place_of(tmp_path, cluster, WEB, KILL)
    found = documents(printed(place, "--service-account", "view", "--namespace", "1e3")[0])
    assert of(found, "Namespace") == [], "a namespace that was named is there already, and somebody's"
    assert of(found, "ServiceAccount")[0]["metadata"]["namespace"] == "1e3"
    assert of(found, "Role")[0]["metadata"]["name"] == "gameday-view", "a role of that name may be somebody's"
    with pytest.raises(UsageError, match="--namespace"):
        printed(place, "--namespace", "a: b")


def test_without_a_cluster_it_is_the_plain_api_and_that_is_said(
    cluster: Cluster, tmp_path: Path, printed: Print
) -> None:
    place = place_of(tmp_path, cluster, WEB, KILL, kubeconfig=str(tmp_path / "no-such-file"))
    text, said = printed(place)
    assert of(documents(text), "Role")
    assert "reckoned with api alone" in said and 'engines = ["api", "chaos-mesh"]' in said
    place = place_of(tmp_path, cluster, WEB, KILL, kubeconfig=str(tmp_path / "no-such-file"), engines=["api"])
    assert printed(place) == (text, ""), "where the settings say which engines there are nobody is asked"


def test_what_nobody_can_tell_the_rights_of_is_said(cluster: Cluster, tmp_path: Path, printed: Print) -> None:
    act = "{type: python, module: chaosk8s.pod.actions, func: terminate_pods}"
    timeline = f"{KILL}  - {{at: 1s, id: by-hand, fault: activity, one_shot: true, activity: {act}}}\n"
    text, said = printed(place_of(tmp_path, cluster, WEB, timeline))
    assert (
        "by-hand.activity runs chaosk8s.pod.actions.terminate_pods: the rights that it needs can't be derived" in said
    )
    assert of(documents(text), "Role")


def test_one_target_that_is_a_cluster(cluster: Cluster, tmp_path: Path, printed: Print) -> None:
    place = place_of(tmp_path, cluster, WEB, KILL)
    other = place.write("other.yaml", "version: 1\ntitle: Another\ntarget: sandbox\ntimeline: []\n")
    with pytest.raises(
        UsageError, match=r"one target at a time: .*scenario.yaml is for staging, .*other.yaml is for s"
    ):
        printed(place, str(other))
    with pytest.raises(UsageError, match="target sandbox is of kind sandbox, not kubernetes"):
        printed(place, "--target", "sandbox")
