"""From a service's name to what it is in the cluster: its pods, what runs them, and which of them may be touched.

Only reads. What is protected is left out here, for every fault alike; how many a fault takes is the fault's business.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Json
from gameday.cluster.errors import Refused
from gameday.cluster.marks import FAULT, MARK
from gameday.cluster.resources import (
    DISRUPTION_BUDGETS,
    NAMESPACES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    WORKLOADS,
    Resource,
    annotations_of,
    labels_of,
    meta,
    named,
)
from gameday.frozen import frozen, replace
from gameday.targets.selectors import as_text, matches, parse

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that are never touched, whatever a target says."""
PROTECTED = "gameday.dev/protected"
MANAGED = "app.kubernetes.io/managed-by"
OURS = "gameday"


@frozen
class Service:
    """What a name that scenarios use stands for, from the target's settings; "" or () where it says nothing."""

    name: str
    namespace: str
    workload: str = ""
    """`deployment/NAME` or `statefulset/NAME`."""
    selector: str = ""
    service: str = ""
    address: str = ""
    external: tuple[str, ...] = ()
    proxy: str = ""
    target: str = ""
    """Whose service it is, where that is known."""

    @property
    def table(self) -> str:
        """Where in the settings it is said what it is: `[targets.staging.services.checkout]`."""
        return f"[targets.{self.target or '…'}.services.{self.name}]"

    @property
    def workload_resource(self) -> Resource:
        return WORKLOADS[self.workload.partition("/")[0]]

    @property
    def workload_name(self) -> str:
        return self.workload.partition("/")[2]


def service(target: Mapping[str, Json], name: str) -> Service:
    """The service `name` of a target (`TargetInfo` as JSON).

    Raises:
        ValueError: the target has no such service, or may not touch the namespace that it is in.
    """
    tables = target["settings"]["services"]
    if name not in tables:
        raise ValueError(
            f"target {target['name']} publishes no service {name!r}: there is {', '.join(tables) or 'none'}"
        )
    found = dict(tables[name])
    found["external"] = tuple(found.get("external", ()))
    made = Service(name=name, target=target["name"], **found)
    if made.namespace not in target["settings"]["namespaces"]:
        raise ValueError(f"{name} is in namespace {made.namespace}, which target {target['name']} may not touch")
    if made.namespace in SYSTEM:
        raise ValueError(f"{name} is in namespace {made.namespace}, which is never touched")
    return made


@frozen
class Pod:
    """One pod, as far as faults want to know it."""

    name: str
    namespace: str
    uid: str
    version: str
    """Its resourceVersion."""
    node: str
    owner: str
    """E.g. `ReplicaSet checkout-7d9c`; "" for a pod of its own."""
    ready: bool
    running: bool
    leaving: bool
    labels: Mapping[str, str]
    restarts: int = 0
    controller: tuple[str, str, str] | None = None
    """API group, kind and name of the owner that sees to it that there is such a pod."""

    @property
    def counts(self) -> bool:
        """Whether shares are reckoned of it: it runs, and is not on its way out."""
        return self.running and not self.leaving

    @property
    def shown(self) -> str:
        """E.g. `pod shop/checkout-7d9c-x2x (ReplicaSet checkout-7d9c, on worker-1)`."""
        about = ", ".join(part for part in (self.owner or "no owner", self.node and f"on {self.node}") if part)
        return f"pod {self.namespace}/{self.name} ({about})"


def as_pod(thing: Mapping[str, Any]) -> Pod:
    """A pod from the server's JSON."""
    data, status = meta(thing), thing.get("status") or {}
    ruling = [one for one in data.get("ownerReferences") or () if one.get("controller")]
    owners = ruling or data.get("ownerReferences")
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions") or ()}
    containers = status.get("containerStatuses") or ()
    return Pod(
        name=str(data.get("name")),
        namespace=str(data.get("namespace")),
        uid=str(data.get("uid")),
        version=str(data.get("resourceVersion")),
        node=str((thing.get("spec") or {}).get("nodeName") or ""),
        owner=f"{owners[0]['kind']} {owners[0]['name']}" if owners else "",
        ready=conditions.get("Ready") == "True",
        running=status.get("phase") == "Running",
        leaving="deletionTimestamp" in data,
        labels=data.get("labels") or {},
        restarts=sum(int(one.get("restartCount") or 0) for one in containers),
        controller=_controller(ruling[0]) if ruling else None,
    )


def _controller(owner: Mapping[str, Any]) -> tuple[str, str, str]:
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    return group, str(owner.get("kind")), str(owner.get("name"))


