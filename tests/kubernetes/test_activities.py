"""A function of chaosk8s as a fault, and another as its undo: what Chaos Toolkit can do to a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.kubernetes.cluster import Cluster

from .targets import place_of


def scaled(cluster: Cluster, replicas: int) -> dict[str, object]:
    arguments = {"name": "web", "replicas": replicas, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments, "timeout": "20s"}


@pytest.mark.proves("activity", "kubernetes")
def test_a_deployment_is_scaled_by_chaosk8s_and_back(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    entry = {"at": "0s", "id": "smaller", "fault": "activity", "for": "4s"}
    entry |= {"activity": scaled(cluster, 1), "undo": scaled(cluster, 2)}
    place = place_of(tmp_path, cluster, {}, f"  - {json.dumps(entry)}\n")
    place.extra |= {"KUBECONFIG": str(cluster.kubeconfig), "KUBERNETES_CONTEXT": cluster.context}
    run = place.start("run", "scenario.yaml", "--unattended")
    try:
        cluster.until(
            lambda: len(cluster.pods("app=web")) == 1 or run.poll() is not None, 20, "one pod is left, or it ended"
        )
        assert run.poll() is None, place.said()
        assert run.wait(60) == 0, place.said()
        assert "smaller has RECOVERED" in place.said()
        cluster.whole("web")
        assert len(cluster.pods("app=web")) == 2
    finally:
        place.clean_up()
