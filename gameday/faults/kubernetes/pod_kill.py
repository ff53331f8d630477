"""Pods are deleted, or evicted where PodDisruptionBudgets are to be asked; once, or again and again for a time.

A pod is deleted with its uid and resourceVersion as preconditions: never another than the one that was looked at, and
not when anything about it, a label that protects it say, has changed since.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.cluster.afterwards import degraded, when, whole_again, without_pods, worse
from gameday.cluster.anew import not_made_anew, unsure
from gameday.cluster.api import Api, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.lease import confirm
from gameday.cluster.marks import prepared
from gameday.cluster.resources import DISRUPTION_BUDGETS, NAMESPACES, PODS, REPLICASETS, WORKLOADS, labels_of, right
from gameday.cluster.services import (
    Pod,
    Service,
    Workload,
    as_pod,
    budgets,
    check_namespace,
    pods_of,
    protection,
    service,
)
from gameday.cluster.shares import Choice, choose, killed, some_of, survey, whole_of
from gameday.engine.ports import Call, Json, Plan, about_to_strike
from gameday.engine.processes import boot_clock
from gameday.exercise.turns import CALLED_OFF, MAY_HAVE, NOT_THIS_TIME
from gameday.faults.asked import read
from gameday.scenario.duration import format_duration

if TYPE_CHECKING:
    from gameday.faults.pod_kill import PodKillParameters

_ROOM = "gameday.faults.kubernetes.pod_kill"
_TRIES = 3
_ON_ITS_WAY = 1.0
"""Seconds after which a deletion whose sender was killed has come through, or never does."""


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    asked: PodKillParameters = read(params)
    its = service(target, asked.service)
    reads = [right(verb, PODS, its.namespace) for verb in ("get", "list")]
    reads += [right("get", NAMESPACES, its.namespace), right("list", DISRUPTION_BUDGETS, its.namespace)]
    if its.workload:
        reads.append(right("get", its.workload_resource, its.namespace))
    else:
        reads += [right("get", each, its.namespace) for each in (REPLICASETS, *WORKLOADS.values())]
    kill = right("create", PODS, its.namespace, "eviction") if asked.evict else right("delete", PODS, its.namespace)
    return [*reads, kill]


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: PodKillParameters = read(params)
    api = prepared(target["settings"]["cluster"])
    its = service(target, asked.service)
    check_namespace(api, its.namespace)
    choice, pods, runs = _choose(api, its, asked, target, context, turn=0)
    notes = [choice.words(), *(f"left out: {text}" for text in choice.left_out), *_budgets(api, its, asked, choice)]
    notes += unsure(choice.pods)
    wanted = runs.replicas if runs is not None else choice.total
    before = degraded(pods, runs)
    if runs is None and before is None:
        notes.append(f"what runs {its.name} is not known; it is whole again with {wanted} ready pods")
    if before is not None:
        notes.append(worse(before))
    repeated = asked.every is not None
    kill: dict[str, Json] = {
        "where": target["settings"]["cluster"],
        "pods": [_small(pod) for pod in choice.pods],
        "evict": asked.evict,
        "grace": asked.grace,
        "opt_in": target["settings"].get("opt_in"),
    }
    whole: dict[str, Json] = {
        "where": target["settings"]["cluster"],
        "service": {"target": _slim(target), "name": its.name},
        "wanted": wanted,
        "before": before,
        **({"struck": []} if repeated else {}),
    }
    how = "evict" if asked.evict else "kill"
    summary = f"{how} {', '.join(pod.name for pod in choice.pods)} of {its.name}"
    if asked.every is not None:
        summary += f", and again every {format_duration(asked.every)}"
        kill["again"] = {
            "every": asked.every,
            "target": _slim(target),
            "params": dict(params),
            "context": dict(context),
        }
    stop = Call(f"{_ROOM}:undo", {"where": target["settings"]["cluster"]}, timeout=5.0) if repeated else None
    return Plan(
        summary=summary,
        targets=tuple(pod.shown for pod in choice.pods),
        objects=(f"pods:{its.namespace}/{its.name}",),
        inject=Call(f"{_ROOM}:inject", kill, timeout=30.0 + (asked.grace or 0)),
        undo=stop,
        effective=Call(f"{_ROOM}:effective", {"where": kill["where"], "pods": kill["pods"]}),
        recovered=Call(f"{_ROOM}:recovered", whole, timeout=30.0),
        commands=(" ".join([*kubectl(kill["where"], its.namespace), "get", "pods"]),),
        takes=(*killed(choice.pods, runs), *(_again(its, runs, choice) if repeated else ())),
        among=choice.among,
        notes=tuple(notes),
        permissions=tuple(needs(target, params)),
        recovered_when="" if before is None else when(before),
    ).to_json()


def _choose(
    api: Api,
    its: Service,
    asked: PodKillParameters,
    target: Mapping[str, Json],
    context: Mapping[str, Json],
    *,
    turn: int,
) -> tuple[Choice, list[Pod], Workload | None]:
    """The pods to kill, all those of the service, and what runs them."""
    pods, runs, space = survey(api, its, context, turn)
    where = f"pod-kill on {its.name}"
    if asked.instance is not None:
        named = [pod for pod in pods if pod.name == asked.instance]
        if not named:
            raise ValueError(
                f"{where}: no pod of it is called {asked.instance!r}; there is {', '.join(p.name for p in pods)}"
            )
    choice = choose(
        where,
        pods if asked.instance is None else named,
        count=asked.count,
        percent=asked.percent,
        everything=asked.all,
        context=context,
        target=target,
        space=space,
        whole=whole_of(space, pods, runs),
        wanted=runs.replicas if runs is not None else 0,
        kept=not_made_anew,
    )
    return choice, pods, runs


def _again(its: Service, runs: Workload | None, choice: Choice) -> tuple[Json, ...]:
    return some_of(its.namespace, runs.selector if runs is not None else its.selector, len(choice.pods), again=True)


def _budgets(api: Api, its: Service, asked: PodKillParameters, choice: Choice) -> Iterator[str]:
    for budget in budgets(api, its.namespace, choice.pods):
        says = f"PodDisruptionBudget {budget.name} allows {budget.allowed} of its pods to be disrupted now"
        if not asked.evict:
            yield f"{says}; deleting does not ask it (evict: true does)"
        elif len(budget.covers) > budget.allowed:
            raise ValueError(f"pod-kill on {its.name}: {says}, and {len(budget.covers)} would be evicted")
        else:
            yield says


def _small(pod: Pod) -> dict[str, Json]:
    return {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid, "version": pod.version}


def _slim(target: Mapping[str, Json]) -> dict[str, Json]:
    """As much of the target as choosing again needs."""
    return {"name": target["name"], "kind": target["kind"], "settings": target["settings"]}


# --- inject ----------------------------------------------------------------------------------------------------------


def inject(
    where: Where,
    pods: Sequence[Mapping[str, Json]],
    evict: bool,
    grace: float | None,
    opt_in: str | None,
    again: Mapping[str, Any] | None = None,
) -> Json:
    """Delete or evict these very pods; with `again`, an iterator that goes on with others.

    Raises:
        RuntimeError: one of them is gone, protected or another by now; those before it are killed.
    """
    api = prepared(where)
    if again is None:
        return {"evidence": _kill(api, pods, evict, grace, opt_in)}
    return _repeat(api, pods, evict, grace, opt_in, again)


def _kill(api: Api, pods: Sequence[Mapping[str, Json]], evict: bool, grace: float | None, opt_in: str | None) -> str:
    for pod in pods:
        _kill_one(api, pod, evict, grace, opt_in)
    return _killed(evict, [str(pod["name"]) for pod in pods])


def _kill_one(api: Api, pod: Mapping[str, Json], evict: bool, grace: float | None, opt_in: str | None) -> None:
    namespace, name = str(pod["namespace"]), str(pod["name"])
    version = pod["version"]
    for left in reversed(range(_TRIES)):
        options: dict[str, Json] = {"preconditions": {"uid": pod["uid"], "resourceVersion": version}}
        if grace is not None:
            options["gracePeriodSeconds"] = round(grace)
        try:
            if evict:
                body = {
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": name, "namespace": namespace},
                    "deleteOptions": options,
                }
                api.ask("POST", PODS.path(namespace, name, "eviction"), body=body)
            else:
                api.ask("DELETE", PODS.path(namespace, name), body=options)
            return
        except Refused as refused:
            if refused.status == 404:
                raise RuntimeError(f"pod {namespace}/{name} was gone before it was killed") from None
            if refused.caused_by("DisruptionBudget"):
                raise RuntimeError(f"pod {namespace}/{name}: {refused.message}") from None
            if refused.status != 409 or not left:
                raise
        # Something about it has changed: most likely its status. Look whether it may be touched still.
        there = api.get(PODS, namespace, name)
        if there is None or as_pod(there).uid != pod["uid"] or as_pod(there).leaving:
            raise RuntimeError(f"pod {namespace}/{name} was gone before it was killed")
        if why := protection(labels_of(there), opt_in, name) or not_made_anew(as_pod(there)):
            raise RuntimeError(f"pod {namespace}/{name} may not be touched any more: {why}")
        version = as_pod(there).version


def _strike(api: Api, pods: Sequence[Mapping[str, Json]], evict: bool, grace: float | None, opt_in: str | None) -> str:
    """The same again, as evidence: nothing that was begun is said not to have been."""
    done: list[str] = []
    for pod in pods:
        try:
            _kill_one(api, pod, evict, grace, opt_in)
        except Unreachable as error:
            if not error.never_sent:
                maybe = f"{MAY_HAVE}{pod['name']}: {error}"
                return f"{maybe}; {_killed(evict, done)} before" if done else maybe
            return f"{_killed(evict, done)}; then: {error}" if done else f"{NOT_THIS_TIME}{error}"
        except (ValueError, RuntimeError) as error:
            return f"{_killed(evict, done)}; then: {error}" if done else f"{NOT_THIS_TIME}{error}"
        done.append(str(pod["name"]))
    return _killed(evict, done)


def _killed(evict: bool, names: Sequence[str]) -> str:
    return f"{'evicted' if evict else 'deleted'} {', '.join(names)}"


def _repeat(
    api: Api,
    pods: Sequence[Mapping[str, Json]],
    evict: bool,
    grace: float | None,
    opt_in: str | None,
    again: Mapping[str, Any],
) -> Iterator[dict[str, Json]]:
    due, turn = boot_clock(), 0
    end = due + (again["context"].get("duration") or float("inf"))
    yield {"evidence": _kill(api, pods, evict, grace, opt_in)}
    asked: PodKillParameters = read(again["params"])
    its = service(again["target"], asked.service)
    while (due := max(due + float(again["every"]), boot_clock())) < end:
        turn += 1
        time.sleep(max(0.0, due - boot_clock()))
        try:
            # A machine that was suspended wakes up here: by then the pods may be another exercise's.
            ours_until = confirm(api, its.namespace, str(again["context"]["exercise"]))
            check_namespace(api, its.namespace)
            choice, *_ = _choose(api, its, asked, again["target"], again["context"], turn=turn)
            list(_budgets(api, its, asked, choice))
        except (ValueError, RuntimeError) as error:
            # Fewer pods than the limits want, say, since the last ones are not back yet: this turn passes.
            yield {"evidence": f"{NOT_THIS_TIME}{error}"}
            continue
        chosen, names = [_small(pod) for pod in choice.pods], [pod.name for pod in choice.pods]
        yield about_to_strike(names, chosen)
        if boot_clock() >= end:
            yield {"evidence": f"{CALLED_OFF}{', '.join(names)}: its time is over"}
        elif boot_clock() >= ours_until:
            yield {"evidence": f"{NOT_THIS_TIME}it took so long that the target may be another's by now"}
        else:
            yield {"evidence": _strike(api, chosen, evict, grace, opt_in)}


def prepare_undo(where: Where) -> None:
    prepared(where)


def undo(where: Where) -> None:
    """What repeats is stopped by killing it, which whoever undoes does; pods come back by themselves."""


# --- verification ----------------------------------------------------------------------------------------------------


def effective(where: Where, pods: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Whether those very pods are gone, or on their way."""
    api = prepared(where)
    if still := _living(api, pods):
        return {"holds": False, "evidence": f"still there: {', '.join(still)}"}
    return {"holds": True, "evidence": f"gone: {', '.join(str(pod['name']) for pod in pods)}"}