@frozen
class Workload:
    """A Deployment or StatefulSet and how whole it is."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    replicas: int
    ready: int
    updated: int
    settled: bool
    """Its controller has seen the newest specification."""
    rolled_out: bool
    """Its pods are of the newest template, as far as its strategy wants them to be; no old ones are left beside."""
    selector: str
    labels: Mapping[str, str]
    marked: str = ""
    """The fault of gameday's that stands on it, if any, by its entry."""

    @property
    def shown(self) -> str:
        return named(self.resource, self.namespace, self.name)

    @property
    def whole(self) -> bool:
        return self.settled and self.ready >= self.replicas and self.rolled_out

    def words(self) -> str:
        """E.g. `2 of 3 pods of deployment shop/checkout are ready`."""
        late = "" if self.settled and self.rolled_out else ", its rollout is not through"
        return f"{self.ready} of {self.replicas} pods of {self.shown} are ready{late}"


def as_workload(resource: Resource, thing: Mapping[str, Any]) -> Workload:
    """A workload from the server's JSON."""
    data, spec, status = meta(thing), thing.get("spec") or {}, thing.get("status") or {}
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    return Workload(
        resource=resource,
        namespace=str(data.get("namespace")),
        name=str(data.get("name")),
        uid=str(data.get("uid")),
        replicas=replicas,
        ready=int(status.get("readyReplicas") or 0),
        updated=int(status.get("updatedReplicas") or 0),
        settled=int(status.get("observedGeneration") or 0) >= int(data.get("generation") or 0),
        rolled_out=_rolled_out(resource, spec, status, replicas),
        selector=as_text(spec.get("selector") or {}),
        labels=data.get("labels") or {},
        marked=labels_of(thing).get(FAULT, "a fault") if MARK in annotations_of(thing) else "",
    )


def _rolled_out(resource: Resource, spec: Mapping[str, Any], status: Mapping[str, Any], replicas: int) -> bool:
    updated = int(status.get("updatedReplicas") or 0)
    if resource is STATEFULSETS:
        strategy = spec.get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return True
        return updated >= replicas - int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    # A new pod beside as many old ones as are wanted is a rollout that is under way, or hangs.
    return bool(spec.get("paused")) or (updated >= replicas and int(status.get("replicas") or 0) <= updated)


def workload(api: Api, resource: Resource, namespace: str, name: str) -> Workload | None:
    """The workload of this name, or None where there is none."""
    thing = api.get(resource, namespace, name)
    return None if thing is None else as_workload(resource, thing)


def workload_of(api: Api, asked: Service) -> Workload:
    """What runs a service.

    Raises:
        ValueError: the settings name none, or it doesn't exist.
    """
    if not asked.workload:
        raise ValueError(f'what runs {asked.name} is not known: say so under {asked.table}, workload = "deployment/…"')
    found = workload(api, asked.workload_resource, asked.namespace, asked.workload_name)
    if found is None:
        raise ValueError(f"{asked.name}: there is no {asked.workload} in namespace {asked.namespace}")
    return found


def owner_of(api: Api, pods: Sequence[Pod]) -> Workload | None:
    """The one Deployment or StatefulSet that all these pods are of; None where there is none, or are several."""
    found: Workload | None = None
    for kind, name in {tuple(pod.owner.split(" ", 1)) for pod in pods if " " in pod.owner}:
        if kind == "ReplicaSet":
            thing = api.get(REPLICASETS, pods[0].namespace, name)
            owners = [one for one in meta(thing or {}).get("ownerReferences") or () if one.get("kind") == "Deployment"]
            kind, name = ("Deployment", owners[0]["name"]) if owners else ("", "")
        resource = WORKLOADS.get(kind.lower())
        each = workload(api, resource, pods[0].namespace, name) if resource is not None else None
        if each is None or (found is not None and each.uid != found.uid):
            return None
        found = each
    return found


def pods_of(
    api: Api, asked: Service, everything: Iterable[Pod] | None = None, *, afterwards: bool = False
) -> tuple[list[Pod], Workload | None]:
    """The pods of a service by name, and what runs them where that is known. `everything`: all pods of its namespace,
    where they have been asked for already; `afterwards`: others' pods that have come to match keep nothing from it.

    Raises:
        ValueError: nothing says which pods are its, there are none, or they are not of the workload that it names.
    """
    runs, selector = _told_by(api, asked)
    wanted = parse(selector)
    if everything is None:
        pods = list_pods(api, asked.namespace, selector)
    else:
        pods = [pod for pod in everything if matches(wanted, pod.labels)]
    if runs is not None and asked.selector and not afterwards:
        check_owned(asked, runs, pods)
    return _some(api, asked, pods, runs, selector)


def check_owned(asked: Service, runs: Workload, pods: Sequence[Pod]) -> None:
    """Raise ValueError where the selector of a service is for others than the pods of its workload: shares would be
    reckoned of the one, and the other touched."""
    strangers = [pod.name for pod in pods if not owns(runs, pod)]
    if strangers:
        names = f"{', '.join(strangers[:3])}{f' and {len(strangers) - 3} more' if len(strangers) > 3 else ''}"
        raise ValueError(
            f"{asked.name}: {len(strangers)} of the {len(pods)} pods with {asked.selector} are not of {runs.shown} "
            f"({names}), so it is not clear what is meant: under {asked.table} of gameday.toml, let selector be for "
            f"its pods alone ({runs.selector}), take it away, or name their workload"
        )


