"""The claim to a target that everybody sees: a Lease called `gameday` in each namespace that may be touched.

One exercise at a time, whoever runs it from wherever. Who holds it renews it. Clocks differ, so what a claim's own
times say is believed where it means to keep away, and never where it means to take over: that is done only with a claim
that was not renewed for as long as it lasts while we watched, by our own clock. Or for a moment, where this machine
knows that nobody is left who could (see `holders`).
"""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gameday.cluster.api import Api, Json, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.holders import HELD, LASTS, nobody_left
from gameday.cluster.kubectl import kubectl
from gameday.cluster.resources import LEASES, NAMESPACES, meta, right
from gameday.cluster.services import MANAGED, OURS
from gameday.engine.processes import boot_clock
from gameday.errors import RefusedError, TargetError
from gameday.frozen import frozen

NAME = "gameday"
RENEWED = 10.0
"""Seconds between two renewals."""
AHEAD = 10.0
"""Seconds that a renewal may lie in the future; further, and nothing can be told from the claim's times."""
LONGEST = 600.0
"""Seconds that a claim may last by its own word to be watched for that long."""
LATE = 15.0
"""Seconds for which the claim of those who are all dead is watched: none of their requests takes so long, and should
anybody live all the same (on a copy of a machine, say), it is renewed within that."""
_LOOK = 1.0
_SAY = 20.0
_PATIENCE = 5.0


Say = Callable[[str], None]
"""How whoever waits is told for what."""


class Held(RefusedError):
    """Another exercise has it."""


class NoNamespace(TargetError):
    """A namespace is not there, or is on its way out, so that nothing can begin in it."""

    def __init__(self, namespace: str, *, leaving: bool = False) -> None:
        what = f"namespace {namespace} is being deleted" if leaving else f"there is no namespace {namespace}"
        super().__init__(f"{what}: make it, or take it out of the target's namespaces")
        self.namespace = namespace


def permissions(namespaces: Sequence[str]) -> list[str]:
    """The rights that a claim needs."""
    # That something of this name is made can't be told from that something is made.
    made = [right("create", LEASES, each) for each in namespaces]
    return made + [right(verb, LEASES, each, name=NAME) for each in namespaces for verb in ("delete", "get", "update")]


def holder(where: Where, namespaces: Sequence[str], say: Say | None = None) -> str | None:
    """Who holds a claim that has not run out by its own times, in words; None where nobody does. Only reads.

    That there is no such namespace is said as well. Of a claim that a run would take over `say` hears for how long it
    would be watched before.
    """
    api = Api(where)
    for namespace in namespaces:
        there = api.get(LEASES, namespace, NAME)
        if there is None and absent(api, [namespace]):
            return str(NoNamespace(namespace))
        if there is None or not _identity(there):
            continue
        dead = nobody_left(there)
        if _left(there) > 0 and not _untellable(there) and not dead:
            return f"{_words(there, namespace)}; {_dead(api, namespace)}"
        if reason := _too_long(api, namespace, there, dead):
            return reason
        if say is not None:
            left = ", and nobody of it is left on this machine" if dead else ""
            say(
                f"{_words(there, namespace)}{left}: a run would watch for {_watched(there, dead):.0f} s whether it is "
                "renewed, and then take it over"
            )
    return None


def absent(api: Api, namespaces: Sequence[str]) -> list[str]:
    """Those of the namespaces that are not there. Whoever may not read them knows of none. Only reads.

    Raises:
        Refused, Unreachable: see `Api.ask`.
    """
    found: list[str] = []
    for namespace in namespaces:
        try:
            if api.get(NAMESPACES, None, namespace, timeout=_PATIENCE) is None:
                found.append(namespace)
        except Refused as refused:
            if refused.status != 403:
                raise
    return found


@frozen
class Claim:
    """Somebody's claim to one namespace."""

    namespace: str
    identity: str
    left: float
    """Seconds for which it still holds; 0 or less where it has run out by its own times."""
    shown: str
    release: str
    """A shell line that takes it away, for where its exercise is certainly dead."""
    untellable: bool = False
    """Its renewal lies in the future by our clock: only watching it tells whether it lives."""
    dead: bool = False
    """Nobody is left who could renew it, as this machine knows for certain."""

    @property
    def holds(self) -> bool:
        """Whether somebody may live who has it, by its own times and by what this machine knows."""
        return self.left > 0 and not self.dead


