"""The resources the double has state for, and the words the API uses for them.

A resource that is missing here is answered with 501: better than an empty list that a real server would not give.
"""

from __future__ import annotations

from dataclasses import dataclass

WITH_STATUS = ("status",)
WITH_SCALE = ("status", "scale")


@dataclass(frozen=True)
class Resource:
    """One kind of object: where it lives in the API and what is special about it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    # Whether the server counts changes of the spec in `metadata.generation`.
    generation: bool = False
    custom: bool = False

    @property
    def key(self) -> str:
        return f"{self.group}/{self.plural}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As in error messages: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


BUILT_IN = [
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, subresources=("status", "finalize")),
    Resource("", "v1", "nodes", "Node", namespaced=False, subresources=WITH_STATUS),
    Resource(
        "",
        "v1",
        "pods",
        "Pod",
        subresources=("status", "log", "eviction", "exec", "ephemeralcontainers", "resize", "binding"),
        generation=True,
    ),
    Resource("", "v1", "services", "Service", subresources=WITH_STATUS),
    Resource("", "v1", "endpoints", "Endpoints"),
    Resource("", "v1", "events", "Event"),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount"),
    Resource("apps", "v1", "deployments", "Deployment", subresources=WITH_SCALE, generation=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", subresources=WITH_SCALE, generation=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", subresources=WITH_SCALE, generation=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", subresources=WITH_STATUS, generation=True),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("batch", "v1", "jobs", "Job", subresources=WITH_STATUS, generation=True),
    Resource("batch", "v1", "cronjobs", "CronJob", subresources=WITH_STATUS, generation=True),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", subresources=WITH_STATUS, generation=True),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", generation=True),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", subresources=WITH_STATUS, generation=True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", subresources=WITH_STATUS),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation=True),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        subresources=WITH_STATUS,
        generation=True,
    ),
]


def _custom(group: str, version: str, plural: str, kind: str) -> Resource:
    return Resource(group, version, plural, kind, generation=True, custom=True)


CHAOS_MESH = [
    _custom("chaos-mesh.org", "v1alpha1", "podchaos", "PodChaos"),
    _custom("chaos-mesh.org", "v1alpha1", "networkchaos", "NetworkChaos"),
    _custom("chaos-mesh.org", "v1alpha1", "dnschaos", "DNSChaos"),
    _custom("chaos-mesh.org", "v1alpha1", "stresschaos", "StressChaos"),
    _custom("chaos-mesh.org", "v1alpha1", "iochaos", "IOChaos"),
    _custom("chaos-mesh.org", "v1alpha1", "schedules", "Schedule"),
]

LITMUS = [
    _custom("litmuschaos.io", "v1alpha1", "chaosengines", "ChaosEngine"),
    _custom("litmuschaos.io", "v1alpha1", "chaosresults", "ChaosResult"),
    _custom("litmuschaos.io", "v1alpha1", "chaosexperiments", "ChaosExperiment"),
]

EVERYTHING = [*BUILT_IN, *CHAOS_MESH, *LITMUS]
BY_KEY = {one.key: one for one in EVERYTHING}
BY_KIND = {one.kind.lower(): one for one in EVERYTHING} | {one.plural: one for one in EVERYTHING}

# Groups that every 1.36 server lists, in its order: name -> versions, the preferred first.
GROUPS: dict[str, tuple[str, ...]] = {
    "apiregistration.k8s.io": ("v1",),
    "apps": ("v1",),
    "events.k8s.io": ("v1",),
    "authentication.k8s.io": ("v1",),
    "authorization.k8s.io": ("v1",),
    "autoscaling": ("v2", "v1"),
    "batch": ("v1",),
    "certificates.k8s.io": ("v1",),
    "networking.k8s.io": ("v1",),
    "policy": ("v1",),
    "rbac.authorization.k8s.io": ("v1",),
    "storage.k8s.io": ("v1",),
    "admissionregistration.k8s.io": ("v1",),
    "apiextensions.k8s.io": ("v1",),
    "scheduling.k8s.io": ("v1",),
    "coordination.k8s.io": ("v1",),
    "node.k8s.io": ("v1",),
    "discovery.k8s.io": ("v1",),
    "resource.k8s.io": ("v1",),
    "flowcontrol.apiserver.k8s.io": ("v1",),
}


def of_kind(kind: str) -> Resource:
    """The resource for a kind or plural name, in any case."""
    try:
        return BY_KIND[kind.lower()]
    except KeyError:
        raise LookupError(f"the test server knows no kind {kind!r}; it knows {', '.join(sorted(BY_KIND))}") from None
