"""What `gameday doctor` says of clusters: whether they can be reached, what they have, what was left there.

Reads only. Whether the rights are enough depends on the scenario: that is `gameday preview`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gameday.cli.doctor import Finding
from gameday.errors import GamedayError

if TYPE_CHECKING:
    from gameday.cluster.api import Api
    from gameday.engine.ports import TargetInfo
    from gameday.targets.settings import Settings

_CONTROLLER = "app.kubernetes.io/name=chaos-mesh,app.kubernetes.io/component=controller-manager"
CHECK = "cluster"


def clusters(settings: Settings) -> Iterator[TargetInfo]:
    """The targets of the settings that are clusters."""
    from gameday.targets.resolving import check_target

    for name in settings.targets:
        if settings.targets[name].kind == "kubernetes":
            yield check_target(name, settings)


def examine_cluster(target: TargetInfo) -> Iterator[Finding]:
    """All that is to be said of one."""
    from gameday.cluster.api import Api, words
    from gameday.cluster.errors import Refused, Unreachable

    where = target.settings["cluster"]
    there = f"[targets.{target.name}] of gameday.toml"
    try:
        api = Api(where)
        version = api.ask("GET", "/version")["gitVersion"]
        # For the version anybody may ask.
        api.identity()
    except GamedayError as error:
        what = "run it in a pod, or say a context instead of in_cluster" if where.get("in_cluster") else ""
        yield Finding(CHECK, "fail", f"{target.name}: {error}", f"{what or 'correct context or kubeconfig'} in {there}")
        return
    except (Refused, Unreachable) as error:
        log_in = isinstance(error, Refused) and (error.status == 401 or error.nobody)
        do = f"{'log in again' if log_in else 'see whether it runs and can be reached from here'}, or correct {there}"
        yield Finding(CHECK, "fail", f"{target.name} ({words(where)}): {error}", do)
        return
    yield Finding(CHECK, "ok", f"{target.name}: Kubernetes {version} at {api.server} ({words(where)})")
    there_are: list[str] = []
    yield from _guarded(target, _namespaces(api, target, there_are))
    yield from _guarded(target, _engines(api, target))
    for name in target.services:
        yield from _guarded(target, _service(api, target, name, there_are))
    yield from _guarded(target, _claims(target))
    yield from _guarded(target, _left(api, target))


def _guarded(target: TargetInfo, findings: Iterator[Finding]) -> Iterator[Finding]:
    """One part; that it can't be looked at keeps the others from nothing."""
    from gameday.cluster.errors import Refused, Unreachable

    try:
        yield from findings
    except (Refused, Unreachable) as error:
        if isinstance(error, Refused) and error.status == 403:
            do = "it may be right all the same; `gameday preview` says which rights a scenario lacks"
            yield Finding(CHECK, "warn", f"{target.name}: {error}", do)
        else:
            yield Finding(CHECK, "fail", f"{target.name}: {error}", "see what it says, and try again")
    except ValueError as error:
        yield Finding(CHECK, "fail", f"{target.name}: {error}", f"correct it in [targets.{target.name}]")


def _namespaces(api: Api, target: TargetInfo, good: list[str]) -> Iterator[Finding]:
    """`good`: filled with those that are there."""
    from gameday.cluster.services import check_namespace

    for namespace in target.settings["namespaces"]:
        try:
            check_namespace(api, namespace)
            good.append(namespace)
        except ValueError as error:
            do = f"correct namespaces in [targets.{target.name}]"
            yield Finding(CHECK, "fail", f"{target.name}: {error}", do)
    if good:
        yield Finding(CHECK, "ok", f"{target.name}: may touch {', '.join(good)}")


