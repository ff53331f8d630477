"""The double answers recorded requests as the real server did, field by field, in the order of the recordings.

Left out of the comparison is what no two servers would say alike: uids, versions, times, addresses, generated names.
The recordings are replayed once for the module; each test then looks at one of them.
"""

from __future__ import annotations

import copy
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes.cluster import DoubleCluster
from tests.support.kubernetes.process import Double

Json = dict[str, Any]

WIRE = Path(__file__).parents[1] / "wire"
RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted(WIRE.glob("*.json"))}
TOKENS = {"31": "token-of-limited", "32": "token-of-limited", "33": "of-nobody"}

VOLATILE = {
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastHeartbeatTime",
    "startTime",
    "startedAt",
    "timeAdded",
    "podIP",
    "podIPs",
    "hostIP",
    "hostIPs",
    "imageID",
    "containerID",
    "continue",
    "storageVersionHash",
}

pytestmark = pytest.mark.double


class Replay:
    """Sends the recordings one after the other, with the uids and pod names that this server has given instead."""

    def __init__(self, double: Double, cluster: DoubleCluster) -> None:
        self.double = double
        self.cluster = cluster
        self.same: dict[str, str] = {}
        self.answers: dict[str, tuple[int, dict[str, str], Any]] = {}

    def run(self) -> None:
        for name, recorded in RECORDED.items():
            number = name[:2]
            getattr(self, f"before_{number}", lambda: None)()
            self.answers[name] = self._send(number, recorded)

    def _send(self, number: str, recorded: Json) -> tuple[int, dict[str, str], Any]:
        until = time.monotonic() + 5
        while True:
            found = self._ask(number, self.translated(recorded["request"]))
            self._learn(recorded["response"]["body"], found[2])
            # The controllers take a moment; whoever asks sees their work come.
            if recorded["request"]["method"] != "GET" or number == "38" or time.monotonic() > until:
                return found
            if not self.unlike(number, recorded, found[2]):
                return found
            time.sleep(0.01)

    def _ask(self, number: str, request: Json) -> tuple[int, dict[str, str], Any]:
        body = request.get("body")
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.double.public}{request['path']}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {TOKENS.get(number, 'token-of-gameday')}",
                **({"Content-Type": request["content_type"]} if body is not None else {}),
            },
            method=request["method"],
        )
        try:
            answer = urllib.request.urlopen(asked, timeout=10)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            raw, headers = answer.read(), dict(answer.headers)
            status = answer.status
            # Of several warnings the recordings keep the last.
            if warnings := answer.headers.get_all("Warning"):
                headers["Warning"] = warnings[-1]
        return status, headers, json.loads(raw) if "json" in headers["Content-Type"] else raw.decode()

    def _learn(self, recorded: Any, found: Any) -> None:
        if isinstance(recorded, dict) and isinstance(found, dict):
            there, here = (one.get("metadata", {}).get("uid") for one in (recorded, found))
            if there and here:
                self.same[there] = here

    def translated(self, value: Any) -> Any:
        text = json.dumps(value)
        for there, here in self.same.items():
            text = text.replace(there, here)
        return json.loads(text)

    def unlike(self, number: str, recorded: Json, body: Any) -> list[str]:
        """Where the body differs from the recorded one."""
        wanted = self.translated(recorded["response"]["body"])
        if number == "02":
            # The recording was cut to two items.
            body = body | {"items": body["items"][:2]}
        if number == "44":
            # The double has those of the fault kinds that are asked of it.
            known = {one["name"] for one in body["resources"]}
            wanted["resources"] = sorted((r for r in wanted["resources"] if r["name"] in known), key=_name)
            body = body | {"resources": sorted(body["resources"], key=_name)}
        return differences(wanted, body)

    # What has to be the case before a recording.

    def before_01(self) -> None:
        deployment = copy.deepcopy(RECORDED["17-deployment-get"]["response"]["body"])
        deployment["status"] = {}
        template = copy.deepcopy(deployment["spec"]["template"])
        template["metadata"]["labels"]["pod-template-hash"] = "6bddff6cd9"
        pods = RECORDED["02-pods-list-by-label"]["response"]["body"]["items"]
        owner = pods[0]["metadata"]["ownerReferences"][0]
        labels = template["metadata"]["labels"]
        replica_set = {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": owner["name"],
                "namespace": "default",
                "uid": owner["uid"],
                "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "checkout",
                        "uid": deployment["metadata"]["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": template},
        }
        node = copy.deepcopy(RECORDED["28-node-cordon"]["response"]["body"])
        node["spec"] = {}
        third = copy.deepcopy(pods[1])
        third["metadata"] |= {"name": "checkout-6bddff6cd9-zzzzz", "uid": "00000000-0000-0000-0000-00000000000a"}
        with_kind = [{"kind": "Pod", "apiVersion": "v1", **copy.deepcopy(pod)} for pod in [*pods, third]]
        shop = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}
        for name in ("n1", "n2", "n3"):
            self.cluster.delete("Node", name)
        # One at a time they would look like orphans.
        self.cluster.settings(controllers=False)
        for one in [node, shop, deployment, replica_set, *with_kind]:
            self.cluster.seed(one)
        self.cluster.settings(controllers=True)
        old = {"message": 'ReplicaSet "checkout-6bddff6cd9" has successfully progressed.'}

        def settled() -> bool:
            status = (self.cluster.get("Deployment", "checkout", "default") or {}).get("status", {})
            said = [one["message"] for one in status.get("conditions", [])]
            return status.get("readyReplicas") == 3 and old["message"] in said

        self.cluster.until(settled)

    def _whole(self) -> None:
        self.cluster.whole("checkout", namespace="default")

    def before_13(self) -> None:
        self._whole()
        # The status of a budget comes after its creation.
        self.cluster.settings(pace=0.1)

    def before_14(self) -> None:
        self.cluster.settings(pace=0.01)

    def before_16(self) -> None:
        # As on the real server, nothing is ready again by the next recording.
        self.cluster.settings(startup=60.0, termination=1.0)

    def before_20(self) -> None:
        self.cluster.settings(startup=0.0, termination=0.02)

    def before_23(self) -> None:
        self._whole()

    def before_29(self) -> None:
        # The taint follows the cordon, and goes after the next answer.
        self.cluster.until(lambda: (self.cluster.get("Node", "node1") or {})["spec"].get("taints"))

    def before_40(self) -> None:
        groups = [one["name"] for one in self.cluster.ask("GET", "/apis")["groups"]]
        assert "chaos-mesh.org" not in groups

    def before_43(self) -> None:
        pod = self.cluster.pods("app=checkout", "default")[0]["metadata"]["name"]
        self.same["checkout-6bddff6cd9-c8xln"] = pod

    def before_44(self) -> None:
        self.cluster.settings(chaos_mesh=True, litmus=True, chaos_mode="absent")


