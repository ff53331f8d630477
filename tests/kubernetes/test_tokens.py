"""Tokens that end in a line break, or that no header can carry: taken as kubectl takes them, and never shown."""

from __future__ import annotations

import datetime
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cluster import logins
from gameday.cluster.api import Api
from gameday.cluster.lending import kubeconfig_of
from gameday.cluster.resources import PODS
from gameday.errors import TargetError
from gameday.faults import activity
from gameday.faults.chaostoolkit import ActivityFailed
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.world import TOKENS

from .targets import place_of, where
from .test_in_cluster import IN_CLUSTER, Enter, Pod, entered, pod
from .test_logins import credential

__all__ = ["entered", "pod"]

Json = dict[str, Any]

TOKEN = next(token for token, name in TOKENS.items() if name == "gameday")
SECRET = "s3cr3t-t0ken"
UNFIT = [f"{SECRET}\n", f"{SECRET}\nb", f"\n{SECRET}", f"{SECRET}é", f"{SECRET}€", f"{SECRET}\x00", f"{SECRET}\t"]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def user(cluster: Cluster, folder: Path, **keys: Any) -> Json:
    """The way to the cluster by a user that is this."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    for each in found["users"]:
        each["user"] = keys
    cluster.kubeconfig = folder / "own.kubeconfig"
    cluster.kubeconfig.write_text(yaml.safe_dump(found))
    return where(cluster)


def plugin(**status: str) -> Json:
    script = credential(**status)
    api = "client.authentication.k8s.io/v1"
    return {"apiVersion": api, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}


def complaint(do: Callable[[], Any], kind: type[Exception] = TargetError) -> str:
    """What is said, and what a traceback would show, which has no token in it."""
    with pytest.raises(kind) as caught:
        do()
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.double
@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "\n {} \n\n"])
def test_of_a_token_file_what_is_around_the_token_is_left_out(
    cluster: DoubleCluster, tmp_path: Path, around: str
) -> None:
    (tmp_path / "token").write_text(around.format(TOKEN))
    there = user(cluster, tmp_path, tokenFile="token")
    assert Api(there).identity()
    (lent,) = kubeconfig_of(there)["users"]
    assert lent["user"] == {"tokenFile": str(tmp_path / "token"), "token": TOKEN}


@pytest.mark.double
def test_the_file_comes_before_the_token_where_it_can_be_read(cluster: DoubleCluster, tmp_path: Path) -> None:
    there = user(cluster, tmp_path, tokenFile="token", token="an-old-one")
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert Api(there).identity()
    there = user(cluster, tmp_path, tokenFile="gone", token=TOKEN)
    assert Api(there).identity()


@pytest.mark.parametrize("token", UNFIT)
def test_one_that_no_header_can_carry_is_refused_and_not_shown(cluster: Cluster, tmp_path: Path, token: str) -> None:
    there = user(cluster, tmp_path, token=token)
    said = complaint(lambda: Api(there))
    assert f"context {cluster.context} can't be used: its token holds a line break, or another character" in said
    assert "its token holds a line break" in complaint(lambda: kubeconfig_of(there))
    there = user(cluster, tmp_path, exec=plugin(token=token))
    assert "its token, which comes from its log-in plugin sh, holds" in complaint(lambda: Api(there))


def test_of_files_too(cluster: Cluster, tmp_path: Path) -> None:
    there = user(cluster, tmp_path, tokenFile="token")
    (tmp_path / "token").write_bytes(SECRET.encode() + b"\xff\n")
    assert f"its token in {tmp_path}/token holds" in complaint(lambda: Api(there))
    (tmp_path / "token").write_bytes(b"\n")
    assert f"its token file {tmp_path}/token is empty" in complaint(lambda: Api(there))
    for keys, said in (({"token": 5}, "token of its"), ({"username": 5, "password": "x"}, "username of its")):
        there = user(cluster, tmp_path, **keys)
        assert f"{said} user is not text" in complaint(lambda there=there: Api(there))  # type: ignore[misc]


@pytest.mark.double
def test_when_a_plugin_begins_to_give_such_the_old_one_is_used_on(cluster: DoubleCluster, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    old = "2020-01-01T00:00:00Z"
    fine, broken = credential(token=TOKEN, expirationTimestamp=old), credential(token=f"{SECRET}\n")
    made = plugin() | {"args": ["-c", f"test -e {bad} && {broken} || {fine}"]}
    api = Api(user(cluster, tmp_path, exec=made))
    bad.touch()
    assert api.identity()
    cluster.expire()
    assert "which comes from its log-in plugin sh" in complaint(api.identity)


def test_what_fails_at_the_request_does_not_say_what_was_to_be_sent(cluster: Cluster) -> None:
    """Whatever way a value came there by."""
    api = Api(where(cluster))
    configuration = api._client.configuration
    configuration.refresh_api_key_hook = None
    for value in (f"Bearer {SECRET}\n", f"Bearer {SECRET}€"):
        configuration.api_key["authorization"] = value
        for ask in (api.identity, lambda: list(api.watch(PODS, cluster.namespace, since="0", seconds=1))):
            assert "can't be sent" in complaint(ask)


# --- in a pod --------------------------------------------------------------------------------------------------------


@pytest.mark.double
def test_a_pods_token_may_end_in_a_line_break_also_when_it_is_read_anew(
    cluster: DoubleCluster, pod: Enter, entered: Callable[[Pod], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = pod(TOKEN + "\n")
    entered(here)
    api = Api(IN_CLUSTER)
    assert api.identity()
    monkeypatch.setattr(logins._Pod, "token_expires_at", property(_past, lambda *_: None), raising=False)
    api = Api(IN_CLUSTER)
    cluster.rules("other", None, token="another")
    here.token("another\n")
    cluster.forget_requests()
    assert api.identity()
    assert [one.user for one in cluster.requests] == ["other"]
    here.token(f"{SECRET}\nb")
    assert api.identity(), "the one before is used on"
    assert f"its token in {here.folder}/token holds" in complaint(lambda: Api(IN_CLUSTER))
    here.token(TOKEN + "\n")
    (lent,) = kubeconfig_of(IN_CLUSTER)["users"]
    assert lent["user"]["token"] == TOKEN


def _past(_: Any) -> datetime.datetime:
    return datetime.datetime.min


# --- what logs in by itself, and a whole run -------------------------------------------------------------------------


def scaled(cluster: Cluster) -> Json:
    arguments = {"name": "web", "replicas": 1, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments}


@pytest.mark.double
def test_chaosk8s_gets_it_trimmed_and_shows_none(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    (tmp_path / "token").write_text(TOKEN + "\n")
    activity.run_activity(scaled(cluster), cluster=user(cluster, tmp_path, tokenFile="token"))
    assert cluster.get("Deployment", "web")["spec"]["replicas"] == 1  # type: ignore[index]
    for keys in ({"token": f"{SECRET}\n"}, {"exec": plugin(token=f"{SECRET}\n")}):
        there = user(cluster, tmp_path, **keys)
        complaint(lambda there=there: activity.run_activity(scaled(cluster), cluster=there), ActivityFailed)  # type: ignore[misc]


@pytest.mark.double
def test_a_token_file_that_is_written_anew_under_way(cluster: DoubleCluster, tmp_path: Path) -> None:
    """With a line break at its end; the old token is taken no more."""
    cluster.deployment("web", 2)
    (tmp_path / "token").write_text("the-first")
    cluster.rules("first", None, token="the-first")
    user(cluster, tmp_path, tokenFile="token")
    timeline = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 2s}\n"
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web", "service": "web"}}, timeline)
    try:
        process = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the fault in effect", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        (tmp_path / "token").write_text(TOKEN + "\n")
        cluster.expire("first")
        assert process.wait(60) == 0, place.said()
        assert place.exercise().faults["dark"].stage == "recovered"
        place.gone()
        assert cluster.get("Lease", "gameday") is None
        logs = [one.read_text() for one in tmp_path.rglob("*.log")]
        assert logs and not any("Traceback" in each or TOKEN in each for each in logs), logs
    finally:
        place.clean_up()


@pytest.mark.double
def test_one_that_cant_be_sent_under_way_is_loud_and_not_shown(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    (tmp_path / "token").write_text("the-first")
    cluster.rules("first", None, token="the-first")
    user(cluster, tmp_path, tokenFile="token")
    timeline = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 2s}\n"
    place = place_of(
        tmp_path, cluster, {"web": {"workload": "deployment/web", "service": "web"}}, timeline, recovery="3s"
    )
    try:
        process = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the fault in effect", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        (tmp_path / "token").write_text(f"{SECRET}\nb")
        cluster.expire("first")
        assert process.wait(60) == 4, place.said()
        said = json.dumps(place.said()) + "".join(one.read_text() for one in tmp_path.rglob("*.log"))
        assert "holds a line break" in said
        everything = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file() and one.name != "token")
        assert SECRET.encode() not in everything
    finally:
        place.clean_up()


@pytest.mark.double
def test_a_claim_that_cant_be_given_back_for_it_is_told(cluster: DoubleCluster, tmp_path: Path) -> None:
    """The exercise itself goes on with the log-in that it has, and everything is well."""
    (tmp_path / "token").write_text(TOKEN)
    user(cluster, tmp_path, tokenFile="token")
    timeline = "  - {at: 0s, id: first, inject: Look}\n  - {at: 2s, inject: Look again}\n"
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline)
    try:
        process = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("it runs", lambda x: x.phase == "running")
        (tmp_path / "token").write_text(f"{SECRET}\nb")
        assert process.wait(60) == 0, place.said()
        told = (tmp_path / "err").read_text()
        assert "what was to be done at the end was not: context gameday can't be used: its token in" in told
        assert SECRET not in place.said()
    finally:
        place.clean_up()
