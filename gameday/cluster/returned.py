"""Marks that came back by themselves, and marks that are gone: which of them stand for a fault that stands.

A Deployment's controller copies annotations, and no labels, to its ReplicaSets, and `kubectl rollout undo` puts those
of an old one in the place of the Deployment's. So the mark of a fault that was undone long ago may come back, and that
of one that stands may go. What can't be told for certain is left alone, with lines to choose from: what stands there
may be the fault, or what somebody wants. Copies are taken off once a fault is undone.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from gameday.cluster import marks
from gameday.cluster.api import Api, Json
from gameday.cluster.errors import Refused
from gameday.cluster.happenings import REVISION
from gameday.cluster.kubectl import kubectl
from gameday.cluster.marks import EXERCISE, FAULT, MARK
from gameday.cluster.places import Change, located, pointer, replaced, short, value_at
from gameday.cluster.resources import DEPLOYMENTS, REPLICASETS, Resource, annotations_of, labels_of, meta, named, right
from gameday.cluster.rollouts import first_number
from gameday.cluster.services import as_workload

_AT = pointer("metadata", "annotations", MARK)
_LABELS = (EXERCISE, FAULT)
_TRIES = 5
_PATIENCE = 5.0
"""Seconds in which a controller is waited for to see that a mark is gone."""

Told = Literal["stands", "over", "another's", "can't be told"]


class Untold(marks.Interfered):
    """Whether the fault of a mark stands can't be told; it was left alone."""


