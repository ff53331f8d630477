"""Node cordon on the plain API: `spec.unschedulable`, set and taken away."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.cluster.api import Api, Where
from gameday.cluster.marks import EXERCISE, MARK, label_value, prepared, value_at
from gameday.cluster.resources import (
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
    WORKLOADS,
    annotations_of,
    labels_of,
    meta,
    named,
    right,
)
from gameday.cluster.services import check_namespace, protection, service
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.asked import read
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import Struck, changeable, inject_marks, pods_behind
from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.faults.node_cordon import NodeCordonParameters

_ROOM = "gameday.faults.kubernetes.node_cordon"
_AT = "/spec/unschedulable"
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@frozen
class _Node:
    name: str
    labels: Mapping[str, str]
    cordoned: bool
    takes_pods: bool
    """Ready, and neither cordoned nor tainted against pods at large."""

    @property
    def control_plane(self) -> bool:
        return any(label in self.labels for label in _CONTROL_PLANE)


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    asked: NodeCordonParameters = read(params)
    found = [right(verb, NODES) for verb in ("get", "list", "patch")]
    if asked.service is None:
        return found
    its = service(target, asked.service)
    found += [right("get", NAMESPACES), right("list", PODS, its.namespace)]
    if its.workload:
        return [*found, right("get", its.workload_resource, its.namespace)]
    found += [right("get", each, its.namespace) for each in (REPLICASETS, *WORKLOADS.values())]
    return [*found, right("get", SERVICES, its.namespace)] if its.service and not its.selector else found


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: NodeCordonParameters = read(params)
    rights = needs(target, params)
    api = prepared(target["settings"]["cluster"])
    every = api.items(NODES)
    nodes = {node.name: node for node in map(_as_node, every)}
    if others := _of_others(every, str(context["exercise"])):
        raise ValueError(f"node-cordon: {others}")
    free = [node.name for node in nodes.values() if node.takes_pods]
    left_out: list[str] = []
    among: list[str] = []
    if asked.node is not None:
        chosen = [asked.node]
        if asked.node not in nodes:
            raise ValueError(f"node-cordon: there is no node {asked.node}: there is {', '.join(sorted(nodes))}")
    else:
        assert asked.service is not None
        chosen, left_out, among = _of_service(api, asked.service, asked.count, nodes, target, context)
    things = [changeable(api, NODES, None, name, target, context) for name in chosen]
    for thing in things:
        if value_at(thing, _AT) is True:
            raise ValueError(f"node {meta(thing)['name']} is cordoned already, so nothing would change")
    struck = [
        Struck(NODES, None, thing, ({"path": _AT, "before": value_at(thing, _AT), "after": True},)) for thing in things
    ]
    share = _check_share(chosen, free, context, target)
    cluster = target["settings"]["cluster"]
    args: dict[str, Json] = {"where": cluster, "objects": [one.to_json(target, context) for one in struck]}
    return Plan(
        summary=f"cordon {', '.join(chosen)}",
        targets=tuple(named(NODES, None, name) for name in chosen),
        objects=tuple(one.key for one in struck),
        inject=Call(f"{_ROOM}:inject", {**args, "exercise": str(context["exercise"])}, timeout=20.0),
        undo=Call(f"{CHANGES}:undo_marks", args),
        standing=Call(f"{CHANGES}:marks_stand", args),
        effective=Call(f"{_ROOM}:effective", {"where": cluster, "names": chosen}),
        recovered=Call(f"{CHANGES}:marks_undone", args),
        among=tuple(named(NODES, None, name) for name in among),
        commands=tuple(line for one in struck for line in one.by_hand(cluster, context)),
        notes=(
            share,
            *(f"left out: {text}" for text in left_out),
            "pods of every namespace are kept off; those that run there go on",
        ),
        permissions=tuple(rights),
    ).to_json()


def _of_others(nodes: Sequence[Mapping[str, Any]], exercise: str) -> str:
    """Which nodes carry faults of other exercises, in words; "" where none does.

    Nodes are in no namespace, so no claim keeps two exercises apart there: what each may take away of them is reckoned
    with all the others in their places.
    """
    theirs = [
        f"node {meta(one)['name']} (exercise {labels_of(one).get(EXERCISE, 'not told')})"
        for one in nodes
        if MARK in annotations_of(one) and labels_of(one).get(EXERCISE) != label_value(exercise)
    ]
    if not theirs:
        return ""
    return (
        f"another exercise has a fault on {', '.join(theirs)}, which has not recovered: wait for its end, or, where it "
        "is dead, undo it with `gameday recover --target …`"
    )


def inject(where: Where, objects: Sequence[Mapping[str, Json]], exercise: str) -> None:
    """See `changes.inject_marks`; once more looked, with our own marks on, whether another exercise was faster.

    Raises:
        RuntimeError: one has a node; where both begin at the same time neither goes on.
    """

    def check() -> None:
        if others := _of_others(api.items(NODES), exercise):
            raise RuntimeError(f"node-cordon: {others}")

    api = Api(where)
    check()
    inject_marks(where, objects, check)


def _as_node(thing: Mapping[str, Any]) -> _Node:
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    closed = any(one.get("effect") in ("NoSchedule", "NoExecute") for one in spec.get("taints") or ())
    cordoned = spec.get("unschedulable") is True
    return _Node(str(meta(thing)["name"]), labels_of(thing), cordoned, ready and not cordoned and not closed)


def _of_service(
    api: Api,
    name: str,
    count: int,
    nodes: Mapping[str, _Node],
    target: Mapping[str, Json],
    context: Mapping[str, Json],
) -> tuple[list[str], list[str], list[str]]:
    """Nodes that run pods of a service, by the context's seed; those that may not be touched, each with why; and what
    the first were drawn from, where there was a choice."""
    its = service(target, name)
    check_namespace(api, its.namespace)
    pods, _, _ = pods_behind(api, its)
    theirs = sorted({pod.node for pod in pods if pod.node in nodes and not pod.leaving})
    left_out, free = [], []
    for each in theirs:
        node = nodes[each]
        why = protection(node.labels, target["settings"].get("opt_in"))
        why = why or ("it is of the control plane (name it, if it is meant)" if node.control_plane else "")
        why = why or ("it is cordoned already" if node.cordoned else "")
        if why:
            left_out.append(f"{each}: {why}")
        else:
            free.append(each)
    if count > len(free):
        reasons = f" ({'; '.join(left_out)})" if left_out else ""
        raise ValueError(
            f"node-cordon: {count} nodes of {name} asked for, {len(free)} of {len(theirs)} may be touched{reasons}"
        )
    draw = random.Random(f"{context['seed']}/{context['fault']}")
    return sorted(draw.sample(free, count)), left_out, free if count < len(free) else []


def _check_share(
    chosen: Sequence[str], free: Sequence[str], context: Mapping[str, Json], target: Mapping[str, Json]
) -> str:
    """How large a share of the nodes that take pods the chosen ones are, in words.

    Raises:
        ValueError: none would be left, or it is more than the limits allow.
    """
    taken = [name for name in chosen if name in free]
    what = f"node-cordon of {', '.join(chosen)}"
    if taken and len(taken) >= len(free):
        raise ValueError(f"{what}: no node would be left that takes new pods ({len(free)} do now)")
    share = 100 * len(taken) / len(free) if free else 0.0
    words = f"{len(taken)} of {len(free)} nodes that take new pods ({share:.0f} %)"
    percent, most = context.get("percent"), target["settings"]["namespace_percent"]
    if percent is not None and share > percent:
        raise ValueError(f"{what}: it would take away {words}, and limits.percent allows {percent:g} %")
    if share > most:
        raise ValueError(f"{what}: it would take away {words}, and the target allows {most:g} % (namespace_percent)")
    return words


def effective(where: Where, names: Sequence[str]) -> dict[str, Json]:
    """Whether every one of the nodes is unschedulable."""
    api = prepared(where)
    for name in names:
        thing = api.get(NODES, None, name)
        if thing is None or value_at(thing, _AT) is not True:
            return {"holds": False, "evidence": f"node {name} {'is gone' if thing is None else 'still takes pods'}"}
    return {"holds": True, "evidence": f"{', '.join(names)} {'takes' if len(names) == 1 else 'take'} no new pods"}
