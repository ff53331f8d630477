"""Portable faults of a scenario as activities of chaosk8s, for a target that is a cluster.

Only what chaosk8s does soundly, and takes back: it kills pods, cordons nodes, scales, makes NetworkPolicies and deletes
them. Whatever else is refused, with the reason. What gameday does around a fault and Chaos Toolkit does not
(preconditions, limits, claims, marks) is listed, each thing once. The cluster is asked, and only read, where the
settings don't say which pods are a service's, and how many replicas there are.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from gameday.cluster.api import Api
from gameday.cluster.creations import object_name
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.lending import beyond
from gameday.cluster.resources import NETWORK_POLICIES, SERVICES
from gameday.cluster.services import Service, check_namespace, check_unprotected, service, workload_of
from gameday.errors import GamedayError
from gameday.faults.dependency_outage import DependencyOutageParameters
from gameday.faults.kubernetes import dependency_outage, scale_outage
from gameday.faults.kubernetes.policies import Kind, selecting
from gameday.faults.network_partition import NetworkPartitionParameters
from gameday.faults.node_cordon import NodeCordonParameters
from gameday.faults.pod_kill import PodKillParameters
from gameday.frozen import field, frozen, slotted
from gameday.interchange.chaostoolkit.times import Times
from gameday.interchange.losses import Losses, Way
from gameday.scenario.duration import format_duration
from gameday.scenario.models import Entry, Scenario
from gameday.targets.selectors import as_text

Json = Any

CONTEXT = "KUBERNETES_CONTEXT"
"""Where chaosk8s looks for the context of the kubeconfig, among its secrets."""
MOST_REPEATS = 200
_DIRECTIONS: dict[str, list[Kind]] = {"in": ["Ingress"], "out": ["Egress"], "both": ["Ingress", "Egress"]}


class CantExport(ValueError):
    """What the scenario does is nothing that Chaos Toolkit could do. A line for each fault."""


@frozen
class _Done:
    """What does a fault, and what takes it away; None where it passes by itself."""

    activity: dict[str, Json]
    undo: dict[str, Json] | None = None
    guard: dict[str, Json] | None = None
    """A probe of the hypothesis without which the undo would do harm."""


@slotted
class Portable:
    """A scenario's document with its portable faults as activities."""

    document: dict[str, Json]
    indexes: set[int] = field(default_factory=set)
    """Of the timeline's entries that were made here."""
    guards: list[dict[str, Json]] = field(default_factory=list)
    context: str | None = None
    """Of the kubeconfig, which chaosk8s is to be told."""


def check_expressible(document: Mapping[str, Json], target: Mapping[str, Json]) -> None:
    """Raise CantExport where there are portable faults and the target is no cluster."""
    scenario = Scenario.model_validate(document)
    found = _portable(scenario)
    if found and target["kind"] != "kubernetes":
        names = ", ".join(scenario.entry_id(index) for index in found)
        raise CantExport(
            f"{names}: how a portable fault is done is known to targets of gameday, and not to Chaos Toolkit: export "
            "it for a target of kind kubernetes, or write it as fault: activity, with what does it and what undoes it"
        )


def _portable(scenario: Scenario) -> list[int]:
    return [index for index, entry in enumerate(scenario.timeline) if entry.fault not in (None, "activity")]


def in_activities(document: Mapping[str, Json], target: Mapping[str, Json], losses: Losses) -> Portable:
    """The `document` of a scenario (names filled in) without portable faults, for `target` (`TargetInfo` as JSON).

    Raises:
        CantExport: it has some that chaosk8s can't do.
    """
    scenario = Scenario.model_validate(document)
    times = Times(scenario)
    # What waits for people is not in an experiment at all, and so needs no way of doing it.
    found = [index for index in _portable(scenario) if times.start(index) is not None]
    made = Portable(dict(document))
    if not found:
        return made
    if why := beyond(target["settings"]["cluster"]):
        raise CantExport(f"target {target['name']}: {why}")
    _Rewriting(scenario, target, losses, made).all(found)
    made.context = target["settings"]["cluster"].get("context")
    _said_of_all(target, losses)
    return made


