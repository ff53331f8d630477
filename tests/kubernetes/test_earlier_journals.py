"""Recovering activities from journals that say nothing of the cluster: never in the context that is current by then."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.engine.ports import Call, Plan
from gameday.faults.earlier import led
from tests.support.kubernetes.cluster import Cluster
from tests.support.processes import kill_together
from tests.support.runs import Place

from .targets import place_of, target_of
from .test_led_to_the_target import Prod

Json = dict[str, Any]


def scaled(cluster: Cluster, replicas: int) -> Json:
    arguments = {"name": "web", "replicas": replicas, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments, "timeout": "3s"}


def rewritten(place: Place, kind: str, change: Callable[[Json], object]) -> None:
    """The journal as an earlier version wrote it."""
    with closing(sqlite3.connect(place.store)) as store, store:
        for (name,) in store.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            store.execute(f"drop trigger {name}")
        where = "from gameday_events where kind = ?"
        for seq, text in store.execute(f"select seq, body {where}", [kind]).fetchall():
            body = json.loads(text)
            change(body)
            store.execute("update gameday_events set body = ? where seq = ?", [json.dumps(body), seq])


def unled(body: Json) -> None:
    plan = body["plan"]
    del plan["undo"]["args"]["cluster"]
    plan["commands"] = ["python3" + line[line.index(" -c ") :] for line in plan["commands"]]


@pytest.fixture
def prod() -> Iterator[Prod]:
    made = Prod()
    yield made
    made.close()


@pytest.fixture
def left(cluster: Cluster, tmp_path: Path, prod: Prod) -> Iterator[Place]:
    """An exercise that died under its fault; by then another context is current, everybody's default."""
    cluster.deployment("web", 2)
    entry: Json = {"at": "0s", "id": "smaller", "fault": "activity", "for": "5m"}
    entry |= {"activity": scaled(cluster, 1), "undo": scaled(cluster, 2)}
    place = place_of(tmp_path, cluster, {}, f"  - {json.dumps(entry)}\n", recovery="4s")
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("smaller", lambda x: "smaller" in x.faults and x.faults["smaller"].stage == "effective")
        kill_together(place.processes())
        place.gone()
        found = yaml.safe_load(cluster.kubeconfig.read_text())
        found["clusters"].append({"name": "prod", "cluster": {"server": prod.url}})
        found["contexts"].append({"name": "prod", "context": {"cluster": "prod", "user": found["users"][0]["name"]}})
        found["current-context"] = "prod"
        place.write("today", json.dumps(found))
        place.extra |= {"KUBECONFIG": str(tmp_path / "today"), "KUBERNETES_CONTEXT": "prod"}
        yield place
    finally:
        place.clean_up()


def replicas(cluster: Cluster) -> int:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return int(found["spec"]["replicas"])


def test_the_undo_goes_to_the_cluster_of_the_target_in_the_journal(cluster: Cluster, left: Place, prod: Prod) -> None:
    rewritten(left, "fault_armed", unled)
    done = left.call("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    assert replicas(cluster) == 2 and prod.asked == []


def test_where_the_journal_does_not_say_which_it_was_nothing_is_run_and_people_are_told_what_to_do(
    cluster: Cluster, left: Place, prod: Prod
) -> None:
    rewritten(left, "fault_armed", unled)
    rewritten(left, "exercise_started", lambda body: body["target"].update(settings={"context": cluster.context}))
    done = left.call("recover")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the journal does not say how the cluster was reached that this is for" in done.stdout
    assert (
        f"# in a shell with: export KUBERNETES_CONTEXT={cluster.context} KUBECONFIG=FILE, where {cluster.context} of "
        "target staging is the current context of FILE:\n    python3 -c 'from chaosk8s.deployment.actions"
    ) in done.stdout
    assert replicas(cluster) == 1 and prod.asked == []


def test_what_a_person_pastes_is_led_there_and_what_is_led_already_stays(cluster: Cluster) -> None:
    target = target_of(cluster, {})
    http = {"type": "http", "url": "http://192.0.2.1/"}
    steps: list[Json] = [{"provider": scaled(cluster, 2), "configuration": {}}, {"provider": http}]
    undo = Call("gameday.faults.activity:undo_all", {"steps": steps}, 9.0)
    plan = Plan("", (), (), undo, undo=undo, commands=("python3 -c …", "curl …"))
    made = led(plan, target)
    assert made.undo is not None and made.undo.timeout == 9.0
    assert [step["cluster"] for step in made.undo.args["steps"]] == [target["settings"]["cluster"]] * 2
    first, second = made.commands
    assert first.startswith(f"KUBERNETES_CONTEXT={cluster.context} KUBECONFIG=") and first.endswith(" python3 -c …")
    assert second == "curl …"
    assert led(made, target) == made
    assert led(plan, {**target, "kind": "other"}) == plan