def recovered(
    where: Where,
    service: Mapping[str, Any],
    wanted: int,
    before: Mapping[str, Json] | None = None,
    struck: Sequence[Mapping[str, Json]] = (),
) -> dict[str, Json]:
    """Whether the service has as many ready pods again as it should; where it was degraded `before`, as it had then.

    What was killed has its deletion time from that moment on, and isn't counted; what was only to be killed is. Of what
    may have been `struck` last, when that was stopped, a moment shows which of the two it is.
    """
    from gameday.cluster.services import service as find

    api = prepared(where)
    its = find(service["target"], service["name"])
    try:
        try:
            _, runs = pods_of(api, its, afterwards=True)
        except ValueError as error:
            return without_pods(api, its, wanted) or {"holds": False, "evidence": str(error)}
    except Unreachable as error:
        return {"holds": False, "evidence": str(error)}
    whole = whole_again(api, runs, its, wanted, before)
    if not whole["holds"] or not struck:
        return whole
    if _living(api, struck):
        time.sleep(_ON_ITS_WAY)
        whole = whole_again(api, runs, its, wanted, before)
    spared = _living(api, struck)
    hit = [str(pod["name"]) for pod in struck if str(pod["name"]) not in spared]
    told = [f"{', '.join(names)} {how}" for names, how in ((hit, "was hit"), (spared, "was not hit")) if names]
    return {**whole, "evidence": f"{whole['evidence']}; of the strike that was stopped: {'; '.join(told)}"}


def _living(api: Api, pods: Sequence[Mapping[str, Json]]) -> list[str]:
    """Which of those very pods are there still, and are to stay."""
    found = ((pod, api.get(PODS, str(pod["namespace"]), str(pod["name"]))) for pod in pods)
    return [
        str(pod["name"])
        for pod, there in found
        if there is not None and as_pod(there).uid == pod["uid"] and not as_pod(there).leaving
    ]