def claims(where: Where, namespaces: Sequence[str]) -> list[Claim]:
    """All claims that are there, those that have run out too. Only reads; raises as `Api.ask` does."""
    api = Api(where)
    there = [(each, api.get(LEASES, each, NAME, timeout=_PATIENCE)) for each in namespaces]
    return [_claim(api, each, thing) for each, thing in there if thing is not None and _identity(thing)]


def everywhere(api: Api) -> list[Claim]:
    """All claims of the cluster, those that have run out too. Only reads; raises as `Api.ask` does."""
    there = api.items(LEASES, fields=f"metadata.name={NAME}", timeout=_PATIENCE)
    return [_claim(api, str(meta(thing).get("namespace")), thing) for thing in there if _identity(thing)]


def _claim(api: Api, namespace: str, thing: Mapping[str, Any]) -> Claim:
    shown, release = _words(thing, namespace), _release(api, namespace)
    return Claim(namespace, _identity(thing), _left(thing), shown, release, _untellable(thing), nobody_left(thing))


def acquire(
    where: Where,
    namespaces: Sequence[str],
    identity: str,
    say: Say | None = None,
    *,
    clearing: bool = False,
    go_on: Callable[[], None] | None = None,
) -> list[str]:
    """Claim all namespaces for `identity`, in order; all or none. Claims that may be dead are watched before, together.

    `clearing`: those that are not there, or on their way out, are passed over, since nobody can begin anything in them.
    `go_on` is called each second while one is watched; what it raises ends that, and nothing is claimed.
    Returns those that were claimed.

    Raises:
        Held: somebody has one of them.
        NoNamespace: one of them is not there.
        TargetError: the API server can't be asked, or doesn't let us.
    """
    api = Api(where)
    taken: list[str] = []
    try:
        run_out = _run_out(api, namespaces, identity, say, go_on)
        for namespace in namespaces:
            try:
                _acquire(api, namespace, identity, run_out.get(namespace))
            except NoNamespace:
                if not clearing:
                    raise
                continue
            taken.append(namespace)
    except (Refused, Unreachable, Held, NoNamespace) as error:
        # What can't be given back runs out by itself; why all of it can't be had is what has to be told.
        with suppress(Refused, Unreachable):
            _give_back(api, taken, identity)
        if isinstance(error, Held | NoNamespace):
            raise
        raise TargetError(f"the target can't be claimed: {error}") from None
    return taken


def _run_out(
    api: Api, namespaces: Sequence[str], identity: str, say: Say | None, go_on: Callable[[], None] | None
) -> dict[str, Json]:
    """What stands in claims of others (their `spec`), after all were watched for as long as they last.

    Raises:
        Held: one of them has not run out, or was renewed meanwhile.
        Refused, Unreachable: see `Api.ask`.
    """
    began, said, seen = boot_clock(), 0.0, dict[str, Json]()
    until = began
    for namespace in namespaces:
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        if there is None or _identity(there) in (identity, ""):
            continue
        dead = nobody_left(there)
        if _left(there) > 0 and not _untellable(there) and not dead:
            raise _held(api, namespace, there)
        if reason := _too_long(api, namespace, there, dead):
            raise Held(reason)
        seen[namespace] = there["spec"]
        until = max(until, began + _watched(there, dead))
    while seen and (left := until - boot_clock()) > 0:
        if go_on is not None:
            go_on()
        if say is not None and (not said or boot_clock() - said > _SAY):
            said = boot_clock()
            whose = ", ".join(f"{_identity({'spec': spec})} (Lease {each}/{NAME})" for each, spec in seen.items())
            say(f"watching for another {left:.0f} s whether exercise {whose} renews its claim, before it is taken over")
        time.sleep(min(_LOOK, left))
        for namespace in list(seen):
            there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
            if there is None or _identity(there) == "":
                del seen[namespace]
            elif there["spec"] != seen[namespace]:
                raise _held(api, namespace, there)
    return seen


def _watched(thing: Mapping[str, Any], dead: bool) -> float:
    """Seconds for which a claim is watched before it is taken over. `dead`: nobody is left who could renew it."""
    return min(LATE, _lasts(thing)) if dead else _lasts(thing)


