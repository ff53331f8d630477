"""What is made of objects and of their changes: workloads, pods that linger, and how much is told in a minute. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cluster.happenings import Happening, ago, took
from gameday.cluster.pacing import DETAILS, MINUTE, STATES, Pace
from gameday.cluster.podlife import Pods
from gameday.cluster.resources import DEPLOYMENTS, STATEFULSETS, Resource
from gameday.cluster.runs import Runs, Wholeness
from gameday.cluster.scene import Scene, Subject
from gameday.cluster.streams import Back, Lost

Json = dict[str, Any]


def runs(resource: Resource = DEPLOYMENTS) -> Runs:
    return Runs(resource, Wholeness("deployment shop/web", ("web",)))


def workload(
    *, image: str = "app:1", replicas: int = 3, ready: int = 3, updated: int = 3, seen: int = 1, **status: Any
) -> Json:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": seen},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "app", "image": image}]}},
        },
        "status": {
            "observedGeneration": seen,
            "replicas": ready,
            "readyReplicas": ready,
            "updatedReplicas": updated,
            **status,
        },
    }


def story(watched: Runs, *looks: Json) -> list[str]:
    """What is told when these are seen a second apart."""
    told = list(watched.listed([looks[0]], 0.0))
    for second, look in enumerate(looks[1:], 1):
        told += watched.changed("MODIFIED", look, float(second))
    return [f"{one.what}: {one.text}" for one in told]


def test_a_rollout_that_gets_stuck_says_so_once() -> None:
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet web-2 has timed out progressing.",
    }
    broken = workload(image="app:2", updated=1, seen=2, conditions=[late])
    assert story(runs(), workload(), workload(image="app:2", updated=0, seen=2), broken, broken) == [
        "whole: whole, 3 of 3 pods ready",
        "rollout: rollout begun: image app:1 → app:2",
        "not_whole: rolling out, 3 of 3 pods ready",
        "rollout: rollout is stuck: ReplicaSet web-2 has timed out progressing.",
    ]


def test_a_statefulset_is_told_like_a_deployment() -> None:
    assert story(runs(STATEFULSETS), workload(), workload(ready=1), workload(ready=2), workload()) == [
        "whole: whole, 3 of 3 pods ready",
        "not_whole: 1 of 3 pods ready",
        "whole: whole again after 2.0 s, at worst 1 of 3 pods ready",
    ]


def test_what_is_not_whole_when_it_is_first_seen_has_no_length_that_we_know() -> None:
    assert story(runs(), workload(ready=2), workload()) == [
        "not_whole: 2 of 3 pods ready",
        "whole: whole again, at worst 2 of 3 pods ready",
    ]


def test_a_change_of_size_is_no_outage_unless_it_is_to_nothing() -> None:
    smaller = workload(replicas=2, ready=2, updated=2, seen=2)
    none = workload(replicas=0, ready=0, updated=0, seen=3)
    assert story(runs(), workload(), smaller, none) == [
        "whole: whole, 3 of 3 pods ready",
        "event: scaled from 3 to 2",
        "not_whole: scaled from 2 to 0",
    ]


def test_a_change_that_its_controller_has_not_seen_yet_breaks_nothing() -> None:
    unseen = workload(replicas=2)
    unseen["metadata"]["generation"] = 2
    assert story(runs(), workload(), unseen, workload(replicas=2, ready=2, updated=2, seen=2)) == [
        "whole: whole, 3 of 3 pods ready",
        "event: scaled from 3 to 2",
    ]


def test_a_pod_on_its_way_out_may_still_be_ready() -> None:
    assert story(runs(STATEFULSETS), workload(), workload(updated=2), workload(ready=2, updated=2), workload()) == [
        "whole: whole, 3 of 3 pods ready",
        "not_whole: 2 of 3 pods there to stay",
        "whole: whole again after 2.0 s, at worst 2 of 3 pods ready",
    ]


def test_nothing_is_said_of_what_was_wanted_by_nobody() -> None:
    assert story(runs(), workload(replicas=0, ready=0, updated=0)) == []


def test_a_workload_that_is_deleted_and_made_again() -> None:
    watched = runs()
    list(watched.listed([workload()], 0.0))
    told = [*watched.changed("DELETED", workload(), 1.0), *watched.listed([workload()], 5.0)]
    assert [one.text for one in told] == ["gone", "does not exist", "there again", "whole again after 4.0 s"]


def pod(**more: Any) -> Json:
    ready = {"type": "Ready", "status": "True"}
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "p", **more},
        "spec": {},
        "status": {"phase": "Running", "conditions": [ready]},
    }


@pytest.mark.parametrize(("after", "told"), [(25.0, []), (45.0, ["gone at last, 45.0 s after it was deleted"])])
def test_that_a_deleted_pod_is_gone_is_told_where_it_took_too_long(after: float, told: list[str]) -> None:
    pods = Pods(("web",))
    assert list(pods.listed([pod()], 0.0)) == []
    leaving = pod(deletionTimestamp="2026-01-01T00:00:30Z", deletionGracePeriodSeconds=30)
    (asked,) = pods.changed("MODIFIED", leaving, 0.0)
    assert (asked.what, asked.text, asked.at) == ("gone", "deleted, with 30 s to end", 1767225600.0)
    assert [one.text for one in pods.changed("DELETED", leaving, after)] == told


def test_a_list_that_is_compared_tells_what_a_watch_would_have() -> None:
    pods = Pods(("web",))
    assert list(pods.listed([pod()], 0.0)) == []
    other = pod()
    other["metadata"] |= {"name": "web-2", "uid": "q"}
    assert [(one.what, one.thing) for one in pods.listed([other], 9.0)] == [
        ("gone", "pod shop/web-1"),
        ("new", "pod shop/web-2"),
    ]
    assert list(pods.listed([other], 10.0)) == []


def test_a_server_that_comes_and_goes_is_told_once_in_a_minute() -> None:
    scene = Scene([Subject(("web",), "shop", DEPLOYMENTS, "web", "app=web")])
    streams = scene.streams()
    said: list[str] = []

    def out(begin: float, end: float) -> None:
        for stream in streams:
            assert list(scene.take(Lost(stream, "connection refused", denied=False), begin)) == []
        said.extend(scene.warnings(begin))
        for stream in streams:
            said.extend(one.text for one in scene.take(Back(stream), end))

    out(0.0, 3.5)
    out(10.0, 11.0)
    out(80.0, 81.0)
    heard = "what happened meanwhile is told as far as it can be seen"
    assert said == [
        "nothing is heard from the cluster: connection refused; trying again",
        f"heard again after 3.5 s; {heard}",
        "nothing is heard from the cluster: connection refused; trying again",
        f"heard again after 1.0 s; {heard}",
    ]


def test_one_that_goes_again_and_stays_away_is_told_when_the_minute_is_over_and_so_is_its_return() -> None:
    scene = Scene([Subject(("web",), "shop", DEPLOYMENTS, "web", "app=web")])
    stream = scene.streams()[0]
    refused = Lost(stream, "connection refused", denied=False)
    assert list(scene.take(refused, 0.0)) == [] and len(list(scene.warnings(0.0))) == 1
    assert len(list(scene.take(Back(stream), 5.0))) == 1
    assert list(scene.take(refused, 10.0)) == [] and list(scene.warnings(10.0)) == []
    assert not scene.hears and scene.patience(None) is not None, "somebody has to look when the minute is over"
    assert list(scene.warnings(59.0)) == []
    assert list(scene.warnings(60.0)) == [
        "nothing is heard from the cluster for 50.0 s: connection refused; trying again"
    ]
    assert list(scene.warnings(61.0)) == []
    (back,) = scene.take(Back(stream), 70.0)
    assert back.text.startswith("heard again after 60.0 s") and scene.hears


def test_a_server_that_comes_back_and_lets_us_see_nothing_is_back() -> None:
    scene = Scene([Subject(("web",), "shop", DEPLOYMENTS, "web", "app=web")])
    streams = scene.streams()
    for stream in streams:
        list(scene.take(Lost(stream, "connection refused", denied=False), 0.0))
    list(scene.warnings(0.0))
    for stream in streams[1:]:
        assert list(scene.take(Back(stream), 20.0)) == []
    (back,) = scene.take(Lost(streams[0], "403 Forbidden", denied=True), 21.0)
    assert back.text.startswith("heard again after 21.0 s")
    assert any("403 Forbidden" in text for text in scene.warnings(23.0))


# --- how much is told ------------------------------------------------------------------------------------------------


def test_what_is_urgent_is_told_however_much_there_is() -> None:
    pace = Pace()
    for number in range(100):
        list(pace.admit(Happening("event", f"pod shop/web-{number}", "BackOff"), 0.0))
    assert len(list(pace.admit(Happening("event", "the API server", "heard again", urgent=True), 1.0))) == 1


def test_a_minute_has_so_many_lines_and_says_what_was_left_out() -> None:
    pace = Pace()
    events = [Happening("event" if n % 2 else "gone", "pod shop/a", str(n), None, ("web",)) for n in range(DETAILS + 5)]
    told = [line for one in events for line in pace.admit(one, 10.0)]
    assert told == events[:DETAILS]
    # States come all the same.
    broken = Happening("not_whole", "deployment shop/web", "1 of 3 pods ready")
    assert list(pace.admit(broken, 11.0)) == [broken]
    assert pace.patience(11.0) == MINUTE - 1
    assert list(pace.due(10.0 + MINUTE - 1)) == []
    (summary,) = pace.due(10.0 + MINUTE)
    assert summary.text == "5 more within a minute that are not told one by one: 3 pods gone, 2 events"
    assert (summary.thing, summary.services) == ("web", ("web",))
    assert pace.patience(90.0) is None
    assert list(pace.admit(events[0], 90.0)) == [events[0]]


def test_of_a_workload_that_comes_and_goes_the_last_word_is_kept() -> None:
    pace = Pace()
    flapping = [Happening("whole" if n % 2 else "not_whole", "deployment shop/web", str(n)) for n in range(STATES + 5)]
    told = [line for one in flapping for line in pace.admit(one, 0.0)]
    assert told == flapping[:STATES] and told[-1].what == "whole"
    assert list(pace.due(MINUTE)) == [flapping[-1]], "it is not whole, and whole was told last"


def test_lengths_in_words() -> None:
    assert [took(seconds) for seconds in (0.04, 12.34, 200, 4000)] == ["0.0 s", "12.3 s", "3 min 20 s", "1 h 6 min"]
    assert [ago(seconds) for seconds in (-5, 10, 2040, 6000)] == [
        "less than a minute ago",
        "less than a minute ago",
        "34 min ago",
        "1 h 40 min ago",
    ]
