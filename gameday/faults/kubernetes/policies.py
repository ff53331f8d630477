"""Traffic denied by NetworkPolicies of our own: for outages and partitions on the plain API.

Policies only ever allow, and add up: what one of them lets through, no other can deny. So ours select pods and let
nothing through, or all but one caller; where another policy lets something through already, the fault is refused, since
ours could deny nothing there, or would open what that one closes. That is looked at when it is planned, and again when
it is about to be set to work; what somebody adds while it lasts can't be seen to, and is said in the plan. Whether the
cluster's network heeds policies at all only the traffic itself can show, so one that nothing can verify is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from gameday.cluster import creations
from gameday.cluster.api import Api, Where
from gameday.cluster.creations import STATE, delete_by_hand, object_name, our_labels
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.marks import prepared
from gameday.cluster.resources import (
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    REPLICASETS,
    SERVICES,
    WORKLOADS,
    Resource,
    annotations_of,
    meta,
    named,
    right,
)
from gameday.cluster.services import MANAGED, OURS, PROTECTED, Pod, Service, list_pods
from gameday.engine.ports import Json
from gameday.faults.declaration import Incapable, own_name
from gameday.faults.kubernetes.changes import made_undone
from gameday.faults.kubernetes.reach import askable, reached
from gameday.targets.selectors import matches, parse

ROOM = "gameday.faults.kubernetes.policies"
NOTHING = {"matchLabels": {"gameday.dev/matches": "nothing"}}
"""Selects no pod: so a policy is harmless until it is set to work."""
_NAME_OF_NAMESPACE = "kubernetes.io/metadata.name"
_NEGATED = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
_IGNORED = "most likely this cluster's network does not enforce NetworkPolicy"
_UNASKED = "whether traffic passes again was not asked, which a `recovered:` check of the entry would"
_INSTEAD = " (Chaos Mesh does not depend on that, nor does an outage `by: service` or `by: scale`)"

_BASELINE = "BaselineAdminNetworkPolicy"
_OTHER_KINDS = (
    ("policy.networking.k8s.io", "v1alpha1", _BASELINE, "baselineadminnetworkpolicies"),
    ("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
    ("cilium.io", "v2", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies"),
    ("crd.projectcalico.org", "v1", "NetworkPolicy of Calico", "networkpolicies"),
    ("crd.projectcalico.org", "v1", "GlobalNetworkPolicy", "globalnetworkpolicies"),
)
"""Group, version, kind and plural of what rules traffic beside NetworkPolicies, and adds up with them."""
_NAMESPACED = ("ciliumnetworkpolicies", "networkpolicies")
_OPENED = "where {} closes traffic between pods that no NetworkPolicy rules, ours may open it while it lasts"

Kind = Literal["Ingress", "Egress"]


def needs(*concerned: Service) -> list[str]:
    """The rights to look at these services' pods, and to make policies for them."""
    found = [right("get", NAMESPACES)]
    for its in concerned:
        space = its.namespace
        found += [right(verb, NETWORK_POLICIES, space) for verb in ("list", "get", "create", "patch", "delete")]
        found.append(right("list", PODS, space))
        if its.workload:
            found.append(right("get", its.workload_resource, space))
        else:
            found += [right("get", each, space) for each in (REPLICASETS, *WORKLOADS.values())]
            if its.service and not its.selector:
                found.append(right("get", SERVICES, space))
    return list(dict.fromkeys(found))


# --- made ------------------------------------------------------------------------------------------------------------


def selecting(selector: str, target: Mapping[str, Json]) -> dict[str, Json]:
    """The pods that a selector finds, but never such as are protected, whenever they come."""
    found = list(parse(selector)["matchExpressions"])
    found.append({"key": PROTECTED, "operator": "NotIn", "values": ["true", "True", "TRUE"]})
    found += [{"key": key, "operator": "NotIn", "values": [OURS]} for key in (MANAGED, "app.kubernetes.io/name")]
    if opt_in := target["settings"].get("opt_in"):
        found += parse(opt_in)["matchExpressions"]
    return {"matchExpressions": found}


def all_but(selector: str, namespace: str) -> list[dict[str, Json]]:
    """Peers of a rule: every pod of the cluster but those that `selector` finds in `namespace`."""
    elsewhere = {"key": _NAME_OF_NAMESPACE, "operator": "NotIn", "values": [namespace]}
    there = {"matchLabels": {_NAME_OF_NAMESPACE: namespace}}
    peers: list[dict[str, Json]] = [{"namespaceSelector": {"matchExpressions": [elsewhere]}, "podSelector": {}}]
    for one in parse(selector)["matchExpressions"]:
        # Not (a and b) is (not a) or (not b): a peer for each.
        negated = {**one, "operator": _NEGATED[one["operator"]]}
        peers.append({"namespaceSelector": there, "podSelector": {"matchExpressions": [negated]}})
    return peers


