"""A fault of a test: planned on its cluster as the engine plans it, and each of its calls made in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.engine.workers import function
from gameday.faults import planning
from tests.support.kubernetes.cluster import Cluster

from .targets import CONTEXT, target_of


class Planned:
    """One plan; making it raises what planning raises. `context` and `settings` are added to the usual ones."""

    def __init__(
        self,
        cluster: Cluster,
        fault: str,
        services: Mapping[str, dict[str, Any]],
        params: Mapping[str, Any],
        *,
        context: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.cluster = cluster
        self.target = target_of(cluster, dict(services), **(settings or {}))
        self.rights = planning.needs(fault, self.target, params)
        self.plan = planning.plan(fault, self.target, params, {**CONTEXT, **(context or {})})

    def call(self, which: str) -> Any:
        return function(self.plan[which]["name"])(**self.plan[which]["args"])

    def inject(self) -> None:
        self.call("inject")

    def undo(self) -> None:
        self.call("undo")

    def effective(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("effective")
        return answer

    def recovered(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("recovered")
        return answer

    def until_effective(self) -> str:
        return str(
            self.cluster.until(lambda: (said := self.effective())["holds"] and said["evidence"], 10, "effective")
        )

    def until_recovered(self) -> str:
        return str(
            self.cluster.until(lambda: (said := self.recovered())["holds"] and said["evidence"], 15, "recovered")
        )
