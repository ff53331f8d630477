"""Whether what runs a service is whole after a fault; and where it is not, whether that is somebody else's doing.

What somebody else deleted or scaled to nothing is not ours to undo. Nor has it recovered: that is said by an answer of
its own, see `theirs`. Only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gameday.cluster.api import Api, Json
from gameday.cluster.resources import named
from gameday.cluster.services import Pod, Service, Workload, list_pods, workload


def theirs(evidence: str) -> dict[str, Json]:
    """The answer of a verification where nothing of the fault is left, and somebody else's change keeps all from being
    as it was; see `gameday.engine.ports.Plan`."""
    return {"holds": False, "evidence": evidence, "undone": True}


def scaled_away(runs: Workload) -> dict[str, Json]:
    """The answer where a workload that had replicas is to have none. A fault of gameday's own is verified by itself."""
    words = f"{runs.shown} is to have 0 replicas"
    if runs.marked:
        return {"holds": True, "evidence": f"{words}: {runs.marked} stands on it"}
    return theirs(f"{words}, set by somebody else since, so nothing runs")


def without_pods(api: Api, asked: Service, wanted: int) -> dict[str, Json] | None:
    """The answer where no pod of a service is left because somebody else has taken away what runs it; None where that
    can't be told."""
    if not asked.workload or not wanted:
        return None
    now = workload(api, asked.workload_resource, asked.namespace, asked.workload_name)
    if now is None:
        what = named(asked.workload_resource, asked.namespace, asked.workload_name)
        return theirs(f"{what} does not exist any more: somebody else has deleted it since")
    return scaled_away(now) if now.replicas == 0 else None


def degraded(pods: Sequence[Pod], runs: Workload | None) -> dict[str, Json] | None:
    """How a service that is not whole was before a fault, for `whole_again`; None where it is whole.

    `pods`: all of it, by name, that are there.
    """
    there = [pod for pod in pods if not pod.leaving]
    ready = sum(pod.ready for pod in there)
    wanted = len(there) if runs is None else runs.replicas
    if ready >= wanted and (runs is None or runs.whole):
        return None
    late = "" if runs is None or (runs.settled and runs.rolled_out) else ", its rollout was not through"
    return {"ready": ready, "there": len(there), "words": f"{ready} of {wanted} pods were ready{late}"}


def when(before: Mapping[str, Json]) -> str:
    """In words, when a service counts as recovered that is `degraded` now."""
    return f"when {before['ready']} of its pods are ready, as many as before: it is degraded"


def worse(before: Mapping[str, Json]) -> str:
    """What a plan notes of a service that is `degraded` now."""
    return f"degraded before, {before['words']}: the fault counts as recovered when it is so again"


def whole_again(
    api: Api, runs: Workload | None, asked: Service, wanted: int, before: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """Whether a service has as many ready pods as it should, those that are being deleted not counted.

    `before`: as `degraded` has it. Then it is enough that it is as it was: as many ready pods, and as many pods.
    """
    selector, late = asked.selector, ""
    if runs is not None:
        now = workload(api, runs.resource, runs.namespace, runs.name)
        if now is None:
            return theirs(f"{runs.shown} does not exist any more: somebody else has deleted it since")
        if now.replicas == 0 and wanted:
            return scaled_away(now)
        selector, wanted, late = now.selector, now.replicas, "" if now.whole else now.words()
        if late and before is None:
            return {"holds": False, "evidence": late}
    elif before is not None:
        wanted = before["there"]
    there = [pod for pod in list_pods(api, asked.namespace, selector) if not pod.leaving]
    ready = sum(pod.ready for pod in there)
    words = f"{ready} of {wanted} pods of {asked.name} are ready"
    if before is None:
        return {"holds": ready >= wanted, "evidence": words}
    was = f"it was degraded before the fault: {before['words']}"
    if ready >= wanted and not late:
        return {"holds": True, "evidence": f"{words}; {was}"}
    enough = ready >= min(before["ready"], wanted) and len(there) >= min(before["there"], wanted)
    return {"holds": enough, "evidence": f"{words}{', as many as before' if enough else ''}; {was}"}
