"""Which pods are made anew when they are gone: a kill is undone by whoever runs them, or by nobody.

Of what Kubernetes itself runs that is known. Of a controller that somebody has added it is not: such pods may be
killed, and whoever approves that is told. Only looks at what a pod says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gameday.cluster.services import Pod

_MAKERS = {("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("", "ReplicationController")}


def not_made_anew(pod: Pod) -> str:
    """Why a pod may not be killed: nobody would make another one like it; else ""."""
    if pod.controller is None:
        return "nothing would make it anew (it has no controller)"
    group, kind, name = pod.controller
    if (group, kind) == ("", "Node"):
        return f"it is a static pod of node {name}, which no deletion ends"
    if (group, kind) == ("batch", "Job"):
        return f"it is of Job {name}: its work would begin once more, or the Job fail"
    return ""


def unsure(pods: Iterable[Pod]) -> Iterator[str]:
    """Notes on pods of controllers that are not Kubernetes' own."""
    makers = {pod.controller for pod in pods if pod.controller is not None and pod.controller[:2] not in _MAKERS}
    for group, kind, name in sorted(makers):
        yield f"their controller is {kind} {name} ({group or 'core'}): whether it makes them anew is not known"
