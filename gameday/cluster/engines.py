"""Which cluster this is, and what it has that can do faults. Asked once, when an exercise starts."""

from __future__ import annotations

from collections.abc import Mapping

from gameday.cluster.api import Api, Json, words
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.resources import CHAOS_MESH
from gameday.errors import TargetError

API = "api"
MESH = "chaos-mesh"
TOXIPROXY = "toxiproxy"


def resolved(settings: Mapping[str, Json], name: str) -> dict[str, Json]:
    """The settings of a cluster target with what only the cluster can say: its address, and its engines.

    Where the target names engines, those and no others are used, in its order; what it has beside them is `left_out`.

    Raises:
        TargetError: the cluster can't be reached, or lets us ask nothing.
    """
    try:
        api = Api(settings["cluster"])
        mesh, uid = _has_chaos_mesh(api), api.identity()
    except (Refused, Unreachable) as error:
        raise TargetError(f"target {name} ({words(settings['cluster'])}): {error}") from None
    found = [API, *([MESH] if mesh else []), *([TOXIPROXY] if settings.get("proxy") else [])]
    wanted = settings.get("engines") or found
    missing = [engine for engine in wanted if engine not in found]
    if missing:
        raise TargetError(f"target {name}: its settings name {', '.join(missing)} as engine, and it has none")
    cluster = {**settings["cluster"], "server": api.server, **({"uid": uid} if uid else {})}
    left_out = [engine for engine in found if engine not in wanted]
    return {**settings, "cluster": cluster, "engines": list(wanted), "left_out": left_out}


def _has_chaos_mesh(api: Api) -> bool:
    try:
        api.ask("GET", f"/apis/{CHAOS_MESH}/v1alpha1")
    except Refused as refused:
        # Who may not look at the API's groups may use those that it was told of in the settings.
        if refused.status in (403, 404):
            return False
        raise
    return True
