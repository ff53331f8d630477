"""Experiments of Chaos Mesh: what their status says, how they are paused, ended, and found to be over.

Its controllers tell it on the object itself, in `status`, which is no subresource: whoever writes an object whole
overwrites it, so objects are only ever patched. What an experiment does to whom is the fault's business.

- **injected**: condition `AllInjected`, and every pod's record in phase `Injected`.
- **over**: condition `AllRecovered`, the desired phase is `Stop`, and every record is in phase `Not Injected`. The
  first alone is true before anything is injected, too.
- **gone**: Chaos Mesh's finalizer keeps a deleted experiment until all its records are `Not Injected`, so one that is
  gone has recovered, unless somebody took the finalizer away by force. We never do, and say that nobody should; where
  its events say of a pod that it was hit, and not that it recovered, somebody did.
- **unknown**: Chaos Mesh was uninstalled, and its kinds with it: nobody takes back what it had done, and nobody tells.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gameday.cluster import creations
from gameday.cluster.anew import not_made_anew
from gameday.cluster.api import Api, Json, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.marks import pointer
from gameday.cluster.resources import (
    DNS_CHAOS,
    EVENTS,
    IO_CHAOS,
    NETWORK_CHAOS,
    POD_CHAOS,
    PODS,
    STRESS_CHAOS,
    Resource,
    annotations_of,
    meta,
    named,
)
from gameday.cluster.services import as_pod
from gameday.frozen import frozen, replace

KINDS = (POD_CHAOS, NETWORK_CHAOS, DNS_CHAOS, STRESS_CHAOS, IO_CHAOS)
NUDGED_AT = pointer("metadata", "annotations", "gameday.dev/nudged")
"""Where an annotation is put that means nothing: Chaos Mesh looks again at what has changed."""
PAUSE = "experiment.chaos-mesh.org/pause"
"""Annotation: an experiment with it, `"true"`, injects nothing, and takes back what it has injected."""
FINALIZER = "chaos-mesh/records"
KILL = "gameday.dev/kill"
"""Label of a pod that is to be killed: the name of the PodChaos that selects by it."""
INJECTED, NOT_INJECTED = "Injected", "Not Injected"
_ONE_SHOT = ("pod-kill", "container-kill")
ADVICE = (
    "don't take the finalizer off (cleanFinalizer=forced), it holds the only record of what is left; see whether Chaos "
    "Mesh's controller and its daemon on that node run: it tries again ever more rarely, or never, and at once when "
    "its controller is restarted; a pod that is deleted is let go of"
)
_REMAINS = {
    NETWORK_CHAOS.kind: "its network rules (tc, iptables, ipset)",
    DNS_CHAOS.kind: "its name server in /etc/resolv.conf",
    STRESS_CHAOS.kind: "its stress processes",
    IO_CHAOS.kind: "its file system over the volume",
}
"""What an experiment leaves in pods that nobody takes it back from; it goes with the pod."""
_MANY = 8
"""Pods of whose events the API server keeps each one; of more, it may have dropped some."""
_LOOK_AGAIN = 0.1
_TRIES = 5

Pods = Sequence[Mapping[str, str]]
"""Whom an experiment is for: `namespace`, `name` and `uid` of each."""


@frozen
class Record:
    """What Chaos Mesh notes of one pod, or one container of it."""

    pod: str
    """`namespace/name`."""
    phase: str
    said: str
    """The last thing that went wrong with it, or ""."""
    container: str = ""
    """Its name, where it is of one."""
    since: str = ""
    """When it was last injected, by the controller's clock, as the API server writes times; "" where it never was."""

    def words(self) -> str:
        return f"{self.pod} is {self.phase}{f' ({self.said})' if self.said else ''}"


