"""The rollout history of a workload: what a broken rollout of ours leaves in it, and how it is taken out again.

A plain `kubectl rollout undo` goes back to the revision before, and would bring the fault back. Deployments keep
revisions as ReplicaSets, StatefulSets as ControllerRevisions. Only such as came about with the fault are taken out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Json
from gameday.cluster.errors import Refused
from gameday.cluster.kubectl import kubectl
from gameday.cluster.places import Change
from gameday.cluster.resources import STATEFULSETS, Resource, meta, named, right
from gameday.cluster.rollouts import history_of
from gameday.patterns import pattern

IsOurs = Callable[[Mapping[str, Any]], bool]
"""Whether a container of a template is as the fault has it."""
_CONTAINER = pattern(r"/spec/template/spec/containers/\d+/(name|image|env(/\d+)?)")


def is_broken(container: Mapping[str, Any], broken: Mapping[str, Any]) -> bool:
    """Whether a container has what is broken, `{"image": …}` or `{"env": {…}}`."""
    if "image" in broken:
        return bool(container.get("image") == broken["image"])
    values = {one["name"]: one.get("value") or "" for one in container.get("env") or ()}
    return all(values.get(key) == value for key, value in broken["env"].items())


def like(container: str, broken: Mapping[str, Any]) -> IsOurs:
    """Tells the container of this name that has what is broken."""
    return lambda one: one.get("name") == container and is_broken(one, broken)


def like_changes(changes: Sequence[Change]) -> IsOurs | None:
    """Tells the container that a mark's changes break; None where they are of no rollout."""
    container, image = "", None
    env: dict[str, str] = {}
    for one in changes:
        path, after = str(one["path"]), one["after"]
        if _CONTAINER.fullmatch(path) is None:
            continue
        if path.endswith("/name"):
            container = str(after)
        elif path.endswith("/image"):
            image = str(after)
        else:
            items = after if isinstance(after, list) else [after]
            env |= {item["name"]: item.get("value") or "" for item in items if "name" in item}
    if not container or (image is None and not env):
        return None
    return like(container, {"image": image} if image is not None else {"env": env})


def needs(kinds: Sequence[Resource], namespace: str) -> list[str]:
    """The rights to take a revision out of the history of such workloads."""
    kept = dict.fromkeys(history_of(kind) for kind in kinds)
    return [right(verb, each, namespace) for each in kept for verb in ("list", "delete")]


def before(api: Api, kind: Resource, namespace: str, uid: str, ours: IsOurs) -> list[str] | None:
    """Revisions of the workload `uid` that are like the fault's before there was a fault: they are somebody else's.

    None where they may not be looked at: then nothing is to be taken out.
    """
    try:
        return [str(meta(one)["uid"]) for one in _like_it(api, kind, namespace, uid, ours)]
    except Refused:
        return None


def taken_out(
    api: Api, kind: Resource, namespace: str, workload: Mapping[str, Any], ours: IsOurs, others: Sequence[str]
) -> dict[str, Json]:
    """Take out what the fault left of itself, once nothing runs by it; `{"holds", "evidence"}`.

    It does not hold as long as something may still run by it. That it can't be taken out, for want of a right, say, is
    no reason not to hold: it is said, with the command.
    """
    said: list[str] = []
    status = workload.get("status") or {}
    current = [status.get("currentRevision"), status.get("updateRevision")]
    try:
        for one in _like_it(api, kind, namespace, str(meta(workload)["uid"]), ours):
            name, what = str(meta(one)["name"]), named(history_of(kind), namespace, str(meta(one)["name"]))
            if meta(one)["uid"] in others or "deletionTimestamp" in meta(one):
                continue
            runs = (one.get("spec") or {}).get("replicas") or (one.get("status") or {}).get("replicas")
            if runs or name in current:
                still = f"{what}, of the broken rollout, is still in use; once it is not"
                return {"holds": False, "evidence": f"{still}: {_by_hand(api, kind, namespace, name)}"}
            said.append(_delete(api, kind, namespace, one, what))
    except RuntimeError as error:
        said.append(f"whether the broken revision is in the rollout history still could not be looked at: {error}")
    return {"holds": True, "evidence": "; ".join(said)}


def _delete(api: Api, kind: Resource, namespace: str, one: Mapping[str, Any], what: str) -> str:
    resource, data = history_of(kind), meta(one)
    options = {
        "preconditions": {"uid": data["uid"], "resourceVersion": data["resourceVersion"]},
        "propagationPolicy": "Background",
    }
    try:
        api.ask("DELETE", resource.path(namespace, str(data["name"])), body=options)
    except RuntimeError as error:
        return (
            f"{what}, of the broken rollout, stays in the rollout history, where `kubectl rollout undo` finds it "
            f"({error}): {_by_hand(api, kind, namespace, str(data['name']))}"
        )
    return f"{what}, of the broken rollout, is out of the history"


def _by_hand(api: Api, kind: Resource, namespace: str, name: str) -> str:
    return shlex.join([*kubectl(api.where, namespace), "delete", f"{history_of(kind).full_name}/{name}"])


def _like_it(api: Api, kind: Resource, namespace: str, uid: str, ours: IsOurs) -> Iterator[dict[str, Any]]:
    for one in api.items(history_of(kind), namespace):
        owners = meta(one).get("ownerReferences") or ()
        # A ControllerRevision holds a patch of the workload, a ReplicaSet the template itself.
        held = one.get("data") if kind == STATEFULSETS else one
        template = ((held or {}).get("spec") or {}).get("template") or {}
        containers = (template.get("spec") or {}).get("containers") or ()
        if any(owner.get("uid") == uid for owner in owners) and any(map(ours, containers)):
            yield one
