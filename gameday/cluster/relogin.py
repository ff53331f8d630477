"""Another way into the cluster that an exercise was on, where the one in its journal leads nowhere any more.

An account may be gone, a token have run out, a kubeconfig been deleted; all that a journal knows goes by these. Whoever
undoes may say another way, and it is taken in this process, and in all that are forked from it, wherever the old one is
asked for. Only one to the same cluster: the same by the uid of its `kube-system`, or, where that may not be read by
both, by its address.
"""

from __future__ import annotations

import json

from gameday.cluster.api import Api, Json, Where, ways, words
from gameday.cluster.errors import Refused, Unreachable
from gameday.errors import TargetError


def trouble(where: Where) -> str:
    """Why nothing can be asked by this way; "" where something can."""
    try:
        Api(where).identity()
    except (Refused, Unreachable, TargetError) as error:
        return str(error)
    return ""


def other_way(old: Where, new: Where) -> dict[str, Json]:
    """`new`, with what tells which cluster it is, as a way to where `old` led.

    Raises:
        TargetError: it leads elsewhere, that can't be told, or nothing can be asked there.
    """
    try:
        api = Api(new)
        uid, known = api.identity(), old.get("uid")
    except (Refused, Unreachable) as error:
        raise TargetError(f"{words(new, whole=True)}: {error}") from None
    if known is not None and uid is not None:
        if uid != known:
            raise TargetError(f"{words(new, whole=True)} leads to another cluster, {api.server}")
    elif api.server != old.get("server"):
        raise TargetError(
            f"{words(new, whole=True)} leads to {api.server}, and the exercise was on {old.get('server')}: whether "
            "that is the same cluster can't be told without the right to get the namespace kube-system"
        )
    found = {**new, "server": api.server, "uid": known or uid}
    return {key: value for key, value in found.items() if key != "uid" or value}


def as_text(old: Where, new: Where) -> str:
    """The two in one line, for `instead`."""
    return json.dumps([dict(old), dict(new)])


def instead(text: str) -> None:
    """From now on the new way is taken in place of the old one: `text` as `as_text` makes it."""
    old, new = json.loads(text)
    ways[json.dumps(old, sort_keys=True)] = new
