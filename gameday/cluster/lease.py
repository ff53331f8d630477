"""The claim to a target that everybody sees: a Lease called `gameday` in each namespace that may be touched.

One exercise at a time, whoever runs it from wherever. Who holds it renews it; it is taken over only when it has run out
by its own times and, since clocks differ, is not renewed either while it is watched for longer than a renewal takes.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gameday.cluster.api import Api, Json, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.resources import LEASES, meta, right
from gameday.cluster.services import MANAGED, OURS
from gameday.errors import RefusedError, TargetError

NAME = "gameday"
LASTS = 60
"""Seconds after its last renewal for which a claim holds. An undo has this long by default too."""
RENEWED = 10.0
"""Seconds between two renewals."""
WATCHED = 1.5 * RENEWED
"""Seconds that a claim which has run out is watched before it is taken over: its PUT fails if it is renewed in them."""
_PATIENCE = 5.0


Say = Callable[[str], None]
"""How whoever waits is told for what."""


class Held(RefusedError):
    """Another exercise has it."""


def permissions(namespaces: Sequence[str]) -> list[str]:
    """The rights that a claim needs."""
    # That something of this name is made can't be told from that something is made.
    made = [right("create", LEASES, each) for each in namespaces]
    return made + [right(verb, LEASES, each, name=NAME) for each in namespaces for verb in ("delete", "get", "update")]


def holder(where: Where, namespaces: Sequence[str]) -> str | None:
    """Who holds a claim that has not run out by its own times, in words; None where nobody does. Only reads."""
    api = Api(where)
    for namespace in namespaces:
        there = api.get(LEASES, namespace, NAME)
        if there is not None and (left := _left(there)) > 0:
            return _words(there, namespace, left)
    return None


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's claim to one namespace."""

    namespace: str
    identity: str
    left: float
    """Seconds for which it still holds; 0 or less where it has run out by its own times."""
    shown: str


def claims(where: Where, namespaces: Sequence[str]) -> list[Claim]:
    """All claims that are there, those that have run out too. Only reads; raises as `Api.ask` does."""
    api = Api(where)
    there = [(each, api.get(LEASES, each, NAME, timeout=_PATIENCE)) for each in namespaces]
    return [
        Claim(each, _identity(thing), _left(thing), _words(thing, each, _left(thing)))
        for each, thing in there
        if thing is not None and _identity(thing)
    ]


def everywhere(api: Api) -> list[Claim]:
    """All claims of the cluster, those that have run out too. Only reads; raises as `Api.ask` does."""
    there = api.items(LEASES, fields=f"metadata.name={NAME}", timeout=_PATIENCE)
    found = [(str(meta(thing).get("namespace")), thing) for thing in there if _identity(thing)]
    return [Claim(each, _identity(thing), _left(thing), _words(thing, each, _left(thing))) for each, thing in found]


def acquire(where: Where, namespaces: Sequence[str], identity: str, say: Say | None = None) -> None:
    """Claim all namespaces for `identity`, in order; all or none.

    Raises:
        Held: somebody has one of them.
        TargetError: the API server can't be asked, or doesn't let us.
    """
    api = Api(where)
    taken: list[str] = []
    try:
        for namespace in namespaces:
            _acquire(api, namespace, identity, say)
            taken.append(namespace)
    except (Refused, Unreachable, Held) as error:
        # What can't be given back runs out by itself; why all of it can't be had is what has to be told.
        with suppress(Refused, Unreachable):
            _give_back(api, taken, identity)
        if isinstance(error, Held):
            raise
        raise TargetError(f"the target can't be claimed: {error}") from None