def owns(runs: Workload, pod: Pod) -> bool:
    """Whether a pod is of this workload, told without asking for its ReplicaSet."""
    if pod.controller is None or not matches(parse(runs.selector), pod.labels):
        return False
    _, kind, name = pod.controller
    if runs.resource is STATEFULSETS:
        return (kind, name) == ("StatefulSet", runs.name)
    hash_ = pod.labels.get("pod-template-hash", "")
    # One that the Deployment has adopted may be called anything.
    return kind == "ReplicaSet" and (not name.endswith(f"-{hash_}") or name == f"{runs.name}-{hash_}")


def _told_by(api: Api, asked: Service) -> tuple[Workload | None, str]:
    """What runs the service, where the settings name it, and the selector of its pods."""
    runs = workload_of(api, asked) if asked.workload else None
    selector = asked.selector or (runs.selector if runs is not None else "")
    if not selector:
        raise ValueError(
            f"which pods are those of {asked.name} is not known: say so under {asked.table}, "
            f'workload = "deployment/…" or selector = "app=…"'
        )
    return runs, selector


def _some(
    api: Api, asked: Service, pods: list[Pod], runs: Workload | None, selector: str
) -> tuple[list[Pod], Workload | None]:
    if not pods:
        raise ValueError(f"{asked.name}: no pod in namespace {asked.namespace} matches {selector}")
    found = runs if runs is not None else owner_of(api, pods)
    if found is None or not _protected(found.labels):
        return pods, found
    return [replace(pod, labels={**pod.labels, _BY_WORKLOAD: found.shown}) for pod in pods], found


def list_pods(api: Api, namespace: str, selector: str = "") -> list[Pod]:
    """Pods that have not finished (Succeeded, Failed), by name."""
    things = api.items(PODS, namespace, selector=selector)
    going = [thing for thing in things if (thing.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    return sorted((as_pod(thing) for thing in going), key=lambda pod: pod.name)


# --- what may be touched -------------------------------------------------------------------------------------------


_BY_WORKLOAD = "what runs it is protected"
"""Stands among the labels of pods whose workload is protected, with its name. No label of the cluster's has blanks."""


def _protected(labels: Mapping[str, str]) -> bool:
    return labels.get(PROTECTED, "").lower() == "true"


def protection(thing: Mapping[str, str], opt_in: str | None, own: str = "") -> str:
    """Why an object with these labels may not be touched, or "". `own`: its name, where it is a pod."""
    if _protected(thing):
        return f"labelled {PROTECTED}=true"
    if _BY_WORKLOAD in thing:
        return f"its {thing[_BY_WORKLOAD]} is labelled {PROTECTED}=true"
    if thing.get(MANAGED) == OURS or thing.get("app.kubernetes.io/name") == OURS:
        return "it is gameday's own"
    if own and own == os.environ.get("HOSTNAME") and "KUBERNETES_SERVICE_HOST" in os.environ:
        return "gameday runs in it"
    if opt_in is not None and not matches(parse(opt_in), thing):
        return f"it has not opted in ({opt_in})"
    return ""


def check_namespace(api: Api, namespace: str) -> None:
    """Raise ValueError where a namespace as a whole is protected, or is not there.

    Whoever may not read namespaces is not kept from anything by that: the target's list allows it.
    """
    if namespace in SYSTEM:
        raise ValueError(f"namespace {namespace} is never touched")
    try:
        thing = api.get(NAMESPACES, None, namespace)
    except Refused as refused:
        if refused.status == 403:
            return
        raise
    if thing is None:
        raise ValueError(f"there is no namespace {namespace}")
    if labels_of(thing).get(PROTECTED, "").lower() == "true":
        raise ValueError(f"namespace {namespace} is labelled {PROTECTED}=true: nothing in it is touched")


def check_unprotected(what: str, thing: Mapping[str, str], opt_in: str | None) -> None:
    """Raise ValueError where an object with these labels may not be touched."""
    if why := protection(thing, opt_in):
        raise ValueError(f"{what} may not be touched: {why}")


# --- PodDisruptionBudgets --------------------------------------------------------------------------------------------


@frozen
class Budget:
    """A PodDisruptionBudget that covers some of the pods."""

    name: str
    allowed: int
    """Pods that may be disrupted now."""
    covers: tuple[str, ...]


def budgets(api: Api, namespace: str, pods: Iterable[Pod]) -> list[Budget]:
    """The budgets that cover any of these pods."""
    found = []
    these = list(pods)
    for thing in api.items(DISRUPTION_BUDGETS, namespace):
        selector = (thing.get("spec") or {}).get("selector")
        # An empty selector covers all pods of the namespace, an absent one none.
        covered = [pod.name for pod in these if selector is not None and matches(selector, pod.labels)]
        if covered:
            allowed = int((thing.get("status") or {}).get("disruptionsAllowed") or 0)
            found.append(Budget(str(meta(thing)["name"]), allowed, tuple(covered)))
    return found