def _too_long(api: Api, namespace: str, thing: Mapping[str, Any], dead: bool) -> str:
    """Why a claim that may be dead is not watched; "" where it is."""
    if dead or _lasts(thing) <= LONGEST:
        return ""
    return (
        f"{_words(thing, namespace)}: by its own word it lasts {_lasts(thing):.0f} s, too long to watch "
        f"whether it is renewed; {_dead(api, namespace)}"
    )


def _acquire(api: Api, namespace: str, identity: str, run_out: Json) -> None:
    for _ in range(3):
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        try:
            if there is None:
                api.ask("POST", LEASES.path(namespace), body=_lease(namespace, identity), timeout=_PATIENCE)
                return
            if _identity(there) not in (identity, "") and there["spec"] != run_out:
                raise _held(api, namespace, there)
            spec = {**_spec(identity), "leaseTransitions": _transitions(there) + 1}
            body = {**there, "metadata": _meta(there, ""), "spec": spec}
            api.ask("PUT", LEASES.path(namespace, NAME), body=body, timeout=_PATIENCE)
            return
        except Refused as refused:
            leaving = refused.caused_by("NamespaceTerminating")
            if leaving or (there is None and refused.absent):
                raise NoNamespace(namespace, leaving=leaving) from None
            # Somebody was faster: look who.
            if refused.status not in (404, 409):
                raise
    raise Held(f"the claim to namespace {namespace} (Lease {NAME}) is being taken by somebody else")


def _held(api: Api, namespace: str, there: Mapping[str, Any]) -> Held:
    return Held(
        f"{_words(there, namespace)}: one exercise at a time; wait for its end, or until the claim has run out; "
        f"{_dead(api, namespace)}"
    )


def _dead(api: Api, namespace: str) -> str:
    return f"if that exercise is certainly dead: {_release(api, namespace)}"


def _release(api: Api, namespace: str) -> str:
    return shlex.join([*kubectl(api.where, namespace), "delete", f"{LEASES.full_name}/{NAME}"])


def keep(where: Where, namespaces: Sequence[str], identity: str, lock: str = "") -> Iterator[dict[str, Json]]:
    """Renew the claims for as long as this is listened to; says `abort` when somebody else has one.

    `lock`: what all who may do anything for the exercise hold, see `holders`; "" where nothing tells that they live.

    Each time that all were renewed it says `confirmed`, with the boot clock of before: they last from then on.

    An API server that can't be reached is no reason to stop: who takes the claim over waits until it has run out, and
    then we hear of it here. Where we may not renew it, or not even log in, any more, we would not: then it is lost when
    it has run out.
    """
    api: Api | None = None
    said, renewed = "", boot_clock()
    while True:
        began = boot_clock()
        trouble, forbidden = "", False
        for namespace in namespaces:
            try:
                api = api or Api(where)
                _renew(api, namespace, identity, lock)
            except TargetError as error:
                # We can't log in any more, or would elsewhere.
                trouble, forbidden, api = str(error), True, None
            except Held as lost:
                yield {"abort": f"the claim to the target is lost: {lost}"}
                return
            except (Refused, Unreachable) as error:
                trouble = str(error)
                forbidden = forbidden or (isinstance(error, Refused) and error.status == 403)
        if not trouble:
            renewed = began
        if forbidden and boot_clock() - renewed > LASTS:
            yield {"abort": f"the claim to the target has run out, and we may not renew it: {trouble}"}
            return
        if trouble and trouble != said:
            yield {"warn": f"the claim can't be renewed: {trouble}"}
        elif said and not trouble:
            yield {"warn": "the claim is renewed again", "confirmed": renewed}
        else:
            yield {} if trouble else {"confirmed": renewed}
        said = trouble
        _rest(1.0 if trouble else RENEWED)


def _rest(seconds: float) -> None:
    """Sleep, but not on after the machine was suspended meanwhile."""
    until = boot_clock() + seconds
    while (left := until - boot_clock()) > 0:
        time.sleep(min(left, _LOOK))


def renew(api: Api, namespaces: Sequence[str], identity: str) -> None:
    """Renew the claims once.

    Raises:
        Held: somebody else has one of them.
        Refused, Unreachable: see `Api.ask`.
    """
    for namespace in namespaces:
        _renew(api, namespace, identity)