def told(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> Told:
    """Whether the fault of the mark on this object stands.

    - `stands`: no rollback puts a mark on such a kind; its labels are beside it; or, where somebody took these, the
      object's generation is still next to what it was (a Deployment counts the mark, the strike, and the revision that
      its controller notes; after those a rollback is at least the undo and itself), or the revision runs that came
      about with it, brought back or never left.
    - `over`: nothing is as the fault had it.
    - `another's`: the labels are those of another fault, whose mark a rollback has replaced.
    - `can't be told`: all else. Many changes since do not prove that it was undone.

    Raises:
        Refused, Unreachable: see `Api.ask`.
    """
    said = json.loads(mark)
    if resource != DEPLOYMENTS:
        return "stands"
    there = {key: labels_of(thing)[key] for key in _LABELS if key in labels_of(thing)}
    if there:
        own = {
            key: marks.label_value(str(said[name])) for key, name in zip(_LABELS, ("exercise", "entry"), strict=True)
        }
        return "stands" if there.items() <= own.items() else "another's"
    before, now = said.get("generation"), meta(thing).get("generation")
    if before is not None and now is not None and now <= before + 3:
        return "stands"
    left = _left(thing, mark)
    if not left:
        return "over"
    if any(one["path"].startswith("/spec/template/") for one in left) and _runs_its_own(api, thing, said):
        return "stands"
    return "can't be told"


def told_for_sure(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> tuple[Told, Mapping[str, Any]]:
    """As `told`, and the object that it was told of: where only its controller has yet to see the last change, from
    which the revision follows, that is waited for."""
    until = time.monotonic() + _PATIENCE
    while (found := told(api, resource, thing, mark)) == "can't be told" and time.monotonic() < until:
        if as_workload(resource, thing).settled:
            break
        time.sleep(0.2)
        now = api.get(resource, meta(thing).get("namespace"), meta(thing)["name"])
        if now is None or annotations_of(now).get(MARK) != mark:
            break
        thing = now
    return found, thing


def _left(thing: Mapping[str, Any], mark: str) -> list[Change]:
    """The changes that are as the fault had them."""
    changes = located(thing, json.loads(mark)["changes"])
    return [one for one in changes if value_at(thing, one["path"]) == one["after"] != one["before"]]


def _runs_its_own(api: Api, thing: Mapping[str, Any], said: Mapping[str, Json]) -> bool:
    """Whether the newest revision of a Deployment is the one that came about with the fault: the next after the one of
    before. What somebody rolls out later has a later number, also where its values are the same."""
    before, now = str(said.get("revision")), annotations_of(thing).get(REVISION)
    if not before.isdecimal() or not as_workload(DEPLOYMENTS, thing).settled:
        return False
    try:
        sets = _sets(api, thing)
    except Refused:
        return False
    return any(annotations_of(one).get(REVISION) == now and first_number(one) == int(before) + 1 for one in sets)


def _sets(api: Api, thing: Mapping[str, Any]) -> list[dict[str, Json]]:
    """The ReplicaSets of a Deployment."""
    uid = meta(thing)["uid"]
    found = api.items(REPLICASETS, meta(thing)["namespace"])
    return [one for one in found if any(owner.get("uid") == uid for owner in meta(one).get("ownerReferences") or ())]


def lost_mark(api: Api, resource: Resource, thing: Mapping[str, Any]) -> str:
    """The mark of the fault whose labels are on a Deployment, from a copy on its ReplicaSets; "" where there is none,
    or none that is certain."""
    if resource != DEPLOYMENTS or not all(key in labels_of(thing) for key in _LABELS):
        return ""
    try:
        copies = {annotations_of(one).get(MARK, "") for one in _sets(api, thing)}
    except Refused:
        return ""
    found = [mark for mark in copies if readable(mark) and _is_of(thing, json.loads(mark))]
    return found[0] if len(found) == 1 else ""


def needs(kinds: Sequence[Resource], namespace: str) -> list[str]:
    """The rights to take copies of a mark off that was on such workloads."""
    return [right(verb, REPLICASETS, namespace) for verb in ("list", "patch")] if DEPLOYMENTS in kinds else []


def _is_of(thing: Mapping[str, Any], said: Mapping[str, Json]) -> bool:
    return bool(said["uid"] == meta(thing)["uid"]) and marks.labelled(thing, said)


def readable(mark: str) -> bool:
    """Whether a mark says what it has to."""
    try:
        said = json.loads(mark)
        names = isinstance(said["exercise"], str) and isinstance(said["entry"], str) and isinstance(said["uid"], str)
        return names and all({"path", "before", "after"} <= set(one) for one in said["changes"])
    except (ValueError, KeyError, TypeError):
        return False


def drop(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> dict[str, Json]:
    """Take the mark of a fault off that is over, and its copies, and nothing else: what stands there is somebody's, and
    so is its revision. `{"holds", "evidence"}`.

    Raises:
        Interfered: it is as the fault had it by now.
        Refused, Unreachable: see `Api.ask`.
    """
    what = named(resource, namespace, name)
    for left in reversed(range(_TRIES)):
        thing = api.get(resource, namespace, name)
        if thing is None or annotations_of(thing).get(MARK) != mark:
            break
        changes = [one for one in located(thing, json.loads(mark)["changes"]) if one["before"] != one["after"]]
        if _left(thing, mark):
            raise untold(api, resource, thing, mark)
        patch: list[dict[str, Json]] = [{"op": "test", "path": _AT, "value": mark}]
        alone: list[str] = []
        for change in changes:
            now = value_at(thing, change["path"])
            patch += replaced(change["path"], now, now)
            if now != change["before"]:
                alone.append(f"{change['path']} is {short(now)}, and was {short(change['before'])} before that fault")
        try:
            api.patch(resource, namespace, name, [*patch, {"op": "remove", "path": _AT}])
        except Refused as refused:
            if refused.status not in (409, 422) or not left:
                raise
            continue
        said = (
            f"{what}: a mark was on it of a fault that does not stand, as a rollback brings one back: it was taken off"
        )
        rest = f"; left alone, as somebody has it since: {'; '.join(alone)}" if alone else ""
        copies = tidied(api, resource, namespace, name, mark)
        return {"holds": True, "evidence": f"{said}{rest}{f'; {copies}' if copies else ''}"}
    return {"holds": True, "evidence": f"{what} has no such mark any more"}


def tidied(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> str:
    """As `without_copies`, as soon as its controller has seen that the mark is gone."""
    if resource != DEPLOYMENTS:
        return ""
    until = time.monotonic() + _PATIENCE
    while (thing := api.get(resource, namespace, name)) is not None and "deletionTimestamp" not in meta(thing):
        if as_workload(resource, thing).settled:
            return without_copies(api, resource, thing, mark)
        if time.monotonic() > until:
            return "its controller has not seen that yet, and a ReplicaSet may keep a copy of it"
        time.sleep(0.2)
    return ""


def untold(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> Untold:
    """To be raised where it can't be told whether a fault stands."""
    data, said = meta(thing), json.loads(mark)
    what = named(resource, data.get("namespace"), str(data["name"]))
    is_now = "; ".join(
        f"{one['path']} is {short(one['after'])}, and was {short(one['before'])} before" for one in _left(thing, mark)
    )
    return Untold(
        f"{what}: {is_now}, as {said['entry']} of exercise {said['exercise']} had it, whose mark is on it without its "
        f"labels: whether that fault stands, or somebody wants it so and a rollback brought the mark back, can't be "
        f"told; it was left alone",
        choices(api, resource, thing, mark),
    )


def choices(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> tuple[str, ...]:
    """Shell lines that leave what stands there and take the mark off, or put back what was before: each after a comment
    that says which it is. Where all of them are pasted, what stands there stays."""
    left = _left(thing, mark)
    if not left:
        return ()
    copies = unmarked_by_hand(api, resource, thing, mark)
    seen = [{"op": "test", "path": _AT, "value": mark}]
    same = [one for one in located(thing, json.loads(mark)["changes"]) if one["before"] == one["after"]]
    back = [step for one in reversed([*left, *same]) for step in replaced(one["path"], one["after"], one["before"])]
    off = {"op": "remove", "path": _AT}
    now_is = ", ".join(f"{one['path']} is {short(one['after'])}" for one in left)
    kept = f"# to keep what stands there ({now_is}), and only take the fault's mark off:"
    return marks.two_ways(api, resource, thing, (kept, [*seen, off]), (left, [*seen, *back, off]), *copies)


def unmarked_by_hand(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> tuple[str, ...]:
    """The shell line that takes the copies of a mark off the ReplicaSets of a Deployment, where there are any."""
    try:
        sets = _sets(api, thing) if resource == DEPLOYMENTS else []
    except Refused:
        return ()
    names = [str(meta(one)["name"]) for one in sets if annotations_of(one).get(MARK) == mark]
    return (_unmark(api, meta(thing).get("namespace"), names),) if names else ()


def _unmark(api: Api, namespace: str | None, names: Sequence[str]) -> str:
    sets = [f"{REPLICASETS.full_name}/{name}" for name in names]
    return shlex.join([*kubectl(api.where, namespace), "annotate", *sets, f"{MARK}-"])


def again(thing: Mapping[str, Any], mark: str) -> str:
    """What of an undone fault stands in a pod template again without its mark, in words; "" where nothing does."""
    said = json.loads(mark)
    found = [
        f"{change['path']} is {short(change['after'])}, and was {short(change['before'])} before"
        for change in _left(thing, mark)
        if change["path"].startswith("/spec/template/")
    ]
    whose = f"as {said['entry']} of exercise {said['exercise']} had it"
    return f"{'; '.join(found)}: {whose}; it was rolled out again since, by `kubectl rollout undo` say" if found else ""


def without_copies(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> str:
    """Take the copies of a mark off that is on a Deployment no more, so that no rollback brings it back. Where one
    stays, which and why, in words, else ""; that keeps no fault from being undone.

    `thing`: the workload as it is. Its controller must have seen that, or it would copy the mark once more.
    """
    if resource != DEPLOYMENTS or MARK in annotations_of(thing) or not as_workload(resource, thing).settled:
        return ""
    try:
        return "; ".join(filter(None, _off(api, thing, mark)))
    except RuntimeError as error:
        return f"whether a ReplicaSet has a copy of its mark could not be looked at: {error}"


def _off(api: Api, thing: Mapping[str, Any], mark: str) -> Iterator[str]:
    patch = [{"op": "test", "path": _AT, "value": mark}, {"op": "remove", "path": _AT}]
    for one in _sets(api, thing):
        if annotations_of(one).get(MARK) != mark or "deletionTimestamp" in meta(one):
            continue
        space, name = meta(thing)["namespace"], str(meta(one)["name"])
        try:
            api.patch(REPLICASETS, space, name, patch)
        except Refused as refused:
            # Gone, or somebody was faster.
            if refused.status not in (404, 409, 422):
                yield (
                    f"{named(REPLICASETS, space, name)} keeps a copy of its mark, which `kubectl rollout undo` brings "
                    f"back ({refused}): {_unmark(api, space, [name])}"
                )