def _engines(api: Api, target: TargetInfo) -> Iterator[Finding]:
    from gameday.cluster.engines import MESH, resolved
    from gameday.cluster.errors import Refused
    from gameday.cluster.resources import DEPLOYMENTS
    from gameday.faults.planning import ENGINES

    try:
        found = resolved(target.settings, target.name)["engines"]
    except GamedayError as error:
        yield Finding(CHECK, "fail", str(error), f"install it, or correct engines in [targets.{target.name}]")
        return
    names = ", ".join(ENGINES[engine].partition(" (")[0] for engine in found)
    yield Finding(CHECK, "ok", f"{target.name}: faults can be done by {names}")
    if MESH in found:
        try:
            seen = api.items(DEPLOYMENTS, None, selector=_CONTROLLER)
        except Refused:
            # Whoever may not look there may have it all the same.
            return
        if not any((one.get("status") or {}).get("readyReplicas") for one in seen):
            text = f"{target.name}: Chaos Mesh's API is there, and no ready controller of it is to be seen"
            yield Finding(CHECK, "warn", text, "see to it that chaos-controller-manager runs, or nothing takes hold")
    if proxy := target.settings.get("proxy"):
        yield _proxy(target.name, str(proxy).rstrip("/"))


def _proxy(name: str, address: str) -> Finding:
    from gameday.faults.wire import Unanswered, demand

    try:
        proxies = demand("GET", f"{address}/proxies").content
    except (Unanswered, RuntimeError) as error:
        return Finding(CHECK, "fail", f"{name}: Toxiproxy: {error}", f"start it, or correct proxy in [targets.{name}]")
    known = ", ".join(proxies) if isinstance(proxies, dict) and proxies else "none"
    return Finding(CHECK, "ok", f"{name}: Toxiproxy at {address}, proxies: {known}")


def _service(api: Api, target: TargetInfo, name: str, namespaces: Sequence[str]) -> Iterator[Finding]:
    from gameday.cluster.resources import SERVICES
    from gameday.cluster.services import pods_of, service

    header = f"[targets.{target.name}.services.{name}]"
    its = service(target.to_json(), name)
    if its.namespace not in namespaces:
        # That it is not there has been said.
        return
    if its.service and api.get(SERVICES, its.namespace, its.service) is None:
        text = f"{target.name}: {name}: there is no Service {its.service} in namespace {its.namespace}"
        yield Finding(CHECK, "fail", text, f"correct service in {header}")
    if not its.workload and not its.selector:
        known = ", ".join(its.external) or its.service or its.proxy or its.address
        yield Finding(CHECK, "ok", f"{target.name}: {name}: known by {known}; its pods are not")
        return
    try:
        pods, runs = pods_of(api, its)
    except ValueError as error:
        yield Finding(CHECK, "fail", f"{target.name}: {error}", f"correct {header}, or start it")
        return
    ready = sum(pod.ready for pod in pods)
    said = runs.words() if runs is not None else f"{ready} of {len(pods)} pods are ready"
    whole = runs.whole if runs is not None else ready == len(pods)
    do = "" if whole else "a fault would meet a service that is not whole: see `kubectl get pods`"
    yield Finding(CHECK, "ok" if whole else "warn", f"{target.name}: {name}: {said}", do)


def _claims(target: TargetInfo) -> Iterator[Finding]:
    from gameday.cluster.lease import claims

    standing = claims(target.settings["cluster"], target.settings["namespaces"])
    for claim in standing:
        if claim.holds:
            do = f"wait for its end, or stop it where it runs: gameday abort {claim.identity}"
            yield Finding(CHECK, "warn", f"{target.name}: {claim.shown}", do)
        else:
            why = "nobody of it is left on this machine" if claim.left > 0 else "its claim has run out"
            text = f"{target.name}: exercise {claim.identity} never gave {claim.namespace} back; {why}"
            yield Finding(CHECK, "warn", text, f"gameday recover --target {target.name}")
    if not standing:
        yield Finding(CHECK, "ok", f"{target.name}: no exercise has it")


def _left(api: Api, target: TargetInfo) -> Iterator[Finding]:
    from gameday.cluster.lease import claims
    from gameday.cluster.litter import find

    alive = {one.identity for one in claims(api.where, target.settings["namespaces"]) if one.holds}
    found, _ = find(api, target.settings["namespaces"])
    # A pod that Chaos Mesh is to kill does not say for whom: for those who live, where somebody does.
    left = [one for one in found if one.exercise not in alive and (one.exercise or not alive)]
    if left:
        text = f"{target.name}: faults of gameday's stand there: {', '.join(one.shown for one in left)}"
        yield Finding(CHECK, "fail", text, f"gameday recover --target {target.name}")