def _acquire(api: Api, namespace: str, identity: str, say: Say | None = None) -> None:
    for _ in range(3):
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        try:
            if there is None:
                api.ask("POST", LEASES.path(namespace), body=_lease(namespace, identity), timeout=_PATIENCE)
                return
            if _identity(there) not in (identity, "") and (left := _left(there)) > 0:
                raise Held(
                    f"{_words(there, namespace, left)}: one exercise at a time; wait for its end, or until the claim "
                    "has run out"
                )
            if _identity(there) not in (identity, ""):
                if say is not None:
                    say(
                        f"exercise {_identity(there)} let its claim to namespace {namespace} run out: watching it for "
                        f"{WATCHED:.0f} s before it is taken over"
                    )
                # Its holder may live, with a clock that is behind: then it renews while we watch.
                time.sleep(WATCHED)
            body = {**there, "spec": {**_spec(identity), "leaseTransitions": _transitions(there) + 1}}
            api.ask("PUT", LEASES.path(namespace, NAME), body=body, timeout=_PATIENCE)
            return
        except Refused as refused:
            # Somebody was faster: look who.
            if refused.status not in (404, 409):
                raise
    raise Held(f"the claim to namespace {namespace} is being taken by somebody else")


def keep(where: Where, namespaces: Sequence[str], identity: str) -> Iterator[dict[str, Json]]:
    """Renew the claims for as long as this is listened to; says `abort` when somebody else has one.

    An API server that can't be reached is no reason to stop: who takes the claim over waits until it has run out, and
    then we hear of it here. Where we may not renew it any more we would not: then it is lost when it has run out.
    """
    api = Api(where)
    said, renewed = "", time.monotonic()
    while True:
        trouble, forbidden = "", False
        for namespace in namespaces:
            try:
                _renew(api, namespace, identity)
            except Held as lost:
                yield {"abort": f"the claim to the target is lost: {lost}"}
                return
            except (Refused, Unreachable) as error:
                trouble = str(error)
                forbidden = forbidden or (isinstance(error, Refused) and error.status == 403)
        if not trouble:
            renewed = time.monotonic()
        if forbidden and time.monotonic() - renewed > LASTS:
            yield {"abort": f"the claim to the target has run out, and we may not renew it: {trouble}"}
            return
        if trouble and trouble != said:
            yield {"warn": f"the claim can't be renewed: {trouble}"}
        elif said and not trouble:
            yield {"warn": "the claim is renewed again"}
        else:
            yield {}
        said = trouble
        time.sleep(1.0 if trouble else RENEWED)


def renew(api: Api, namespaces: Sequence[str], identity: str) -> None:
    """Renew the claims once.

    Raises:
        Held: somebody else has one of them.
        Refused, Unreachable: see `Api.ask`.
    """
    for namespace in namespaces:
        _renew(api, namespace, identity)


def _renew(api: Api, namespace: str, identity: str) -> None:
    for left in reversed(range(3)):
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
        if there is not None and _identity(there) != identity:
            raise Held(_words(there, namespace, _left(there)))
        try:
            if there is None:
                api.ask("POST", LEASES.path(namespace), body=_lease(namespace, identity), timeout=_PATIENCE)
            else:
                body = {**there, "spec": {**there.get("spec", {}), "renewTime": _now()}}
                api.ask("PUT", LEASES.path(namespace, NAME), body=body, timeout=_PATIENCE)
            return
        except Refused as refused:
            if refused.status not in (404, 409) or not left:
                raise


def check_ours(api: Api, namespace: str, identity: str) -> None:
    """For what goes on by itself: after a time in which nothing of us ran, somebody else may be there.

    Raises:
        Held: somebody else has the claim. Where we may not ask, or there is none, nothing is raised.
        Refused, Unreachable: see `Api.ask`.
    """
    try:
        there = api.get(LEASES, namespace, NAME, timeout=_PATIENCE)
    except Refused as refused:
        if refused.status == 403:
            return
        raise
    if there is not None and _identity(there) not in (identity, ""):
        raise Held(f"the claim to the target is lost: {_words(there, namespace, _left(there))}")


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
    """Seconds for which the claim still holds; 0 or less where it has run out or is nobody's."""
    spec = thing.get("spec") or {}
    if not spec.get("holderIdentity"):
        return 0.0
    renewed = str(spec.get("renewTime") or spec.get("acquireTime") or "")
    try:
        at = datetime.datetime.fromisoformat(renewed.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
    return at + float(spec.get("leaseDurationSeconds") or LASTS) - time.time()


def _words(thing: Mapping[str, Any], namespace: str, left: float) -> str:
    return f"exercise {_identity(thing)} holds namespace {namespace} (Lease {NAME}, for another {max(left, 0):.0f} s)"