def policy(
    context: Mapping[str, Json],
    namespace: str,
    selector: Mapping[str, Json],
    kinds: Sequence[Kind],
    *,
    allowed: Sequence[Mapping[str, Json]] = (),
    suffix: str = "",
) -> dict[str, Json]:
    """A policy for `changes.inject_made`, and its undo: `{"kind", "namespace", "name", "own", "inert", "strike"}`.

    It denies what comes in, goes out, or both, from and to the pods of `selector`; what comes from `allowed` it allows.
    """
    name, labels = object_name(own_name(context) + suffix), our_labels(context)
    spec: dict[str, Json] = {"podSelector": NOTHING, "policyTypes": list(kinds)}
    if allowed:
        spec["ingress"] = [{"from": [dict(peer) for peer in allowed]}]
    inert = {
        "apiVersion": NETWORK_POLICIES.api_version,
        "kind": NETWORK_POLICIES.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }
    strike = [{"op": "replace", "path": "/spec/podSelector", "value": dict(selector)}]
    whose: dict[str, Json] = {"kind": NETWORK_POLICIES.kind, "namespace": namespace, "name": name, "own": labels}
    return {**whose, "inert": inert, "strike": strike}


def whose(objects: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """As much of each as its undo needs."""
    return [{key: one[key] for key in ("kind", "namespace", "name", "own")} for one in objects]


def commands(where: Where, objects: Sequence[Mapping[str, Json]]) -> tuple[str, ...]:
    """Shell lines that take them away."""
    return tuple(delete_by_hand(where, NETWORK_POLICIES, one["namespace"], one["name"]) for one in objects)


def keys(objects: Sequence[Mapping[str, Json]]) -> tuple[str, ...]:
    return tuple(f"networkpolicy:{one['namespace']}/{one['name']}" for one in objects)


# --- in words --------------------------------------------------------------------------------------------------------


def undone_by(objects: Sequence[Mapping[str, Json]]) -> str:
    return f"deleting {_that(objects)}"


def effective_when(address: str | None) -> str:
    """`address`: see `verified_by`."""
    return f"{address}, which answers from here now, does not" if address else "the entry's own `effective` check holds"


def recovered_when(objects: Sequence[Mapping[str, Json]], address: str | None) -> str:
    be = "is" if len(objects) == 1 else "are"
    return f"{_that(objects)} {be} gone{f', and {address} answers again' if address else ''}"


def _that(objects: Sequence[Mapping[str, Json]]) -> str:
    return "that NetworkPolicy" if len(objects) == 1 else f"those {len(objects)} NetworkPolicies"


# --- refused ---------------------------------------------------------------------------------------------------------


def check_alone(api: Api, namespace: str, pods: Sequence[Pod], kinds: Sequence[Kind]) -> None:
    """Raise ValueError where another policy lets something through to, or from, these pods."""
    for other in api.items(NETWORK_POLICIES, namespace):
        spec = other.get("spec") or {}
        theirs = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        open_ = [kind for kind in kinds if kind in theirs and spec.get(kind.lower())]
        if open_ and any(matches(spec.get("podSelector") or {}, pod.labels) for pod in pods):
            raise Incapable(
                f"{named(NETWORK_POLICIES, namespace, str(meta(other)['name']))} lets traffic through "
                f"({', '.join(open_).lower()}) for these pods, and policies add up: one more could deny nothing of "
                f"that. Use another way (by: service, by: scale) or engine (Chaos Mesh)"
            )


def check_alike(api: Api, namespace: str, pods: Sequence[Pod], own: Collection[str] = ()) -> None:
    """Raise ValueError where a policy rules what comes in to these pods: one that allows would open what it closes.

    `own`: names of policies that are ours.
    """
    for other in api.items(NETWORK_POLICIES, namespace):
        if meta(other)["name"] in own:
            continue
        spec = other.get("spec") or {}
        if "Ingress" not in (spec.get("policyTypes") or ["Ingress"]):
            continue
        if any(matches(spec.get("podSelector") or {}, pod.labels) for pod in pods):
            raise Incapable(
                f"{named(NETWORK_POLICIES, namespace, str(meta(other)['name']))} rules what may come in to these pods, "
                f"and policies add up: one that cuts off a single caller would open what that one closes. Use Chaos "
                f"Mesh, or leave `from` away"
            )


def beyond(api: Api, namespace: str) -> list[str]:
    """Notes on policies of other kinds that one of ours which allows something may open.

    Raises:
        ValueError: there is a baseline for the whole cluster that denies: where any NetworkPolicy rules what comes in
            to a pod, that is not asked any more.
    """
    try:
        groups = {one.get("name") for one in api.ask("GET", "/apis").get("groups") or ()}
    except Refused as refused:
        return [f"whether policies of other kinds are there could not be looked at: {refused}"]
    notes = []
    for group, version, kind, plural in _OTHER_KINDS:
        if group not in groups:
            continue
        resource = Resource(group, version, plural, kind, namespaced=plural in _NAMESPACED)
        try:
            found = api.items(resource, namespace if resource.namespaced else None)
        except Refused as refused:
            if refused.status != 404:
                notes.append(f"{_OPENED.format(f'a {kind}')}; whether there are any could not be looked at: {refused}")
            continue
        names = ", ".join(sorted(str(meta(one)["name"]) for one in found))
        if kind == _BASELINE and any(_denies(one) for one in found):
            raise Incapable(
                f"{kind} {names} denies what comes in to pods, and is not asked where a NetworkPolicy is: one that "
                "cuts off a single caller would open what that closes. Use Chaos Mesh, or leave `from` away"
            )
        if names and kind != _BASELINE:
            notes.append(_OPENED.format(f"{kind} {names}"))
    return notes


def _denies(baseline: Mapping[str, Any]) -> bool:
    return any(rule.get("action") == "Deny" for rule in (baseline.get("spec") or {}).get("ingress") or ())


def verified_by(
    where: str, its: Service, target: Mapping[str, Json], context: Mapping[str, Json], *, by_address: bool = True
) -> str | None:
    """The address by which the effect is seen from here, None where the entry's own `effective` check sees it.

    Raises:
        ValueError: nothing could tell whether the policy has any effect, or it does not answer now.
    """
    if by_address and askable(its.address):
        answers, words = reached(its.address)
        if not answers:
            raise ValueError(
                f"{where}: {its.address} is {words} from here before the fault, so it can't show an effect: see why "
                f"{its.name} does not answer there, or correct its address"
            )
        return its.address
    if context.get("checked"):
        return None
    table = f"[targets.{target['name']}.services.{its.name}]"
    here = f'{table} address = "http://…" (it must answer from here), or ' if by_address else ""
    raise ValueError(
        f"{where}: clusters accept a NetworkPolicy and may ignore it, and nothing would show whether this one works: "
        f"add {here}an `effective:` check to this entry (what callers see while it lasts)"
    )


# --- inject ----------------------------------------------------------------------------------------------------------


def inject_denying(where: Where, objects: Sequence[Mapping[str, Any]], called: Sequence[Mapping[str, str]]) -> None:
    """As `changes.inject_made`; each is set to work only where no policy rules its pods by then, see `check_alike`.

    `called`: for each object the `namespace` and `selector` of its pods. Raises RuntimeError where one does.
    """
    api, own = Api(where), {str(one["name"]) for one in objects}
    for one, side in zip(objects, called, strict=True):
        creations.make(api, NETWORK_POLICIES, one["inert"], one["strike"], _still_alone(api, side, own))


def _still_alone(api: Api, side: Mapping[str, str], own: Collection[str]) -> Callable[[], None]:
    def check() -> None:
        try:
            check_alike(api, side["namespace"], list_pods(api, side["namespace"], side["selector"]), own)
        except ValueError as error:
            raise RuntimeError(f"since it was planned: {error}") from None

    return check


# --- verification ----------------------------------------------------------------------------------------------------


def effective(where: Where, objects: Sequence[Mapping[str, Any]], address: str | None) -> dict[str, Json]:
    """Whether the policies are set to work, and nothing answers at `address` any more."""
    api = prepared(where)
    names = []
    for one in objects:
        there = api.get(NETWORK_POLICIES, one["namespace"], one["name"])
        what = named(NETWORK_POLICIES, one["namespace"], one["name"])
        if there is None or annotations_of(there).get(STATE) != "set":
            return {"holds": False, "evidence": f"{what} is {'not there' if there is None else 'not set to work'}"}
        names.append(what)
    said = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} set"
    if address is None:
        # Whether it shows is for the entry's own check to say; where that says no, this is why.
        return {"holds": True, "evidence": said, "doubt": f"{said}, so {_IGNORED}{_INSTEAD}"}
    answers, words = reached(address)
    if answers:
        return {
            "holds": False,
            "evidence": f"{said}, and {address} still {words}: {_IGNORED}, or lets this machine through{_INSTEAD}",
        }
    return {"holds": True, "evidence": f"{said}; {address} is {words}"}


def recovered(where: Where, objects: Sequence[Mapping[str, Any]], address: str | None) -> dict[str, Json]:
    """Whether the policies are gone, and `address` answers again. Without one it is said that it was not asked:
    that pods and endpoints are ready shows nothing, since networks mostly let the kubelet's probes through."""
    try:
        undone = made_undone(where, objects)
    except Unreachable as error:
        return {"holds": False, "evidence": str(error)}
    if not undone["holds"]:
        return undone
    if address is None:
        return {**undone, "evidence": f"{undone['evidence']}; {_UNASKED}", "beside": undone["evidence"]}
    answers, words = reached(address)
    return {"holds": answers, "evidence": f"{undone['evidence']}; {address} {'' if answers else 'is '}{words}"}
