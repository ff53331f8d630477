"""A cluster of the tests as gameday knows it: as a target in JSON, as settings, as a folder to run commands in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.kubernetes.cluster import Cluster
from tests.support.runs import Place

CONTEXT: dict[str, Any] = {
    "exercise": "x-1",
    "fault": "fault-1",
    "seed": 7,
    "duration": 60.0,
    "pods": None,
    "percent": None,
}
"""What a plan gets to know of its exercise."""


def where(cluster: Cluster) -> dict[str, Any]:
    """How gameday reaches it."""
    return {"kubeconfig": str(cluster.kubeconfig), "context": cluster.context, "in_cluster": False}


def target_of(cluster: Cluster, services: dict[str, dict[str, Any]], **settings: Any) -> dict[str, Any]:
    """The cluster as `TargetInfo` in JSON; every service is in the test's namespace unless it says another."""
    tables = {name: {"namespace": cluster.namespace, **table} for name, table in services.items()}
    return {
        "name": "staging",
        "kind": "kubernetes",
        "environment": "staging",
        "names": {},
        "services": list(tables),
        "measures": {},
        "settings": {
            "cluster": where(cluster),
            "namespaces": [cluster.namespace],
            "namespace_percent": 100.0,
            "services": tables,
            "engines": ["api"],
            **settings,
        },
    }


def toml_of(cluster: Cluster, services: dict[str, dict[str, Any]], **more: Any) -> str:
    """The settings file that names this cluster `staging`."""
    lines = {
        "kind": "kubernetes",
        "environment": "staging",
        "kubeconfig": str(cluster.kubeconfig),
        "context": cluster.context,
        "namespaces": [cluster.namespace],
        "namespace_percent": 100,
        **more,
    }
    text = "[targets.staging]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    for name, table in services.items():
        text += f"\n[targets.staging.services.{name}]\n"
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    return text


SCENARIO = """\
version: 1
title: A rehearsal
target: staging
timeline:
{timeline}
abort_when:
  - name: the API is up
    tcp: {{address: "{address}"}}
    unless: {{equals: true}}
    every: 100ms
    no_data: ok
limits: {{recovery: {recovery}}}
"""
"""With an abort condition that holds for as long as `address` (host:port) accepts connections."""


def place_of(
    folder: Path,
    cluster: Cluster,
    services: dict[str, dict[str, Any]],
    timeline: str,
    *,
    watched: str = "",
    recovery: str = "60s",
    **more: Any,
) -> Place:
    """A folder with settings, and with `scenario.yaml` of this timeline (indented by two).

    Its abort condition watches the API server's port, or `watched` (host:port).
    """
    place = Place(folder)
    place.write("gameday.toml", toml_of(cluster, services, **more))
    address = watched or cluster.url.partition("://")[2].rstrip("/")
    place.write("scenario.yaml", SCENARIO.format(timeline=timeline.rstrip(), address=address, recovery=recovery))
    return place
