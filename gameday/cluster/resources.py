"""The kinds of objects that are dealt with, where their addresses are, and what a right to them is called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from gameday.frozen import frozen


@frozen
class Resource:
    """One resource of the API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """As `kubectl` and RBAC call it, e.g. `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """The path of an object, or without `name` of their list; without `namespace` of all namespaces."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, sub) if part is not None]
        return "/" + "/".join(quote(part, safe="") for part in parts)


PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SERVICES = Resource("", "v1", "services", "Service")
EVENTS = Resource("", "v1", "events", "Event")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFULSETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
REPLICASETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")

CHAOS_MESH = "chaos-mesh.org"
POD_CHAOS = Resource(CHAOS_MESH, "v1alpha1", "podchaos", "PodChaos")
NETWORK_CHAOS = Resource(CHAOS_MESH, "v1alpha1", "networkchaos", "NetworkChaos")
DNS_CHAOS = Resource(CHAOS_MESH, "v1alpha1", "dnschaos", "DNSChaos")
STRESS_CHAOS = Resource(CHAOS_MESH, "v1alpha1", "stresschaos", "StressChaos")
IO_CHAOS = Resource(CHAOS_MESH, "v1alpha1", "iochaos", "IOChaos")

WORKLOADS = {"deployment": DEPLOYMENTS, "statefulset": STATEFULSETS}
ALL = {
    resource.kind: resource
    for resource in (
        PODS,
        NODES,
        NAMESPACES,
        SERVICES,
        EVENTS,
        DEPLOYMENTS,
        STATEFULSETS,
        REPLICASETS,
        DISRUPTION_BUDGETS,
        NETWORK_POLICIES,
        ENDPOINT_SLICES,
        LEASES,
        AUTOSCALERS,
        POD_CHAOS,
        NETWORK_CHAOS,
        DNS_CHAOS,
        STRESS_CHAOS,
        IO_CHAOS,
    )
}
"""By kind."""
_values = attrgetter("verb", "group", "plural", "sub", "namespace", "name")
"""Of an Access."""


@frozen
class Access:
    """One right: a verb on a resource. Written as e.g. `delete pods in shop`, `patch nodes`, and where it is for one
    object alone, `update leases.coordination.k8s.io gameday in shop`."""

    verb: str
    group: str
    plural: str
    sub: str = ""
    namespace: str = ""
    """Empty: in the whole cluster."""
    name: str = ""
    """Empty: whatever they are called."""

    def __lt__(self, other: Access) -> bool:
        """For lists of them, in the order of the fields."""
        return _values(self) < _values(other)

    def __str__(self) -> str:
        name = f"{self.plural}.{self.group}" if self.group else self.plural
        sub = f"/{self.sub}" if self.sub else ""
        which = f" {self.name}" if self.name else ""
        return f"{self.verb} {name}{sub}{which}{f' in {self.namespace}' if self.namespace else ''}"

    @classmethod
    def parse(cls, text: str) -> Access:
        """What `str()` made of it."""
        right, _, namespace = text.partition(" in ")
        verb, _, what = right.partition(" ")
        what, _, name = what.partition(" ")
        kind, _, sub = what.partition("/")
        plural, _, group = kind.partition(".")
        return cls(verb, group, plural, sub, namespace, name)


def right(verb: str, resource: Resource, namespace: str | None = None, sub: str = "", name: str = "") -> str:
    """A right in words, e.g. `right("delete", PODS, "shop")` -> `delete pods in shop`.

    That a namespace itself is read counts as something within it: a Role there can allow it, and no ClusterRole is
    needed. With `name` the right is for that object alone, which `create` and `list` can't be.
    """
    where = namespace or "" if resource.namespaced or resource == NAMESPACES else ""
    return str(Access(verb, resource.group, resource.plural, sub, where, name))


def named(resource: Resource, namespace: str | None, name: str) -> str:
    """An object as people call it: `deployment shop/checkout`, `node worker-1`."""
    kind = resource.kind.lower() if resource.group != CHAOS_MESH else resource.kind
    return f"{kind} {namespace}/{name}" if resource.namespaced and namespace else f"{kind} {name}"


def meta(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Its metadata; empty where it has none."""
    found: dict[str, Any] = thing.get("metadata") or {}
    return found


def labels_of(thing: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = meta(thing).get("labels") or {}
    return found


def annotations_of(thing: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = meta(thing).get("annotations") or {}
    return found
