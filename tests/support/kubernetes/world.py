"""Everything one double holds: its objects, who may do what, its bad days, and what was asked of it."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.support.kubernetes.defaults import complete
from tests.support.kubernetes.resources import CHAOS_MESH, GROUPS, LITMUS, Resource, of_kind
from tests.support.kubernetes.store import Store, stamp

Json = dict[str, Any]

# Of the test itself: may do everything, is not recorded, has no bad days.
TESTER = "tester"
TOKENS = {"token-of-gameday": "gameday", "token-of-limited": "limited", "token-of-tester": TESTER}


@dataclass
class Call:
    """One request, as the API understands it. Also what is recorded of it."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any
    user: str = ""
    verb: str = ""
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    # Unix seconds at arrival; `status` stays None while nothing has been answered, 0 for a reset connection.
    time: float = field(default_factory=time.time)
    status: int | None = None
    user_agent: str = ""
    # Values of the headers that say whom the user acts as; `user` is that one then.
    impersonating: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Settings:
    """What a test may turn; `reset` brings these values back. All times are seconds."""

    # How long the controllers wait before they act on a change.
    pace: float = 0.02
    # From the creation of a pod until it is ready.
    startup: float = 0.0
    # The longest that a deleted pod takes to end, whatever its grace period says.
    termination: float = 0.05
    controllers: bool = True
    chaos_mesh: bool = False
    litmus: bool = False
    # See `chaos_mesh.py`: "", "stuck", "half", "never-recovers".
    chaos_mode: str = ""
    chaos_delay: float = 0.0


@dataclass
class Trouble:
    """A bad day: what happens to matching requests. Empty strings match everything."""

    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str | None = None
    user: str = ""
    path: str = ""
    # How many matching requests are let through first, and how many are struck then (None: all).
    after: int = 0
    times: int | None = None
    # Seconds before the request is acted on, and between acting and the answer.
    delay: float = 0.0
    delay_answer: float = 0.0
    # An answer in place of acting.
    status: int | None = None
    reason: str = ""
    message: str = ""
    retry_after: int | None = None
    # "before" or "after": the connection is reset, without acting or having acted.
    reset: str = ""
    id: int = 0
    seen: int = 0
    struck: int = 0

    def matches(self, call: Call) -> bool:
        if call.user == TESTER:
            return False
        pairs = [
            (self.verb, call.verb),
            (self.resource, call.resource),
            (self.namespace, call.namespace),
            (self.name, call.name),
            (self.user, call.user),
        ]
        if any(wanted and wanted != found for wanted, found in pairs):
            return False
        if self.subresource is not None and self.subresource != call.subresource:
            return False
        return self.path in call.path


class World:
    """One double. Its lock is the store's."""

    def __init__(self) -> None:
        self.store = Store()
        self.settings = Settings()
        self.tokens: dict[str, str] = {}
        # user -> rules; None may do everything. A user without an entry may only what Roles and bindings say.
        self.rules: dict[str, list[Json] | None] = {}
        self.expired: set[str] = set()
        self.troubles: list[Trouble] = []
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self.logs: dict[tuple[str, str], str] = {}
        # Pods that went without a grace period, and whose end the kubelet has yet to speak of.
        self.ended: list[Json] = []
        self._ids = itertools.count(1)
        # Watches that began before this number was raised end.
        self.watch_epoch = 0
        self.abrupt = False
        self.lock = self.store.lock
        self.stopping = threading.Event()
        self.reset()

    def reset(self, **settings: Any) -> None:
        """Back to a fresh cluster: three nodes, the usual namespaces, nothing recorded."""
        with self.lock:
            self.watch_epoch += 1
            self.abrupt = False
            self.store.clear()
            self.settings = Settings(**settings)
            self.tokens = dict(TOKENS)
            self.rules = {"gameday": None, TESTER: None, "limited": []}
            self.expired = set()
            self.troubles, self.calls, self.violations = [], [], []
            self.logs = {}
            self.ended = []
            for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
                self.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            for number in (1, 2, 3):
                self.seed(node(f"n{number}", f"10.0.0.{number}"))
            for one in [*(CHAOS_MESH if self.settings.chaos_mesh else []), *(LITMUS if self.settings.litmus else [])]:
                self.seed(definition(one))

    def seed(self, obj: Json) -> Json:
        """Store an object as it is, with its uid, status and times where it has them."""
        resource = of_kind(obj["kind"])
        complete(resource, obj)
        obj = {key: obj[key] for key in ("kind", "apiVersion", "metadata")} | obj
        return self.store.put(resource, obj)

    def serves(self, resource: Resource) -> bool:
        return self.has_group(resource.group)

    def has_group(self, group: str) -> bool:
        if group == "chaos-mesh.org":
            return self.settings.chaos_mesh
        if group == "litmuschaos.io":
            return self.settings.litmus
        return group == "" or group in GROUPS

    def trouble(self, **what: Any) -> int:
        with self.lock:
            one = Trouble(**what)
            one.id = next(self._ids)
            self.troubles.append(one)
            return one.id

    def strike(self, call: Call) -> Trouble | None:
        """The first bad day that falls on this request, counted."""
        with self.lock:
            for one in self.troubles:
                if one.matches(call):
                    one.seen += 1
                    if one.seen > one.after and (one.times is None or one.struck < one.times):
                        one.struck += 1
                        return one
            return None

    def drop_watches(self, abrupt: bool = False) -> None:
        with self.lock:
            self.watch_epoch += 1
            self.abrupt = abrupt
            self.store.changed.notify_all()

    def recorded(self) -> list[Json]:
        with self.lock:
            return [asdict(one) for one in self.calls]


def node(name: str, address: str) -> Json:
    """A node that is ready and empty."""
    now = stamp()
    said = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "spec": {},
        "status": {
            "capacity": {"cpu": "2", "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": "2", "memory": "8Gi", "pods": "110"},
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                    "reason": reason,
                    "message": message,
                }
                for kind, (status, reason, message) in said.items()
            ],
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "nodeInfo": {
                "kubeletVersion": "v1.36.2",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "osImage": "Linux",
                "kernelVersion": "6.1",
                "containerRuntimeVersion": "containerd://2.0",
                "kubeProxyVersion": "",
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
            },
        },
    }


def definition(resource: Resource) -> Json:
    """The CustomResourceDefinition that stands for a custom resource; without its schema."""
    return {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": resource.qualified},
        "spec": {
            "group": resource.group,
            "names": {
                "plural": resource.plural,
                "kind": resource.kind,
                "singular": resource.kind.lower(),
                "listKind": f"{resource.kind}List",
            },
            "scope": "Namespaced",
            "versions": [{"name": resource.version, "served": True, "storage": True}],
        },
        "status": {
            "acceptedNames": {"plural": resource.plural, "kind": resource.kind},
            "conditions": [{"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": ""}],
            "storedVersions": [resource.version],
        },
    }
