"""What the cluster says of itself while a follower listens: what is told, what is not, and on bad days of its API.

A follower runs as it does under the guardian: a process of its own that yields items and is killed at the end.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster.evidence import permissions, watch
from gameday.cluster.resources import Access
from gameday.exercise.events import Warned
from tests.kubernetes.targets import place_of
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

Json = dict[str, Any]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["gameday.cluster.evidence", "kubernetes.client", "kubernetes.config"])
starting = pytest.mark.settings(startup=0.3)
"""Pods take a moment to be ready on the double, so that a workload is seen not to be whole."""


def _follow(items: Connection, where: Json, services: Json) -> None:
    for item in watch(where, services):
        items.send(json.dumps(item))


class Follower:
    """What a follower has yielded so far."""

    def __init__(self, cluster: Cluster, items: Connection) -> None:
        self.items: list[Json] = []
        self.cluster = cluster
        self._from = items
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.items.append(json.loads(self._from.recv()))
            except EOFError:
                return

    def told(self, *whats: str) -> list[Json]:
        """The observations of these kinds, in their order; all where none is named."""
        found = [item["observed"] for item in self.items if "observed" in item]
        return [one for one in found if not whats or one["what"] in whats]

    def texts(self, *whats: str) -> list[str]:
        return [one["text"] for one in self.told(*whats)]

    @property
    def warned(self) -> list[str]:
        return [item["warn"] for item in self.items if "warn" in item]

    def until(self, found: Callable[[], Any], what: str, timeout: float = 10) -> Any:
        try:
            return self.cluster.until(found, timeout, what)
        except AssertionError as error:
            said = "\n".join(json.dumps(item) for item in self.items)
            raise AssertionError(f"{error}\nthe follower said:\n{said}") from None

    def until_told(self, what: str, text: str = "", timeout: float = 10) -> Json:
        def found() -> Json | None:
            return next((one for one in self.told(what) if text in one["text"]), None)

        return self.until(found, f"{what} {text!r}", timeout)  # type: ignore[no-any-return]


@contextmanager
def following(cluster: Cluster, ready: bool = True, **services: Json) -> Iterator[Follower]:
    """A follower of these services; listened to once it watches. Killed at the end, as the guardian does."""
    where = {"kubeconfig": str(cluster.kubeconfig), "context": cluster.context, "in_cluster": False}
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_follow, args=(theirs, where, services))
    process.start()
    theirs.close()
    follower = Follower(cluster, ours)
    try:
        if ready:
            follower.until(lambda: follower.told("whole", "not_whole"), "it says how things stand")
            if isinstance(cluster, DoubleCluster):
                watched = 1 + sum(2 if "workload" in one else 1 for one in services.values())
                follower.until(lambda: len(cluster.asked(verb="watch")) >= watched, "everything is watched")
        yield follower
        assert process.is_alive(), "a follower goes on until it is killed"
    finally:
        process.kill()
        process.join(10)
        process.close()
        follower.reader.join(10)
        ours.close()


def web(cluster: Cluster, **more: Any) -> Json:
    return {"namespace": cluster.namespace, "workload": "deployment/web", **more}


def kill_one(cluster: Cluster) -> str:
    name: str = cluster.pods("app=web")[0]["metadata"]["name"]
    cluster.delete("Pod", name, gracePeriodSeconds=0)
    return name


# --- what is told ----------------------------------------------------------------------------------------------------


@starting
def test_a_killed_pod_is_told_and_how_long_the_workload_was_not_whole(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        killed = kill_one(cluster)
        follower.until_told("whole", "whole again after")
        # The pods are another stream, which may be heard later.
        follower.until_told("ready", "after")
    gone = follower.told("gone")
    assert [one["thing"] for one in gone] == [f"pod {cluster.namespace}/{killed}"]
    assert len(follower.told("new")) == 1
    assert "after" in follower.texts("ready")[0]
    before, broken, again = follower.told("whole", "not_whole")
    assert before["what"] == "whole" and before["text"] == "whole, 2 of 2 pods ready"
    assert broken["what"] == "not_whole" and broken["text"] == "1 of 2 pods ready"
    assert broken["thing"] == again["thing"] == f"deployment {cluster.namespace}/web"
    assert broken["services"] == ["web"]
    assert "at worst 1 of 2 pods ready" in again["text"]


def test_where_things_stand_is_told_as_such_and_not_as_news(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("other", replicas=1)
    with following(cluster, web=web(cluster)) as follower:
        follower.until_told("recent")
        cluster.deployment("other", replicas=2)
        kill_one(cluster)
        follower.until_told("gone")
    first = [item for item in follower.items if item][:2]
    assert all(item.get("standing") for item in first)
    assert {item["observed"]["what"] for item in first} == {"whole", "recent"}
    assert not any("standing" in item for item in follower.items if item not in [{}, *first])
    # Nothing of what is not touched.
    assert all("other" not in one["thing"] for one in follower.told())


@starting
def test_a_rollout_is_told_from_its_beginning_to_its_end(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.deployment("web", replicas=2, env={"COLOUR": "blue"}, wait=False)
        follower.until_told("rollout", "is through after", timeout=20)
        follower.until_told("whole", "whole again")
    begun, through = follower.texts("rollout")
    assert begun == "rollout begun: the pod template has changed, the images have not"
    assert through.endswith("revision 2")
    # What the workload says of itself is not told again by the events about it.
    assert not [text for text in follower.texts("event") if "Scaled" in text or "Stopping" in text]


def test_recent_rollouts_of_before_are_told_with_their_images(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.deployment("web", replicas=1, env={"COLOUR": "blue"})
    with following(cluster, web=web(cluster)) as follower:
        follower.until(lambda: len(follower.told("recent")) == 2, "both rollouts")
    first, second = follower.told("recent")
    assert "revision 1" in first["text"] and "revision 2" in second["text"]
    assert cluster.image.rpartition("/")[2] in second["text"]
    assert "less than a minute ago" in second["text"] and abs(time.time() - second["at"]) < 120


@starting
def test_scaled_to_nothing_is_not_whole(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
        follower.until_told("not_whole", "scaled from 2 to 0")
        cluster.until(lambda: cluster.get("Deployment", "web")["status"].get("replicas", 0) == 0, 20, "no pods")  # type: ignore[index]
        cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
        follower.until_told("whole", "whole again")
    assert "at worst 0 of 2 pods ready" in follower.texts("whole")[-1]


@starting
def test_pods_that_only_a_selector_names_are_whole_with_as_many_as_there_were(cluster: Cluster) -> None:
    for name in ("one", "two"):
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": "lonely"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "app",
                            "image": cluster.image,
                            "imagePullPolicy": "Never",
                            "command": ["python3", "-c", "import time; time.sleep(1e9)"],
                        }
                    ],
                },
            }
        )
    cluster.until(lambda: sum(_ready(pod) for pod in cluster.pods("app=lonely")) == 2, 20, "both are ready")
    with following(cluster, lonely={"namespace": cluster.namespace, "selector": "app=lonely"}) as follower:
        cluster.delete("Pod", "one", gracePeriodSeconds=0)
        told = follower.until_told("not_whole")
    assert told["thing"] == "pods of lonely" and told["text"] == "1 of 2 pods ready"


def _ready(pod: Json) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", [])
    )


@pytest.mark.double
def test_a_restart_says_why(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    with following(cluster, web=web(cluster)) as follower:
        pod = cluster.pods("app=web")[0]
        status = pod["status"]["containerStatuses"][0]
        ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": None, "finishedAt": "2026-01-01T00:00:00Z"}
        status |= {"restartCount": 2, "lastState": {"terminated": ended}}
        cluster.patch("Pod", pod["metadata"]["name"], {"status": {"containerStatuses": [status]}}, below="status")
        told = follower.until_told("restart")
    assert told["text"] == "container app restarted: 2 times, OOMKilled, exit code 137; 2 in all"
    assert told["at"] == 1767225600.0


@pytest.mark.double
def test_an_event_that_repeats_is_told_as_it_grows_and_not_each_time(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    pod = cluster.pods("app=web")[0]["metadata"]
    with following(cluster, web=web(cluster)) as follower:
        for count in range(1, 8):
            event = _event(pod, "BackOff", "Back-off restarting failed container", count=count)
            cluster.seed(event)
        cluster.seed(_event({"name": "stranger", "uid": "x", "namespace": cluster.namespace}, "BackOff", "not ours"))
        cluster.seed(_event(pod, "Pulled", "Container image already present", kind="Normal"))
        kill_one(cluster)
        follower.until_told("gone")
    assert follower.texts("event") == [
        "BackOff: Back-off restarting failed container",
        "BackOff: Back-off restarting failed container (5 times)",
    ]


def _event(about: Json, reason: str, message: str, *, count: int = 1, kind: str = "Warning") -> Json:
    where = {key: about[key] for key in ("name", "namespace", "uid")}
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{about['name']}.{reason.lower()}",
            "namespace": about["namespace"],
            "uid": f"of-{about['uid']}-{reason}",
        },
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", **where},
        "reason": reason,
        "message": message,
        "type": kind,
        "count": count,
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }


# --- bad days --------------------------------------------------------------------------------------------------------


@pytest.mark.double(startup=0.3)
@pytest.mark.parametrize("abrupt", [False, True])
def test_a_dropped_watch_is_taken_up_where_it_ended(cluster: DoubleCluster, abrupt: bool) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.drop_watches(abrupt=abrupt)
        killed = kill_one(cluster)
        cluster.drop_watches(abrupt=abrupt)
        follower.until_told("whole", "whole again")
    assert [one["thing"] for one in follower.told("gone")] == [f"pod {cluster.namespace}/{killed}"]
    assert len(follower.told("new")) == 1
    assert not follower.warned


@pytest.mark.double(startup=0.3)
def test_a_history_that_is_gone_is_listed_anew_and_compared(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.gone()
        killed = kill_one(cluster)
        cluster.whole("web")
        # What happened meanwhile is no longer in the history: the watch says 410, within its stream.
        cluster.compact()
        cluster.back()
        follower.until_told("gone")
        follower.until_told("new")
        second = kill_one(cluster)
        follower.until(lambda: len(follower.told("gone")) == 2, "the second pod")
        follower.until_told("whole", "whole again")
    names = [one["thing"].rpartition("/")[2] for one in follower.told("gone")]
    assert names == [killed, second]
    assert len(follower.told("new")) == 2


@pytest.mark.double
def test_410_as_an_answer_is_listed_anew_too(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.misbehave(verb="watch", resource="pods", status=410, reason="Expired", times=2)
    with following(cluster, web=web(cluster)) as follower:
        follower.until(lambda: len(cluster.asked(verb="list", resource="pods")) >= 3, "listed again and again")
        follower.until(lambda: len(cluster.asked(verb="watch", resource="pods")) >= 3, "watched at last")
        killed = kill_one(cluster)
        follower.until_told("gone")
    assert [one["thing"].rpartition("/")[2] for one in follower.told("gone")] == [killed]
    assert not follower.warned


@pytest.mark.double
def test_a_server_that_is_busy_for_a_moment_is_no_news(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        before = len(cluster.asked(verb="watch"))
        cluster.misbehave(verb="watch", status=503, reason="ServiceUnavailable", times=1)
        cluster.misbehave(verb="watch", status=429, reason="TooManyRequests", retry_after=0, times=1)
        cluster.drop_watches()
        follower.until(lambda: len(cluster.asked(verb="watch")) >= before + 5, "watched again")
        kill_one(cluster)
        follower.until_told("gone")
    assert not follower.warned
    assert not [text for text in follower.texts("event") if "heard" in text]


@pytest.mark.double
def test_a_server_that_is_gone_is_said_once_and_that_it_is_back(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.gone()
        follower.until(lambda: follower.warned, "that it is gone")
        cluster.back()
        follower.until_told("event", "heard again after")
        kill_one(cluster)
        follower.until_told("gone")
    assert len(follower.warned) == 1 and "nothing is heard from the cluster" in follower.warned[0]
    assert len([text for text in follower.texts("event") if "heard again" in text]) == 1


@pytest.mark.double
def test_a_server_that_is_gone_at_the_start_is_waited_for(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.gone()
    with following(cluster, ready=False, web=web(cluster)) as follower:
        follower.until(lambda: follower.warned, "that it is gone")
        assert follower.items[0] == {}, "a sign of life, before anything is waited for"
        cluster.back()
        follower.until_told("whole", "2 of 2 pods ready")
    assert len(follower.warned) == 1
    (heard,) = follower.texts("event")
    assert heard.startswith("heard after ") and "what happened meanwhile is not known" in heard
    assert [item["hears"] for item in follower.items if "hears" in item] == [False, True]


@pytest.mark.double
def test_a_server_that_knows_no_rights_yet_when_it_is_back_is_asked_again_soon(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    with following(cluster, web=web(cluster)) as follower:
        cluster.gone()
        follower.until(lambda: follower.warned, "that it is gone")
        cluster.misbehave(path="/", status=403, times=6)
        cluster.back()
        follower.until_told("event", "heard again after")
        kill_one(cluster)
        follower.until_told("gone", timeout=20)


@pytest.mark.double(startup=0.3)
def test_what_may_not_be_seen_is_said_once_and_the_rest_goes_on(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    rights = [{"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["*"], "namespace": cluster.namespace}]
    cluster.rules("gameday", rights)
    with following(cluster, ready=False, web=web(cluster, selector="app=web")) as follower:
        follower.until(lambda: follower.warned, "what is missing")
        follower.until_told("whole", "2 of 2 pods ready")
        follower.until(lambda: cluster.asked(verb="watch", resource="pods"), "the pods are watched")
        kill_one(cluster)
        # By its pods, since the Deployment may not be seen.
        follower.until_told("whole", "whole again")
    (warning,) = follower.warned
    for missing in ("events", "deployments.apps", "recent rollouts"):
        assert missing in warning
    assert "pods in" not in warning


@pytest.mark.double
def test_an_expired_token_is_said_once(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    with following(cluster, web=web(cluster)) as follower:
        cluster.expire()
        cluster.drop_watches()
        (warning,) = follower.until(lambda: follower.warned, "that nobody knows us")
        kill_one(cluster)
    assert "401" in warning and "pods in" in warning
    assert not follower.told("gone")


@pytest.mark.double(startup=0.05)
def test_a_storm_is_bounded_and_what_is_left_out_is_counted(cluster: DoubleCluster) -> None:
    from gameday.cluster.pacing import DETAILS

    cluster.deployment("web", replicas=40)
    with following(cluster, web=web(cluster)) as follower:
        for pod in cluster.pods("app=web"):
            cluster.delete("Pod", pod["metadata"]["name"], gracePeriodSeconds=0)
        kinds = ("gone", "new", "ready", "unready", "event", "restart")
        # Where it goes slowly they may all be back for a moment while it lasts.
        cluster.until(lambda: len(follower.told(*kinds)) >= DETAILS, 30, "as many are told as may be")
        cluster.whole("web", timeout=30)
        follower.until_told("whole", "whole again", timeout=30)
    assert len(follower.told(*kinds)) == DETAILS


# --- rights ----------------------------------------------------------------------------------------------------------


@pytest.mark.double
def test_the_rights_it_asks_for_are_those_that_it_needs(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    services = {"web": web(cluster)}
    rules = []
    for access in map(Access.parse, permissions(services)):
        rule = {"apiGroups": [access.group], "resources": [access.plural], "verbs": [access.verb]}
        rules.append({**rule, "namespace": access.namespace})
    cluster.rules("gameday", rules)
    with following(cluster, **services) as follower:
        follower.until_told("recent")
        kill_one(cluster)
        follower.until_told("gone")
    assert not follower.warned
    used = {(one.verb, one.group, one.resource) for one in cluster.requests if one.verb}
    wanted = {(one.verb, one.group, one.plural) for one in map(Access.parse, permissions(services))}
    assert used == wanted


# --- a whole exercise -------------------------------------------------------------------------------------------------


@starting
def test_an_exercise_measures_until_its_workload_is_whole_again(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=2)
    timeline = "  - {id: kill, at: 0s, fault: pod-kill, with: {service: web, grace: 0s}}"
    place = place_of(
        tmp_path, cluster, {"web": {"namespace": cluster.namespace, "workload": "deployment/web"}}, timeline
    )
    done = place.call("run", "scenario.yaml", "--unattended")
    assert done.returncode == 0, done.stderr
    shown = json.loads(place.call("show", "--json").stdout)
    (again,) = shown["faults"][0]["whole_again"]
    assert again["state"] == "whole again" and 0 < again["seconds"] < 60
    (workload,) = shown["workloads"]
    assert workload["whole"] is True and len(workload["not_whole"]) == 1
    assert "revision 1" in workload["recent_rollouts"][0]["text"]
    assert f"web {again['seconds']:.1f} s after +0:0" in place.call("show").stdout
    (debrief,) = (json.loads(path.read_text()) for path in (tmp_path / "reports").glob("*.json"))
    assert debrief["faults"][0]["whole"][0]["seconds"] == round(again["seconds"], 6)
    assert not [one for one in place.records() if isinstance(one.event, Warned)]
