"""What gameday left in a cluster, found by its labels and marks and taken away without any journal.

For `gameday recover --target`: the store may be lost, or of somebody else. What was made is deleted; what was changed
is changed back by what its mark says. Whether an exercise is running there has to be asked before (see `lease`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from gameday.cluster import creations, experiments, history, marks, returned
from gameday.cluster.api import Api, Json
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.marks import EXERCISE, FAULT, MARK, OUTAGE
from gameday.cluster.places import pointer
from gameday.cluster.resources import (
    CHAOS_MESH,
    DEPLOYMENTS,
    DNS_CHAOS,
    IO_CHAOS,
    NETWORK_CHAOS,
    NETWORK_POLICIES,
    NODES,
    POD_CHAOS,
    PODS,
    SERVICES,
    STATEFULSETS,
    STRESS_CHAOS,
    Resource,
    annotations_of,
    labels_of,
    meta,
    named,
)
from gameday.cluster.rollouts import history_of, last_number
from gameday.cluster.services import MANAGED, OURS, as_workload
from gameday.frozen import frozen, replace
from gameday.patterns import pattern

MADE = (NETWORK_POLICIES, POD_CHAOS, NETWORK_CHAOS, DNS_CHAOS, STRESS_CHAOS, IO_CHAOS)
CHANGED = (DEPLOYMENTS, STATEFULSETS, SERVICES, NODES)
MARKED = (PODS,)
"""What Chaos Mesh was to find by a label, whether it was ever told to or not."""
_NAMES = "gameday-"
_LED = pattern(r"(\d{8}-\d{4}-[a-z0-9]{4})-(.+)")
"""The exercise and the fault in what a Service asks for, see `marks.OUTAGE`."""
PATIENCE = 20.0
"""Seconds in which an experiment of Chaos Mesh is waited for until it has recovered."""


@frozen
class Litter:
    """One object that carries a fault, or is one."""

    resource: Resource
    namespace: str | None
    name: str
    exercise: str
    entry: str
    mark: str
    """Empty where the object itself was made by the fault."""
    own: dict[str, str]

    @property
    def shown(self) -> str:
        return named(self.resource, self.namespace, self.name)


def find(api: Api, namespaces: Sequence[str]) -> tuple[list[Litter], list[str]]:
    """All that is there in these namespaces and on nodes, and what could not be looked at (kind and reason)."""
    found: list[Litter] = []
    blind: list[str] = []
    for resource in (*MADE, *CHANGED, *MARKED):
        # A Deployment's controller copies marks to its ReplicaSets, and `kubectl rollout undo` brings them back from
        # there without labels; and people change labels: what can be marked, or made, is all looked at.
        selector = experiments.KILL if resource in MARKED else ""
        for namespace in namespaces if resource.namespaced else (None,):
            try:
                things = api.items(resource, namespace, selector=selector)
            except Refused as refused:
                # A cluster without Chaos Mesh has no such kind, and so none of ours; but whoever may not look is told
                # so before that.
                absent = refused.status == 404 and resource.group == CHAOS_MESH
                if not absent and not (refused.status == 403 and _no_such_group(api, resource)):
                    blind.append(f"{resource.plural}{f' in {namespace}' if namespace else ''}: {refused}")
                continue
            found += _litter(resource, things)
    return found, blind


def _no_such_group(api: Api, resource: Resource) -> bool:
    try:
        api.ask("GET", f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}")
    except Refused as refused:
        return refused.status == 404
    return False


def _litter(resource: Resource, things: Sequence[dict[str, Json]]) -> Iterator[Litter]:
    for thing in things:
        data, tags = meta(thing), labels_of(thing)
        mark = annotations_of(thing).get(MARK, "")
        own = {key: tags[key] for key in (MANAGED, EXERCISE, FAULT, experiments.KILL) if key in tags}
        if resource in MARKED:
            if "deletionTimestamp" not in data:
                yield Litter(resource, data.get("namespace"), str(data["name"]), "", "", "", own)
            continue
        astray = _astray(resource, thing)
        labelled = EXERCISE in tags or FAULT in tags or (resource in MADE and creations.STATE in annotations_of(thing))
        if not mark and not astray and not labelled:
            continue
        said = json.loads(mark) if returned.readable(mark) else {}
        led = _LED.fullmatch(astray)
        exercise, entry = led.groups() if led else (astray, "")
        yield Litter(
            resource,
            data.get("namespace"),
            str(data["name"]),
            tags.get(EXERCISE, "") or str(said.get("exercise", "")) or exercise,
            tags.get(FAULT, "") or str(said.get("entry", "")) or entry,
            mark,
            own,
        )


def _made(thing: Mapping[str, Json]) -> bool:
    """Whether a fault has made an object that has labels of one, and not somebody a copy of it."""
    named_so = str(meta(thing)["name"]).startswith(_NAMES)
    return named_so or labels_of(thing).get(MANAGED) == OURS or creations.STATE in annotations_of(thing)


def _astray(resource: Resource, thing: Mapping[str, Json]) -> str:
    """What a Service asks for that no pod has: the exercise and the fault; "" where it does not.

    Whoever makes one anew from what it was under an outage may leave out its mark, and its labels.
    """
    return str(((thing.get("spec") or {}).get("selector") or {}).get(OUTAGE, "")) if resource == SERVICES else ""


def meant(api: Api, litter: Litter) -> Litter:
    """With the mark of the fault whose labels are on it, where a rollback has taken that away, or has put an older one
    in its place, and a copy of it is left. Raises as `clear` does."""
    there = api.get(litter.resource, litter.namespace, litter.name) if litter.resource in CHANGED else None
    if there is None or not _of_another(api, litter, there):
        return litter
    if not (mark := returned.lost_mark(api, litter.resource, there)):
        raise RuntimeError(_NO_MARK.format(litter.shown))
    return replace(litter, mark=mark)


_NO_MARK = (
    f"{{}} has the labels of a fault, and its mark is gone (annotation {MARK}, which a rollback takes away, or "
    "replaces by an older one): what it was before can't be told here. Where its journal is, `gameday recover` "
    "undoes it"
)


def _of_another(api: Api, litter: Litter, there: Mapping[str, Json]) -> bool:
    """Whether the labels on it are of a fault that its mark, if any, is not of."""
    now = annotations_of(there).get(MARK, "")
    labelled = any(key in labels_of(there) for key in (EXERCISE, FAULT))
    if now != litter.mark or not labelled or _astray(litter.resource, there):
        return False
    return not now or (returned.readable(now) and returned.told(api, litter.resource, there, now) == "another's")


def clear(api: Api, litter: Litter) -> dict[str, Json]:
    """Take one away and look whether it is, as `{"holds", "evidence"}`; one that is `meant`.

    Raises:
        Interfered: somebody else has changed it since, or may have; it was left alone.
        Refused, Unreachable, RuntimeError: it could not be done.
    """
    if litter.mark:
        if not returned.readable(litter.mark):
            raise RuntimeError(f"{litter.shown}: its mark can't be read: {litter.mark[:200]}")
        there = api.get(litter.resource, litter.namespace, litter.name)
        if there is not None and annotations_of(there).get(MARK) == litter.mark:
            told, there = returned.told_for_sure(api, litter.resource, there, litter.mark)
            if told == "over":
                return returned.drop(api, litter.resource, litter.namespace, litter.name, litter.mark)
            if told == "another's":
                raise RuntimeError(_NO_MARK.format(litter.shown))
            if told != "stands":
                raise returned.untold(api, litter.resource, there, litter.mark)
        marks.undo(api, litter.resource, litter.namespace, litter.name, litter.mark)
        verdict = marks.undone(api, litter.resource, litter.namespace, litter.name, litter.mark)
        verdict = _out_of_history(api, litter, verdict) if verdict["holds"] else verdict
        if not verdict["holds"] or "gone" in verdict:
            return verdict
        left = returned.tidied(api, litter.resource, litter.namespace, litter.name, litter.mark)
        return _and(verdict, left)
    if litter.resource == SERVICES:
        there = api.get(SERVICES, litter.namespace, litter.name)
        if there is not None and _astray(SERVICES, there):
            return _led_back(api, litter, there)
    if litter.resource in CHANGED:
        raise RuntimeError(_NO_MARK.format(litter.shown))
    if litter.resource in MARKED:
        return _unmarked(api, litter)
    there = api.get(litter.resource, litter.namespace, litter.name)
    if there is not None and not _made(there):
        raise RuntimeError(
            f"{litter.shown} has labels of a fault, and neither a name nor anything else that a fault gives: whether "
            f"one made it can't be told"
        )
    if litter.resource in experiments.KINDS:
        # Its controller takes back what it has injected, and takes its time for it.
        return experiments.clear(api, litter.resource, litter.namespace, litter.name, litter.own, patience=PATIENCE)
    creations.remove(api, litter.resource, litter.namespace, litter.name, litter.own)
    return creations.gone(api, litter.resource, litter.namespace, litter.name)


def _led_back(api: Api, litter: Litter, there: Mapping[str, Json]) -> dict[str, Json]:
    """Take out of a Service's selector what no pod has, with the labels of the same fault."""
    api.patch(SERVICES, litter.namespace, litter.name, _out_of_selector(there))
    now = api.get(SERVICES, litter.namespace, litter.name)
    if now is not None and _astray(SERVICES, now):
        return {"holds": False, "evidence": f"{litter.shown} still asks for {OUTAGE}, which no pod has"}
    return {"holds": True, "evidence": f"{litter.shown} asks for {OUTAGE} no more, which no pod has"}


