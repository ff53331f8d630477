"""Whether we may do what an exercise will do: one SelfSubjectAccessReview for each right."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from gameday.cluster.api import Api, Where
from gameday.cluster.marks import prepared
from gameday.cluster.resources import Access

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 4
_FAR = 0.02
"""Seconds for one answer from which on a second connection pays."""


def missing(where: Where, rights: Iterable[str]) -> list[str]:
    """Those of the rights (`str(Access)`) that we don't have, each with the server's reason where it gives one.

    Raises:
        Refused, Unreachable: it could not be asked.
    """
    wanted = [Access.parse(text) for text in dict.fromkeys(rights)]
    if not wanted:
        return []
    api = prepared(where)
    began = time.monotonic()
    first = _denied(api, wanted.pop())
    found = {first} if first is not None else set()
    if time.monotonic() - began < _FAR:
        found |= {said for access in wanted if (said := _denied(api, access)) is not None}
    else:
        found |= _at_once(where, wanted)
    return sorted(found)


def _at_once(where: Where, wanted: list[Access]) -> set[str]:
    shares = [wanted[number::_AT_ONCE] for number in range(min(_AT_ONCE, len(wanted)))]

    def ask(share: list[Access]) -> list[str]:
        api = Api(where)
        return [said for access in share if (said := _denied(api, access)) is not None]

    with ThreadPoolExecutor(max(len(shares), 1)) as pool:
        return {said for part in pool.map(ask, shares) for said in part}


def _denied(api: Api, access: Access) -> str | None:
    attributes = {
        "verb": access.verb,
        "group": access.group,
        "resource": access.plural,
        "subresource": access.sub,
        "namespace": access.namespace,
        "name": access.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    # It always answers 201; what it says stands in the status.
    status = api.ask("POST", _REVIEWS, body=review).get("status") or {}
    if status.get("allowed") is True:
        return None
    reason = str(status.get("reason") or status.get("evaluationError") or "")
    return f"{access}{f' ({reason})' if reason else ''}"