class _Rewriting:
    def __init__(self, scenario: Scenario, target: Mapping[str, Json], losses: Losses, made: Portable) -> None:
        self.scenario, self.target, self.losses, self.made = scenario, target, losses, made
        digest = hashlib.sha256(json.dumps(made.document, sort_keys=True, default=str).encode()).hexdigest()
        self.own = digest[:6]
        """Sets the objects of this experiment apart from those of others."""
        self._api: Api | None = None

    def all(self, found: list[int]) -> None:
        timeline = [dict(entry) for entry in self.made.document["timeline"]]
        for index, raw in enumerate(timeline):
            # Those that repeat a fault come behind all others, and so change no name.
            raw["id"] = self.scenario.entry_id(index)
        self.made.document["timeline"] = timeline
        refused = []
        for index in found:
            entry = self.scenario.timeline[index]
            try:
                self._one(index, entry)
            except ValidationError as error:
                refused.append(f"{self._called(index)}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
            except (ValueError, GamedayError, Refused, Unreachable) as error:
                refused.append(f"{self._called(index)}: {error}")
        if refused:
            raise CantExport("\n".join(refused))

    def _called(self, index: int) -> str:
        return f"{self.scenario.entry_id(index)} ({self.scenario.timeline[index].fault})"

    def _one(self, index: int, entry: Entry) -> None:
        ways: dict[str, Callable[[int, Entry], _Done]] = {
            "pod-kill": self._pod_kill,
            "node-cordon": self._node_cordon,
            "dependency-outage": self._outage,
            "network-partition": self._partition,
        }
        engines = self.target["settings"].get("engines") or ["api"]
        if entry.fault not in ways:
            raise ValueError(f"chaosk8s has no action that does it and can be relied on to take it back: {_INSTEAD}")
        if "api" not in engines:
            raise ValueError(
                f"the target leaves it to {', '.join(engines)}, and chaosk8s does it by the plain API: "
                f'add "api" to engines in [targets.{self.target["name"]}], if that is meant'
            )
        if engines[0] != "api" and entry.fault != "node-cordon":
            self._change(index, f"the target's first choice is {engines[0]}; here it is done by the plain API")
        done = ways[entry.fault](index, entry)
        raw = self.made.document["timeline"][index]
        raw.pop("with", None)
        raw |= {"fault": "activity", "activity": done.activity}
        raw |= {"one_shot": True} if done.undo is None else {"undo": done.undo}
        self.made.indexes.add(index)
        if done.guard is not None and done.guard not in self.made.guards:
            self.made.guards.append(done.guard)

    # --- the faults --------------------------------------------------------------------------------------------------

    def _pod_kill(self, index: int, entry: Entry) -> _Done:
        asked = PodKillParameters.model_validate(entry.with_)
        if asked.evict:
            raise ValueError(
                "chaosk8s deletes pods, and asks no PodDisruptionBudget: leave evict away, if that is meant"
            )
        its = service(self.target, asked.service)
        arguments: dict[str, Json] = {"label_selector": self._selector(its), "ns": its.namespace}
        limits = self.scenario.limits
        if asked.all:
            arguments["all"] = True
        elif asked.percent is not None:
            if limits.percent is not None and asked.percent > limits.percent:
                raise ValueError(f"{asked.percent:g} % asked for, and limits.percent allows {limits.percent:g} %")
            whole = asked.percent == int(asked.percent)
            arguments |= {"mode": "percentage", "qty": int(asked.percent) if whole else asked.percent, "rand": True}
            self._change(
                index, "the share is rounded up, and of the pods that are there: some % of few are one", "percent"
            )
        elif asked.instance is not None:
            arguments |= {"name_pattern": rf"^{re.escape(asked.instance)}\Z", "qty": 1}
        else:
            count = asked.count or 1
            if limits.pods is not None and count > limits.pods:
                raise ValueError(f"{count} pods asked for, and limits.pods allows {limits.pods}")
            arguments |= {"qty": count, "rand": True}
        if asked.grace is not None:
            arguments["grace_period"] = round(asked.grace)
        self._lose(
            index,
            "a pod is deleted by its name, without uid and resourceVersion as preconditions; it may be one that is "
            "being deleted already or does not run; that there are fewer than asked for, or none, is no failure there",
            "preconditions",
        )
        activity = _python("chaosk8s.pod.actions", "terminate_pods", arguments)
        if asked.every is not None:
            self._repeat(index, entry, asked.every, activity)
        return _Done(activity)

    def _repeat(self, index: int, entry: Entry, every: float, activity: dict[str, Json]) -> None:
        """The same again, in entries of its own, for as long as the fault lasts."""
        turns = math.ceil((entry.for_ or 0.0) / every)
        if turns > MOST_REPEATS:
            raise ValueError(f"every {format_duration(every)} for {format_duration(entry.for_ or 0.0)} is too often")
        timeline = self.made.document["timeline"]
        known = {each["id"] for each in timeline}
        for turn in range(1, turns):
            name = f"{timeline[index]['id'][:56]}-again-{turn}"
            while name in known:
                name += "-"
            late = turn * every
            due: dict[str, Json] = {"manual": True}
            if entry.at is not None:
                due = {"at": format_duration(entry.at + late)}
            elif entry.after is not None:
                after = entry.after.model_dump(mode="json", exclude_none=True)
                due = {"after": {**after, "delay": format_duration(entry.after.delay + late)}}
            timeline.append({"id": name, **due, "fault": "activity", "activity": activity, "one_shot": True})
            self.made.indexes.add(len(timeline) - 1)
            known.add(name)

    def _node_cordon(self, index: int, entry: Entry) -> _Done:
        asked = NodeCordonParameters.model_validate(entry.with_)
        if asked.node is None:
            raise ValueError(
                f"which nodes run pods of {asked.service} is found when it is due, and chaosk8s cordons by name or "
                "label: write node: with the one that is meant"
            )
        self._lose(index, "that other nodes are left which take pods is not looked at", "share of the nodes")
        self._lose(index, "the node is uncordoned also where somebody had cordoned it before, or has since", "undo")
        module = "chaosk8s.node.actions"
        named = {"name": asked.node}
        return _Done(_python(module, "cordon_node", named), _python(module, "uncordon_node", named))

    def _outage(self, index: int, entry: Entry) -> _Done:
        asked = DependencyOutageParameters.model_validate(entry.with_)
        its = service(self.target, asked.service)
        match dependency_outage.way(asked, its, self.target):
            case "service":
                raise ValueError(
                    "chaosk8s has no action that points a Service at nothing and back: write by: scale or by: policy"
                )
            case "scale":
                return self._scale(index, its)
            case "policy":
                return self._denied(index, its, ["Ingress"])

    def _scale(self, index: int, its: Service) -> _Done:
        api = self._asked(its, "how many replicas it has")
        check_namespace(api, its.namespace)
        runs = scale_outage.running(api, its)
        check_unprotected(runs.shown, runs.labels, self.target["settings"].get("opt_in"))
        if runs.replicas == 0:
            raise ValueError(f"{runs.shown} has no replicas now, so nobody knows to how many to scale it back")
        scale_outage.check_kept(runs, api.get(runs.resource, runs.namespace, runs.name) or {})
        thing: dict[str, Json] = {"group": "apps", "version": "v1", "plural": runs.resource.plural}
        thing |= {"name": runs.name, "ns": runs.namespace}

        def scaled(before: int, after: int) -> dict[str, Json]:
            # Not scale_deployment: `always` plays rollbacks also where nothing was begun, and that one would write its
            # number over any other. This one changes what it knows, and nothing else.
            at = "/spec/replicas"
            patch = [{"op": "test", "path": at, "value": before}, {"op": "replace", "path": at, "value": after}]
            return _python("chaosk8s.crd.actions", "patch_custom_object", {**thing, "resource": patch})

        guard = {
            "type": "probe",
            "name": f"{runs.shown} is to have {runs.replicas} replicas",
            "tolerance": {"type": "jsonpath", "path": "$.spec.replicas", "expect": [runs.replicas]},
            "provider": _python("chaosk8s.crd.probes", "get_custom_object", thing),
        }
        self._change(
            index,
            f"from {runs.replicas}, as many as {runs.shown} has now, to 0, and back only from 0: with another number "
            "nothing is begun, and nothing written over. When it was changed on purpose, export it again",
            "replicas",
        )
        self._undone_twice(index, "it was scaled back", "422")
        self._lose(index, "whether it is whole before, and an autoscaler in the way, is not looked at", "preview")
        return _Done(scaled(runs.replicas, 0), scaled(0, runs.replicas), guard)

    def _undone_twice(self, index: int, done: str, status: str) -> None:
        self._change(
            index,
            f"where {done} in the method already, Chaos Toolkit shows the rollback as failed ({status}); that does no "
            "harm",
            "undo",
        )

    def _partition(self, index: int, entry: Entry) -> _Done:
        asked = NetworkPartitionParameters.model_validate(entry.with_)
        if asked.count is not None or asked.percent is not None:
            raise ValueError("a NetworkPolicy is for all pods of a service: count and percent need Chaos Mesh")
        if asked.from_ is not None:
            raise ValueError(
                f"a policy that keeps {asked.from_} out lets all others in, also such as another policy keeps out, and "
                "nothing in an experiment looks for those: leave from away, if everybody may be meant"
            )
        return self._denied(index, service(self.target, asked.service), _DIRECTIONS[asked.direction])

    def _denied(self, index: int, its: Service, kinds: list[Kind]) -> _Done:
        if its.external and not (its.workload or its.selector or its.service):
            raise ValueError(f"{its.name} is outside of the cluster, where no NetworkPolicy reaches")
        name = object_name(f"chaostoolkit-{self.own}-{self.scenario.entry_id(index)}")
        spec: dict[str, Json] = {
            "apiVersion": NETWORK_POLICIES.api_version,
            "kind": NETWORK_POLICIES.kind,
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "chaostoolkit"}},
            "spec": {"podSelector": selecting(self._plain_selector(its), self.target), "policyTypes": kinds},
        }
        self._lose(
            index,
            "whether the cluster's network heeds policies, and whether another one lets through what this is to deny, "
            "is not looked at",
            "effect",
        )
        self._undone_twice(index, "the policy was removed", "404")
        module = "chaosk8s.networking.actions"
        where = {"ns": its.namespace}
        made = _python(module, "create_network_policy", {"spec": spec, **where})
        return _Done(made, _python(module, "remove_network_policy", {"name": name, **where}))

    # --- which pods --------------------------------------------------------------------------------------------------

    def _selector(self, its: Service) -> str:
        """Of its pods, without those that are protected, or have not opted in."""
        return as_text(selecting(self._plain_selector(its), self.target))

    def _plain_selector(self, its: Service) -> str:
        if its.selector:
            return its.selector
        api = self._asked(its, "which pods are its", hint=True)
        if its.workload:
            return workload_of(api, its).selector
        if its.service:
            thing = api.get(SERVICES, its.namespace, its.service) or {}
            if labels := (thing.get("spec") or {}).get("selector"):
                return as_text({"matchLabels": labels})
        raise ValueError(
            f'which pods are those of {its.name} is not known: say so under {its.table}, selector = "app=…"'
        )

    def _asked(self, its: Service, what: str, *, hint: bool = False) -> Api:
        if self._api is None:
            try:
                self._api = Api(self.target["settings"]["cluster"])
                self._api.ask("GET", "/version")
            except (GamedayError, Refused, Unreachable) as error:
                self._api = None
                write = f'; or write selector = "app=…" under {its.table}' if hint else ""
                raise ValueError(f"of {its.name} the cluster has to be asked {what}: {error}{write}") from None
        return self._api

    def _change(self, index: int, why: str, what: str = "fault") -> None:
        self.losses.change(self._way(index), why, f"{self._called(index)}: {what}")

    def _lose(self, index: int, why: str, what: str) -> None:
        self.losses.lose(self._way(index), why, f"{self._called(index)}: {what}")

    @staticmethod
    def _way(index: int) -> Way:
        return ("timeline", index)