def _out_of_selector(there: Mapping[str, Json]) -> list[dict[str, Json]]:
    at, value, tags = pointer("spec", "selector", OUTAGE), _astray(SERVICES, there), labels_of(there)
    patch: list[dict[str, Json]] = [{"op": "test", "path": at, "value": value}, {"op": "remove", "path": at}]
    if marks.label_value(f"{tags.get(EXERCISE)}-{tags.get(FAULT)}") == value:
        for key in (EXERCISE, FAULT):
            patch.append({"op": "test", "path": pointer("metadata", "labels", key), "value": tags[key]})
            patch.append({"op": "remove", "path": pointer("metadata", "labels", key)})
    return patch


def _out_of_history(api: Api, litter: Litter, verdict: dict[str, Json]) -> dict[str, Json]:
    """`verdict`, and whether the revision that a fault has rolled out, if it has, is out of the rollout history."""
    said = json.loads(litter.mark)
    if not any(one["path"].startswith("/spec/template/") for one in said["changes"]):
        return verdict
    ours, others = history.like_changes(said["changes"]), said.get("revisions")
    if ours is None or others is None:
        # Which revision that is can't be told from one like it that was there before.
        stays = "what the fault had rolled out stays in the rollout history"
        return _and(verdict, f"{stays}: `kubectl rollout undo` without --to-revision brings it back")
    there = api.get(litter.resource, litter.namespace, litter.name)
    if there is None or meta(there)["uid"] != said["uid"]:
        return verdict
    if not as_workload(litter.resource, there).settled:
        late = "its controller has not seen that yet, and the broken revision may be in use"
        return {**_and(verdict, late), "holds": False}
    out = history.taken_out(api, litter.resource, str(litter.namespace), there, ours, others)
    return {**_and(verdict, str(out["evidence"])), "holds": out["holds"]}