def _name(one: Json) -> str:
    return str(one["name"])


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where two bodies differ, one line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = {key for key in [*expected, *found] if key not in VOLATILE}
        lines = []
        for key in sorted(keys):
            if key not in found:
                lines.append(f"{path}.{key}: missing, expected {expected[key]!r}")
            elif key not in expected:
                lines.append(f"{path}.{key}: not expected, found {found[key]!r}")
            else:
                lines += differences(expected[key], found[key], f"{path}.{key}")
        return lines
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{path}: {len(expected)} items expected, found {len(found)}"]
        return [
            line
            for at, (one, other) in enumerate(zip(expected, found, strict=True))
            for line in differences(one, other, f"{path}[{at}]")
        ]
    if path.endswith(".uid") or expected == found:
        return []
    # Versions in a message are volatile too.
    if path.endswith(".message") and re.sub(r"\d+", "#", expected) == re.sub(r"\d+", "#", str(found)):
        return []
    return [f"{path}: expected {expected!r}, found {found!r}"]


@pytest.fixture(scope="module")
def replay(doubles: Callable[[], Double], tmp_path_factory: pytest.TempPathFactory) -> Replay:
    double = doubles()
    cluster = DoubleCluster(double, tmp_path_factory.mktemp("wire"), pace=0.01)
    played = Replay(double, cluster)
    played.run()
    assert cluster.violations == []
    return played


@pytest.mark.parametrize("name", RECORDED)
def test_the_answer_is_that_of_the_real_server(replay: Replay, name: str) -> None:
    expected = RECORDED[name]["response"]
    status, headers, body = replay.answers[name]
    assert status == expected["status"], body
    assert headers["Content-Type"] == expected["headers"]["Content-Type"]
    assert headers.get("Warning") == expected["headers"].get("Warning")
    assert replay.unlike(name[:2], RECORDED[name], body) == []