def _renew(api: Api, namespace: str, identity: str, lock: str | None = None) -> None:
    """`lock`: as with `keep`; None leaves what stands there."""
    for left in reversed(range(3)):
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        if there is not None and _identity(there) != identity:
            raise Held(_words(there, namespace))
        try:
            if there is None:
                api.ask("POST", LEASES.path(namespace), body=_lease(namespace, identity), timeout=_PATIENCE)
            else:
                body = {**there, "spec": {**there.get("spec", {}), "renewTime": _now()}}
                if lock is not None:
                    body["metadata"] = _meta(there, lock)
                api.ask("PUT", LEASES.path(namespace, NAME), body=body, timeout=_PATIENCE)
            return
        except Refused as refused:
            if refused.status not in (404, 409) or not left:
                raise


def confirm(api: Api, namespace: str, identity: str) -> float:
    """Renew the claim once; boot clock until which it is ours. For what goes on by itself: after a time in which
    nothing of us ran, somebody else may be there.

    Raises:
        Held: somebody else has the claim.
        Refused, Unreachable: see `Api.ask`.
    """
    began = boot_clock()
    try:
        _renew(api, namespace, identity)
    except Held as held:
        raise Held(f"the claim to the target is lost: {held}") from None
    return began + LASTS


def release(where: Where, namespaces: Sequence[str], identity: str) -> None:
    """Give back what is held by `identity`; claims of others stay. Raises as `Api.ask` does."""
    _give_back(Api(where), namespaces, identity)


def _give_back(api: Api, namespaces: Sequence[str], identity: str) -> None:
    for namespace in namespaces:
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        if there is None or _identity(there) != identity:
            continue
        body = {"preconditions": {"resourceVersion": meta(there)["resourceVersion"], "uid": meta(there)["uid"]}}
        try:
            api.ask("DELETE", LEASES.path(namespace, NAME), body=body, timeout=_PATIENCE)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise


def _lease(namespace: str, identity: str) -> dict[str, Any]:
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": NAME, "namespace": namespace, "labels": {MANAGED: OURS}},
        "spec": {**_spec(identity), "leaseTransitions": 0},
    }


def _meta(thing: Mapping[str, Any], lock: str) -> dict[str, Any]:
    """Its metadata, with this lock as that of whoever has the claim from now on; "" for none."""
    there = meta(thing)
    others = {key: value for key, value in (there.get("annotations") or {}).items() if key != HELD}
    return {**there, "annotations": {**others, **({HELD: lock} if lock else {})}}


def _spec(identity: str) -> dict[str, Any]:
    now = _now()
    return {"holderIdentity": identity, "leaseDurationSeconds": LASTS, "acquireTime": now, "renewTime": now}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _identity(thing: Mapping[str, Any]) -> str:
    return str((thing.get("spec") or {}).get("holderIdentity") or "")


def _transitions(thing: Mapping[str, Any]) -> int:
    return int((thing.get("spec") or {}).get("leaseTransitions") or 0)


def _left(thing: Mapping[str, Any]) -> float:
    """Seconds for which the claim still holds by its own times; 0 or less where it has run out or is nobody's."""
    spec = thing.get("spec") or {}
    if not spec.get("holderIdentity"):
        return 0.0
    renewed = str(spec.get("renewTime") or spec.get("acquireTime") or "")
    try:
        at = datetime.datetime.fromisoformat(renewed.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
    return at + _lasts(thing) - time.time()


def _lasts(thing: Mapping[str, Any]) -> float:
    return float((thing.get("spec") or {}).get("leaseDurationSeconds") or LASTS)


def _untellable(thing: Mapping[str, Any]) -> bool:
    """It was renewed in the future: its holder's clock, or ours, is wrong."""
    return _left(thing) - _lasts(thing) > AHEAD


def _words(thing: Mapping[str, Any], namespace: str) -> str:
    left = _left(thing)
    how = f"for another {left:.0f} s" if left > 0 else "though by its own times it has run out"
    if _untellable(thing):
        how = f"renewed {left - _lasts(thing):.0f} s ahead of this machine's clock"
    return f"exercise {_identity(thing)} holds namespace {namespace} (Lease {NAME}, {how})"