def forgotten(api: Api, namespaces: Sequence[str]) -> Iterator[tuple[str, dict[str, Json]]]:
    """What faults that are undone left in rollout histories, since whoever undid them was killed before it came to
    that: each workload, and whether it is out of its history now, as `taken_out` says it; with `commands` where one is
    rolled out again, since then only a person knows whose will that is.

    Revisions keep a copy of the mark that their workload had when they were rolled out. Whoever may not look at them
    did not break a rollout either. Raises Unreachable.
    """
    for kind in (DEPLOYMENTS, STATEFULSETS):
        for namespace in namespaces:
            try:
                revisions = api.items(history_of(kind), namespace)
                copies = {annotations_of(one).get(MARK, "") for one in revisions}
                for mark in filter(returned.readable, copies):
                    yield from _forgotten(api, kind, namespace, revisions, mark)
            except Refused:
                continue


def _forgotten(
    api: Api, kind: Resource, namespace: str, revisions: Sequence[dict[str, Json]], mark: str
) -> Iterator[tuple[str, dict[str, Json]]]:
    said = json.loads(mark)
    ours, others = history.like_changes(said["changes"]), said.get("revisions")
    owners = [owner for one in revisions for owner in meta(one).get("ownerReferences") or ()]
    name = next((str(owner["name"]) for owner in owners if owner["uid"] == said["uid"]), None)
    there = api.get(kind, namespace, name) if name is not None else None
    if (
        there is None
        or meta(there)["uid"] != said["uid"]
        or MARK in annotations_of(there)
        or EXERCISE in labels_of(there)
    ):
        # Gone, or a fault stands there: it is taken away with all that belongs to it.
        return
    what = named(kind, namespace, str(name))
    back = returned.again(there, mark)
    if back:
        # A rollback of a StatefulSet brings its template back, and no mark: nothing else finds it.
        commands = marks.by_hand(api.where, kind, namespace, str(name), mark, thing=there, marked=False)
        if keep := returned.unmarked_by_hand(api, kind, there, mark):
            commands = ("# to keep it, and have it said no more:", *keep, "# or to change it back:", *commands)
        yield what, {"holds": False, "evidence": back, "commands": list(commands)}
        return
    if ours is not None and others is not None:
        # One like it that was rolled out since is somebody's.
        others = [*others, *(str(meta(one)["uid"]) for one in revisions if _since(kind, one, mark))]
        verdict = history.taken_out(api, kind, namespace, there, ours, others)
        if verdict["evidence"]:
            yield what, verdict
        if not verdict["holds"]:
            return
    if left := returned.without_copies(api, kind, there, mark):
        yield what, {"holds": True, "evidence": left}