_INSTEAD = "write it as fault: activity, with what does it and what undoes it, or leave it to gameday"


def _python(module: str, func: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "python", "module": module, "func": func, "arguments": dict(arguments)}


def _said_of_all(target: Mapping[str, Json], losses: Losses) -> None:
    """What gameday does for every fault on a cluster, and nobody does in an experiment."""
    settings, cluster = target["settings"], target["settings"]["cluster"]
    for what, why in _around(settings):
        losses.lose((), why, f"target {target['name']}: {what}")
    if cluster.get("in_cluster"):
        where = "set CHAOSTOOLKIT_IN_POD=true, so that chaosk8s takes the service account of the pod"
    else:
        path = str(cluster.get("kubeconfig") or "")
        several = " (one file: it knows no list of them)" if ":" in path else ""
        where = f"set KUBECONFIG={path}{several}: chaosk8s takes no other; the context is in the experiment"
    losses.change((), where, f"target {target['name']}: cluster")


def _around(settings: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    yield (
        "claim",
        f"no Lease keeps other exercises, or the same experiment twice, off {', '.join(settings['namespaces'])}",
    )
    yield (
        "protection",
        "pods that are labelled as protected, or have not opted in, are left out by selectors; labels of workloads, "
        "nodes and namespaces are not looked at when it is run",
    )
    yield (
        "limits",
        f"neither namespace_percent ({settings['namespace_percent']:g} %) nor a preview bounds what a fault touches",
    )
    yield (
        "undo",
        "a rollback is sent once, and only where Chaos Toolkit lives to send it; nothing is marked, so that `gameday "
        "recover --target` finds nothing of it",
    )
    yield "verification", "whether a fault took hold, and is gone, is not looked at but by the hypothesis"
