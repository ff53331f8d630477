"""Whether what runs a service is whole after a fault; and where it is not, whether that is somebody else's doing.

What somebody else deleted or scaled to nothing is not ours to undo. Nor has it recovered: that is said by an answer of
its own, see `theirs`. Only reads.
"""

from __future__ import annotations

from gameday.cluster.api import Api, Json
from gameday.cluster.resources import named
from gameday.cluster.services import Service, Workload, list_pods, workload


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


def whole_again(api: Api, runs: Workload | None, asked: Service, wanted: int) -> dict[str, Json]:
    """Whether a service has as many ready pods as it should, those that are being deleted not counted."""
    if runs is not None:
        now = workload(api, runs.resource, runs.namespace, runs.name)
        if now is None:
            return theirs(f"{runs.shown} does not exist any more: somebody else has deleted it since")
        if now.replicas == 0 and wanted:
            return scaled_away(now)
        if not now.whole:
            return {"holds": False, "evidence": now.words()}
        selector, wanted = now.selector, now.replicas
    else:
        selector = asked.selector
    ready = [pod for pod in list_pods(api, asked.namespace, selector) if pod.ready and not pod.leaving]
    return {"holds": len(ready) >= wanted, "evidence": f"{len(ready)} of {wanted} pods of {asked.name} are ready"}