def _since(kind: Resource, revision: Mapping[str, Json], mark: str) -> bool:
    """Whether a revision was rolled out after the fault, for the first time or again."""
    before = str(json.loads(mark).get("revision"))
    if annotations_of(revision).get(MARK) != mark:
        return True
    return kind == DEPLOYMENTS and before.isdecimal() and last_number(revision) != int(before) + 1


def _and(verdict: Mapping[str, Json], more: str) -> dict[str, Json]:
    return {**verdict, "evidence": "; ".join(filter(None, [str(verdict["evidence"]), more]))}


def _unmarked(api: Api, litter: Litter) -> dict[str, Json]:
    experiments.unmark(api, str(litter.namespace), litter.own[experiments.KILL])
    there = api.get(litter.resource, litter.namespace, litter.name)
    if there is not None and experiments.KILL in labels_of(there) and "deletionTimestamp" not in meta(there):
        return {"holds": False, "evidence": f"{litter.shown} still carries the label {experiments.KILL}"}
    return {"holds": True, "evidence": f"{litter.shown} is not marked to be killed any more"}


def by_hand(api: Api, litter: Litter) -> tuple[str, ...]:
    """Shell lines that take it away."""
    if litter.mark and returned.readable(litter.mark):
        there = _asked(api, litter)
        if there is not None and annotations_of(there).get(MARK) == litter.mark:
            told = returned.told(api, litter.resource, there, litter.mark)
            if told == "another's":
                return _unlabelled(api, litter)
            if told == "can't be told":
                return returned.choices(api, litter.resource, there, litter.mark)
        if there is not None and (chosen := marks.choices(api, litter.resource, there, litter.mark)):
            return chosen
        return marks.by_hand(api.where, litter.resource, litter.namespace, litter.name, litter.mark, thing=there)
    if litter.resource in MARKED:
        thing = f"{litter.resource.full_name}/{litter.name}"
        return (shlex.join([*kubectl(api.where, litter.namespace), "label", thing, f"{experiments.KILL}-"]),)
    if litter.resource in experiments.KINDS:
        return experiments.by_hand(api.where, litter.resource, litter.namespace, litter.name)
    if litter.resource == SERVICES and (there := _asked(api, litter)) is not None and _astray(SERVICES, there):
        command = [*kubectl(api.where, litter.namespace), "patch", f"{SERVICES.full_name}/{litter.name}"]
        return (shlex.join([*command, "--type=json", "-p", json.dumps(_out_of_selector(there))]),)
    if litter.resource in CHANGED and not litter.mark:
        return _unlabelled(api, litter)
    if litter.mark:
        # What it was before can't be told; it is somebody's, and not to be deleted.
        command = [*kubectl(api.where, litter.namespace), "get", f"{litter.resource.full_name}/{litter.name}"]
        return (shlex.join([*command, "-o", "yaml"]),)
    return (creations.delete_by_hand(api.where, litter.resource, litter.namespace, litter.name),)


def _asked(api: Api, litter: Litter) -> dict[str, Json] | None:
    """It as it is; None where it is gone, or nobody can be asked."""
    try:
        found: dict[str, Json] | None = api.get(litter.resource, litter.namespace, litter.name)
    except (Refused, Unreachable):
        return None
    return found


def _unlabelled(api: Api, litter: Litter) -> tuple[str, ...]:
    """Shell lines for whoever finds out what it was before."""
    thing = f"{litter.resource.full_name}/{litter.name}"
    command = kubectl(api.where, litter.namespace)
    return (
        shlex.join([*command, "get", thing, "-o", "yaml"]),
        shlex.join([*command, "label", thing, f"{EXERCISE}-", f"{FAULT}-"]),
        *([shlex.join([*command, "annotate", thing, f"{MARK}-"])] if litter.mark else []),
    )
