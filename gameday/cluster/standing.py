"""Whether an experiment of Chaos Mesh still stands, once all of it was injected: asked while its fault lasts.

Only reads. Chaos Mesh looks for its pods once, and never again at what it has injected: a record is `Injected` still
when its pod has gone, was made anew under the same name, or had its container restarted. So the pods are looked at too.

- **stands**: it is there, ours, set to run, `AllInjected`, and all pods are in it; with a `but` where only some are.
- **does not**: it was deleted, or no pod of one of its ends is in it any more, whoever took them out of it.
- **can't be told**, which raises: nobody answers; Chaos Mesh says nothing of it; its own duration is over, which is
  longer than the fault's, and ends it where nobody else did.

One that is paused or being deleted stands, with a `but`, until its pods have recovered: while Chaos Mesh's controller
or daemon is down it goes on being felt, however it is marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gameday.cluster import creations, experiments
from gameday.cluster.api import Api, Json
from gameday.cluster.resources import IO_CHAOS, PODS, STRESS_CHAOS, Resource, annotations_of, meta, named

Pods = Sequence[Mapping[str, Any]]
"""`namespace`, `name`, `uid` and `restarts` (of its containers, before the fault) of each."""

_IN_CONTAINERS = (STRESS_CHAOS.kind, IO_CHAOS.kind)
"""What these do is done within a container, and ends with it."""
_FEW = 8
"""Up to as many pods are asked for one by one; of more, all of the namespace."""
_SHOWN = 5


def stands(
    api: Api,
    resource: Resource,
    namespace: str,
    name: str,
    own: Mapping[str, str],
    duration: str,
    ends: Sequence[Pods],
) -> dict[str, Json]:
    """Whether it stands, as `{"holds", "evidence"}`, and `but` where only part of it does, in words.

    `own`: its labels; `duration`: as it was made with; `ends`: its pods, and apart from them those at its other end,
    where nothing of it can be felt without either.

    Raises:
        RuntimeError: it can't be told.
        Refused, Unreachable: see `Api.ask`.
    """
    what = named(resource, namespace, name)
    there = api.get(resource, namespace, name)
    pods = [pod for end in ends for pod in end]
    if there is None:
        api.recognise()
        hit = experiments.never_recovered(api, resource, namespace, name)
        if left := [pod for pod in hit if pod not in _gone(_there(api, pods), pods)] if hit else []:
            said = f"{what} was deleted, and Chaos Mesh never said that {_listed(left)} recovered: its finalizer was "
            return _in_part(f"{said}taken off, and what it had done may still be there")
        return {"holds": False, "evidence": f"{what} was deleted"}
    if not creations.has_own(there, own):
        return {"holds": False, "evidence": f"{what} is not this fault's any more"}
    found = experiments.records(there)
    if not found:
        raise RuntimeError(f"Chaos Mesh says of no pod whether it is in {what}")
    taken = _taken(there)
    if not taken and experiments.experiment(there).get("desiredPhase") != "Run":
        now = (there.get("spec") or {}).get("duration")
        if now == duration:
            raise RuntimeError(f"{what} is not to run any more, as when its own duration, {duration}, is over")
        taken = f"has a duration of {now} by now, which was {duration}, and it is over"
    living = _there(api, pods)
    out = _not_injected(found, pods)
    if resource.kind in _IN_CONTAINERS:
        out |= _restarted(found, living, pods)
    out |= _gone(living, pods)
    lost = f"{what} {taken}; " if taken else ""
    if out:
        lost += f"{len(out)} of {len(pods)} pods are not in it any more: {_listed(list(out.values()))}"
    if any(end and all(_place(pod) in out for pod in end) for end in ends):
        # That its pods were made anew is nobody's doing against it: a rollout, or whatever runs them.
        anew = {"replaced": True} if not taken and out.keys() <= _gone(living, pods).keys() else {}
        return {"holds": False, "evidence": f"{lost}{', all of one end' if len(out) < len(pods) else ''}", **anew}
    if taken:
        return _in_part(f"{lost}{'' if out else f'none of its {len(pods)} pods has recovered so far'}")
    if out:
        return _in_part(lost)
    if not experiments.condition(there, "AllInjected"):
        raise RuntimeError(f"every record of {what} is Injected, and AllInjected is not True")
    return {"holds": True, "evidence": f"AllInjected; all its pods are in it: {_listed([_place(p) for p in pods])}"}


def _in_part(words: str) -> dict[str, Json]:
    return {"holds": True, "evidence": words, "but": words}


def _taken(there: Mapping[str, Any]) -> str:
    if "deletionTimestamp" in meta(there):
        return "is being deleted"
    if annotations_of(there).get(experiments.PAUSE) == "true" or experiments.condition(there, "Paused"):
        return "is paused"
    return ""


# --- pods that are not in it any more, each with why, by `namespace/name` ---------------------------------------------


def _not_injected(found: Sequence[experiments.Record], pods: Pods) -> dict[str, str]:
    out = {}
    for place in map(_place, pods):
        phases = [one.phase for one in found if one.pod == place]
        if not phases:
            out[place] = f"{place} has no record"
        # On its way out (`Injected/Wait`) it is in it still, and on its way in not yet.
        elif not all(phase.startswith(experiments.INJECTED) for phase in phases):
            out[place] = f"{place} is {experiments.NOT_INJECTED}"
    return out


def _gone(living: Mapping[str, Mapping[str, Any]], pods: Pods) -> dict[str, str]:
    out = {}
    for pod in pods:
        place = _place(pod)
        now = living.get(place)
        if now is None:
            out[place] = f"{place} is gone"
        elif meta(now)["uid"] != pod["uid"]:
            out[place] = f"{place} was made anew"
    return out


def _restarted(
    found: Sequence[experiments.Record], living: Mapping[str, Mapping[str, Any]], pods: Pods
) -> dict[str, str]:
    """Two machines' clocks don't prove it by themselves: some container of the pod must have been restarted, too."""
    out = {}
    for pod in pods:
        place = _place(pod)
        containers = (living.get(place, {}).get("status") or {}).get("containerStatuses") or ()
        if sum(int(one.get("restartCount") or 0) for one in containers) <= int(pod["restarts"]):
            continue
        states = {str(one.get("name")): one.get("state") or {} for one in containers}
        for one in (one for one in found if one.pod == place and one.container in states):
            since = str((states[one.container].get("running") or {}).get("startedAt") or "")
            if not since or since > one.since:
                out[place] = f"{place} had its container {one.container} restarted"
    return out


def _there(api: Api, pods: Pods) -> dict[str, Mapping[str, Any]]:
    """Those of these names that have not finished."""
    things: list[Mapping[str, Any]] = []
    if len(pods) <= _FEW:
        for pod in pods:
            things += api.items(PODS, pod["namespace"], fields=f"metadata.name={pod['name']}")
    else:
        for namespace in sorted({pod["namespace"] for pod in pods}):
            things += api.items(PODS, namespace)
    going = (one for one in things if (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed"))
    return {_place(meta(one)): one for one in going}


def _place(pod: Mapping[str, Any]) -> str:
    return f"{pod['namespace']}/{pod['name']}"


def _listed(words: Sequence[str]) -> str:
    more = f", and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"