def records(thing: Mapping[str, Any]) -> list[Record]:
    """The records of an experiment; none where no pod was selected so far."""
    found = []
    for one in experiment(thing).get("containerRecords") or ():
        events = one.get("events") or ()
        failures = [event for event in events if event.get("type") == "Failed"]
        said = " ".join(str(failures[-1].get("message") or "").split())[:200] if failures else ""
        namespace, _, rest = str(one.get("id") or "").partition("/")
        name, _, container = rest.partition("/")
        phase = str(one.get("phase") or "")
        applied = [e for e in events if e.get("type") == "Succeeded" and e.get("operation") == "Apply"]
        since = str(applied[-1].get("timestamp") or "") if applied else ""
        found.append(Record(f"{namespace}/{name}", phase, said if phase != INJECTED else "", container, since))
    return found


def experiment(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Chaos Mesh says of an experiment: `desiredPhase`, `containerRecords`; empty where it has not looked."""
    found: Mapping[str, Any] = (thing.get("status") or {}).get("experiment") or {}
    return found


def condition(thing: Mapping[str, Any], name: str) -> bool:
    """Whether a condition of its status is True."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == name and one.get("status") == "True" for one in conditions)


def injected(thing: Mapping[str, Any], pods: Iterable[str]) -> dict[str, Json]:
    """Whether all of these pods (`namespace/name`), those of its `target` too, have it, as `{"holds", "evidence"}`."""
    wanted = list(pods)
    found = records(thing)
    if not found and not thing.get("status"):
        return {"holds": False, "evidence": "Chaos Mesh has not looked at it so far: does its controller run?"}
    if not found:
        return {"holds": False, "evidence": "Chaos Mesh has selected no pod"}
    if late := [one for one in found if one.phase != INJECTED]:
        done = len(found) - len(late)
        said = "; ".join(one.words() for one in late[:5])
        return {"holds": False, "evidence": f"{done} of {len(found)} pods are injected: {said}"}
    own = {one.pod for one in found}
    if missing := [pod for pod in wanted if pod not in own]:
        return {"holds": False, "evidence": f"Chaos Mesh has not selected {', '.join(missing[:5])}"}
    if strangers := sorted(own - set(wanted)):
        return {"holds": False, "evidence": f"Chaos Mesh has selected others, too: {', '.join(strangers[:5])}"}
    if not condition(thing, "AllInjected"):
        return {"holds": False, "evidence": "every pod's record is Injected, and AllInjected is not True yet"}
    return {"holds": True, "evidence": f"AllInjected; every record is Injected: {', '.join(sorted(own))}"}


def over(thing: Mapping[str, Any]) -> dict[str, Json]:
    """Whether nothing of it is injected any more, nor will be, as `{"holds", "evidence"}`. For one that is paused."""
    found, desired = records(thing), experiment(thing).get("desiredPhase") or ""
    if not found and desired != "Run":
        return {"holds": True, "evidence": "Chaos Mesh never selected a pod"}
    if left := [one for one in found if one.phase != NOT_INJECTED]:
        # The reason once: they mostly share it, and what to do about it comes after this.
        said = "; ".join(replace(one, said=one.said[:100] if one is left[0] else "").words() for one in left[:5])
        return {"holds": False, "evidence": f"{len(left)} of {len(found)} pods have not recovered: {said}"}
    if desired != "Stop":
        return {"holds": False, "evidence": f"its desired phase is {desired or 'not known'}, not Stop"}
    if not condition(thing, "AllRecovered"):
        return {"holds": False, "evidence": "every pod's record is Not Injected, and AllRecovered is not True yet"}
    return {"holds": True, "evidence": "AllRecovered, and every record is Not Injected"}


def complaints(api: Api, resource: Resource, namespace: str, name: str) -> list[str]:
    """What Chaos Mesh's events say went wrong, oldest first; that there was no target stands nowhere else."""
    fields = f"involvedObject.name={name},involvedObject.kind={resource.kind}"
    try:
        events = api.items(EVENTS, namespace, fields=fields)
    except (Refused, Unreachable) as error:
        return [f"(its events could not be read: {error})"]
    wrong = [one for one in events if one.get("type") == "Warning"]
    wrong.sort(key=lambda one: str(one.get("lastTimestamp") or meta(one).get("creationTimestamp") or ""))
    return list(dict.fromkeys(" ".join(str(one.get("message") or "").split())[:200] for one in wrong))


# --- the end ---------------------------------------------------------------------------------------------------------


def end(
    api: Api, resource: Resource, namespace: str | None, name: str, own: Mapping[str, str], *, patience: float
) -> None:
    """Pause it, wait up to `patience` seconds until it is over, delete it. Legal from every state; not there is fine.

    One that is done once knows no pause: the pods that it has not killed yet lose the mark by which it selects them.
    What has not recovered by then is deleted all the same where Chaos Mesh's finalizer holds it: it stays, visible,
    until it has. So is what may not be paused: while its controller is down, Chaos Mesh's webhook has every change
    refused, yet no deletion, and what is deleted it ends as soon as it is back.
    Where nothing holds it, the record of what is injected would be lost, so it stays as it is. One that is being
    deleted already is nudged: where a recovery failed once, Chaos Mesh may never try it again (a StressChaos).

    Raises:
        RuntimeError: it is not ours, or it may not be deleted, see above.
        Refused, Unreachable: see `Api.ask`.
    """
    until = time.monotonic() + patience
    try:
        there: dict[str, Json] | None = api.get(resource, namespace, name)
    except Unreachable:
        if _unknown(api, resource):
            # There is nothing to end; what that means for the fault is for its verification to say.
            return
        raise
    if there is not None and _one_shot(there):
        unmark(api, str(namespace), name)
    elif there is not None:
        try:
            there = _paused(api, resource, namespace, name, own)
        except Refused:
            there, until = api.get(resource, namespace, name), 0.0
            if there is not None and not _is_held(there) and not over(there)["holds"]:
                raise
    while there is not None and "deletionTimestamp" not in meta(there):
        found = over(there)
        if found["holds"] or _one_shot(there):
            break
        if time.monotonic() >= until:
            if not _is_held(there):
                raise RuntimeError(
                    f"{named(resource, namespace, name)} is paused, and {found['evidence']}; Chaos Mesh's finalizer "
                    f"{FINALIZER} is gone from it, so it was not deleted: it holds the only record of them"
                )
            break
        time.sleep(_LOOK_AGAIN)
        there = api.get(resource, namespace, name)
    if there is not None:
        if "deletionTimestamp" in meta(there):
            _nudge(api, resource, namespace, name, there)
        if over(there)["holds"]:
            _seen_over.add(_place(resource, namespace, name))
        creations.remove(api, resource, namespace, name, own)


def _paused(
    api: Api, resource: Resource, namespace: str | None, name: str, own: Mapping[str, str]
) -> dict[str, Json] | None:
    """The experiment with its pause, and past being struck; None where there is none."""
    for left in reversed(range(_TRIES)):
        there: dict[str, Json] | None = api.get(resource, namespace, name)
        if there is None or "deletionTimestamp" in meta(there):
            return there
        if not creations.has_own(there, own):
            raise RuntimeError(f"{named(resource, namespace, name)} is not this fault's any more: it was left alone")
        patch: list[dict[str, Json]] = [{"op": "test", "path": "/metadata/uid", "value": meta(there)["uid"]}]
        if not annotations_of(there):
            patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        for key, value in ((creations.STATE, "over"), (PAUSE, "true")):
            patch.append({"op": "add", "path": pointer("metadata", "annotations", key), "value": value})
        try:
            paused: dict[str, Json] = api.patch(resource, namespace, name, patch)
            return paused
        except Refused as refused:
            # Gone or made anew meanwhile, or its controller wrote to it at the same time: look again.
            if refused.status not in (404, 409, 422) or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _nudge(api: Api, resource: Resource, namespace: str | None, name: str, there: Mapping[str, Any]) -> None:
    patch: list[dict[str, Json]] = [{"op": "test", "path": "/metadata/uid", "value": meta(there)["uid"]}]
    if not annotations_of(there):
        patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    patch.append({"op": "add", "path": NUDGED_AT, "value": f"{time.time():.3f}"})
    with contextlib.suppress(Refused):
        # Gone meanwhile, or its controller is down, which refuses changes: nobody there to be nudged.
        api.patch(resource, namespace, name, patch)


def _is_held(thing: Mapping[str, Any]) -> bool:
    return FINALIZER in (meta(thing).get("finalizers") or ())


def _one_shot(thing: Mapping[str, Any]) -> bool:
    """It is done once and knows no pause."""
    return thing.get("kind") == POD_CHAOS.kind and (thing.get("spec") or {}).get("action") in _ONE_SHOT


def unmark(api: Api, namespace: str, name: str) -> None:
    """Take the mark of the PodChaos `name` off whoever still lives.

    Raises:
        Refused, Unreachable: see `Api.ask`.
    """
    mark_at = pointer("metadata", "labels", KILL)
    for thing in api.items(PODS, namespace, selector=f"{KILL}={name}"):
        if "deletionTimestamp" in meta(thing):
            continue
        patch = [{"op": "test", "path": mark_at, "value": name}, {"op": "remove", "path": mark_at}]
        try:
            api.patch(PODS, namespace, str(meta(thing)["name"]), patch)
        except Refused as refused:
            # Gone meanwhile, or unmarked: no mark either way.
            if refused.status not in (404, 422):
                raise


_seen_over: set[str] = set()
"""What this process has seen to be over before it deleted it."""


def _place(resource: Resource, namespace: str | None, name: str) -> str:
    return f"{resource.kind} {namespace}/{name}"


def ended(api: Api, resource: Resource, namespace: str | None, name: str, pods: Pods = ()) -> dict[str, Json]:
    """Whether it is gone, and so has recovered, as `{"holds", "evidence"}`. `pods`: whom it is for.

    Where Chaos Mesh can't tell any more (it was uninstalled, or its finalizer taken off by force), what it has done is
    gone only with the pods.
    """
    what = named(resource, namespace, name)
    try:
        there = api.get(resource, namespace, name)
    except Unreachable:
        if not _unknown(api, resource):
            raise
        return _without_chaos_mesh(
            api,
            resource,
            pods,
            f"Chaos Mesh was uninstalled: the API server knows no {resource.kind} any more, so nobody takes back what "
            f"{what} has done, nor tells whether it did",
        )
    if there is None:
        api.recognise()
        if hit := never_recovered(api, resource, str(namespace), name):
            whom = ", ".join(hit)
            said = f"{what} is gone, and Chaos Mesh never said that {whom} recovered: its finalizer was taken off"
            return _without_chaos_mesh(api, resource, pods, said)
        return {"holds": True, "evidence": f"{what} is gone: Chaos Mesh lets one go when all of it has recovered"}
    state = over(there)["evidence"]
    if "deletionTimestamp" not in meta(there):
        return {"holds": False, "evidence": f"{what} is still there: {state}"}
    held = ", ".join(meta(there).get("finalizers") or ()) or "nothing"
    for_good = f"; where Chaos Mesh is gone for good: {_by_force(api, resource, pods)}" if pods else ""
    return {"holds": False, "evidence": f"{what} is being deleted, held by {held}: {state}; {ADVICE}{for_good}"}


def _unknown(api: Api, resource: Resource) -> bool:
    """Whether an API server, and nobody else, says that it has no such kind. Raises as `Api.ask` does."""
    try:
        group = api.ask("GET", f"/apis/{resource.group}/{resource.version}")
    except Refused as refused:
        return refused.status == 404 and "gitVersion" in api.ask("GET", "/version")
    return all(one.get("name") != resource.plural for one in group.get("resources") or ())


def never_recovered(api: Api, resource: Resource, namespace: str, name: str) -> list[str]:
    """Pods (`namespace/name`) that Chaos Mesh's events say were hit, and not that they recovered after that."""
    if _place(resource, namespace, name) in _seen_over or resource == POD_CHAOS:
        return []
    fields = f"involvedObject.name={name},involvedObject.kind={resource.kind}"
    try:
        events = api.items(EVENTS, namespace, fields=fields)
    except Refused:
        # Who may not look goes by the finalizer alone.
        return []
    hit: dict[str, bool] = {}
    for one in sorted(events, key=_when):
        pod = "/".join(str(one.get("message") or "").rpartition(" ")[2].split("/")[:2])
        if one.get("reason") in ("Applied", "Recovered"):
            hit[pod] = one["reason"] == "Applied"
    return sorted(pod for pod, still in hit.items() if still) if len(hit) <= _MANY else []


def _when(event: Mapping[str, Any]) -> tuple[str, int]:
    at = str(event.get("lastTimestamp") or event.get("eventTime") or meta(event).get("creationTimestamp") or "")
    return at, int(event.get("reason") == "Recovered")


def _without_chaos_mesh(api: Api, resource: Resource, pods: Pods, said: str) -> dict[str, Json]:
    if resource == POD_CHAOS:
        return {"holds": True, "evidence": f"{said}; nobody is killed any more"}
    if pods and not _living(api, pods):
        return {"holds": True, "evidence": f"{said}; all pods that it was for are gone, and all of it with them"}
    return {"holds": False, "evidence": f"{said}; {_by_force(api, resource, pods)}"}


def _alone(api: Api, pods: Pods) -> str:
    """Which of these pods nobody makes anew, in words; "" where there is none."""
    names = {(pod["namespace"], pod["name"]) for pod in pods}
    things = [one for space in sorted({space for space, _ in names}) for one in api.items(PODS, space)]
    found = [one for one in map(as_pod, things) if (one.namespace, one.name) in names and not_made_anew(one)]
    return "".join(f"; {one.name}: {not_made_anew(one)}, so make it anew yourself" for one in found)


def _living(api: Api, pods: Pods) -> list[Mapping[str, str]]:
    found = []
    for namespace in sorted({pod["namespace"] for pod in pods}):
        there = {str(meta(thing)["uid"]) for thing in api.items(PODS, namespace)}
        found += [pod for pod in pods if pod["namespace"] == namespace and pod["uid"] in there]
    return found


def _by_force(api: Api, resource: Resource, pods: Pods) -> str:
    """What may still stand, and shell lines that get rid of it."""
    remains = _REMAINS.get(resource.kind, "what it does")
    living = _living(api, pods)
    lines = [
        shlex.join(
            [*kubectl(api.where, space), "delete", "pod", *(p["name"] for p in living if p["namespace"] == space)]
        )
        for space in sorted({pod["namespace"] for pod in living})
    ]
    if not lines:
        return f"{remains} may still be in the pods that it was for: delete these, so that new ones are made"
    return f"{remains} may still be in these pods; to have them made anew: {'; '.join(lines)}{_alone(api, living)}"


def clear(
    api: Api, resource: Resource, namespace: str | None, name: str, own: Mapping[str, str], *, patience: float
) -> dict[str, Json]:
    """`end`, and whether it is gone within `patience` seconds in all. For whoever has no journal to go by.

    Raises:
        RuntimeError, Refused, Unreachable: see `end`.
    """
    until = time.monotonic() + patience
    end(api, resource, namespace, name, own, patience=patience * 0.8)
    while not (found := ended(api, resource, namespace, name))["holds"] and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN)
    return found


def by_hand(where: Where, resource: Resource, namespace: str | None, name: str) -> tuple[str, ...]:
    """Shell lines that pause it, show how far it has recovered, and delete it."""
    thing, command = f"{resource.full_name}/{name}", kubectl(where, namespace)
    status = "jsonpath={.status.experiment}"
    return (
        shlex.join([*command, "annotate", "--overwrite", thing, f"{PAUSE}=true"]),
        shlex.join([*command, "get", thing, "-o", status]),
        shlex.join([*command, "delete", "--wait=false", thing]),
    )
