"""Recovering a target tells the journals of what stood there also where their own way to the cluster is no good."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.store import open_store
from tests.support.kubernetes.cluster import DoubleCluster
from tests.support.processes import kill_together
from tests.support.runs import Place

from .targets import place_of, toml_of
from .test_relogin import another, new_of

pytestmark = pytest.mark.double
SERVICES = {"web": {"workload": "deployment/web"}}
TIMELINE = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 5m}\n"
RECOVER = ("recover", "--target", "staging")


@pytest.fixture
def place(cluster: DoubleCluster, tmp_path: Path) -> Iterator[Place]:
    cluster.deployment("web", 2)
    made = place_of(tmp_path, cluster, SERVICES, TIMELINE, recovery="3s")
    yield made
    made.clean_up()


def left(place: Place) -> str:
    """An exercise that died under its outage."""
    place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("an outage", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
    kill_together(place.processes())
    place.gone()
    return place.exercise().id


def replicas(cluster: DoubleCluster) -> int:
    found: dict[str, Any] | None = cluster.get("Deployment", "web")
    assert found is not None
    return int(found["spec"]["replicas"])


def moved(cluster: DoubleCluster, back: bool = False) -> None:
    """The same kubeconfig and context lead to the same cluster, by another address."""
    names = ("//127.0.0.1:", "//localhost:")
    old, new = reversed(names) if back else names
    cluster.kubeconfig.write_text(cluster.kubeconfig.read_text().replace(old, new))


@pytest.mark.parametrize("command", [("recover",), RECOVER], ids=["journals", "target"])
def test_the_same_cluster_at_another_address_is_taken(
    cluster: DoubleCluster, place: Place, command: tuple[str, ...]
) -> None:
    left(place)
    moved(cluster)
    done = place.call(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leads to http://localhost:" in done.stderr and "leads to the same cluster, and is used" in done.stderr
    assert replicas(cluster) == 2 and place.exercise().faults["dark"].stage == "recovered"


def test_a_journal_in_which_the_target_has_another_name_hears_of_it(
    cluster: DoubleCluster, place: Place, tmp_path: Path
) -> None:
    ident = left(place)
    cluster.expire()
    settings = toml_of(cluster, SERVICES, **new_of(another(cluster, tmp_path)))
    place.write("gameday.toml", settings.replace("[targets.staging", "[targets.lab"))
    done = place.call("recover", "--target", "lab")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ident}: was on this cluster, as target staging" in done.stderr
    assert f"{ident}  dark  recovered" in done.stdout
    assert replicas(cluster) == 2 and place.exercise().faults["dark"].stage == "recovered"


def test_where_nobody_can_tell_that_it_is_the_same_it_says_what_to_do_for_the_journal(
    cluster: DoubleCluster, place: Place
) -> None:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "namespace": cluster.namespace}
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    cluster.rules("gameday", [everything, nodes])
    ident = left(place)
    moved(cluster)
    done = place.call(*RECOVER)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"deployment {cluster.namespace}/web  recovered" in done.stdout and replicas(cluster) == 2
    assert f"{ident}: what dark left here is undone, and its journal still holds it open" in done.stderr
    assert f"has to lead to {cluster.url} again (context gameday leads to http://localhost" in done.stderr
    assert f"\n    gameday recover {ident}\n" in done.stderr
    moved(cluster, back=True)
    done = place.call("recover", ident)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.exercise().faults["dark"].stage == "recovered"


def test_what_is_undone_and_not_as_it_was_since_somebody_else_deleted_it_has_failed(
    cluster: DoubleCluster, place: Place
) -> None:
    ident = left(place)
    cluster.delete("Deployment", "web")
    done = place.call("recover")
    assert f"{ident}  dark  recovered  nothing of it is left, and it is not as it was before" in done.stdout
    assert done.returncode == 1, done.stdout + done.stderr
    again = place.call("recover")
    assert (again.returncode, again.stdout) == (0, "nothing to recover\n"), "it was told"


def test_what_a_journal_knows_of_is_undone_or_said_also_where_the_target_cant_be_searched(
    cluster: DoubleCluster, place: Place
) -> None:
    ident = left(place)
    apps = {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"], "namespace": cluster.namespace}
    cluster.rules("gameday", [])
    refused = place.call(*RECOVER)
    assert refused.returncode == 4, "nobody can say: " + refused.stderr
    assert f"NOT RECOVERED: {ident} dark" in refused.stderr and "kubectl" in refused.stdout
    assert "can't be asked, so it was not searched" in refused.stderr and "403" in refused.stderr
    cluster.rules("gameday", [apps, {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}])
    blind = place.call(*RECOVER)
    assert f"{ident}  dark  recovered" in blind.stdout and replicas(cluster) == 2
    assert blind.returncode == 4, "what else stands there nobody can say: " + blind.stderr


# --- journals that are short -----------------------------------------------------------------------------------------


def shortened(place: Place) -> None:
    """The journal has lost all from the first fault on, as when the log beside its file is lost."""
    with open_store(str(place.store)) as store:
        ident = store.resolve()
        first = next(record.seq for record in store.records(ident) if record.kind.startswith("fault_"))
    with sqlite3.connect(place.store) as raw:
        raw.execute("DELETE FROM gameday_events WHERE seq >= ?", (first,))
        raw.execute("UPDATE gameday_exercises SET unrecovered = 0, last_seq = ?", (first - 1,))
    raw.close()


def test_what_a_journal_that_is_short_does_not_know_of_is_found_and_undone(
    cluster: DoubleCluster, place: Place
) -> None:
    ident = left(place)
    shortened(place)
    assert not place.exercise().faults and replicas(cluster) == 0
    done = place.call("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ident}  dark, deployment {cluster.namespace}/web  recovered" in done.stdout
    assert "its journal did not know that it stood" in done.stdout and replicas(cluster) == 2


def test_where_what_is_missing_cant_be_looked_for_nobody_can_say(cluster: DoubleCluster, place: Place) -> None:
    ident = left(place)
    shortened(place)
    cluster.rules("gameday", [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}])
    done = place.call("recover")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"CAN'T SAY: the journal of {ident} ends in the midst of it and may be short" in done.stderr
    assert "403" in done.stderr and "\n    gameday recover --target staging\n" in done.stderr
    assert "networkpolicies" not in done.stderr, "no fault of its scenario makes any"


def test_what_is_found_and_cant_be_undone_is_said_with_its_commands(cluster: DoubleCluster, place: Place) -> None:
    ident = left(place)
    shortened(place)
    cluster.misbehave(verb="patch", resource="deployments", status=500)
    done = place.call("recover")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"NOT RECOVERED: {ident} dark, deployment {cluster.namespace}/web" in done.stderr
    assert "kubectl" in done.stderr
