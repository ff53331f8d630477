"""Manifests of Chaos Mesh, and what of them is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from gameday.faults.catalogue import catalogue
from gameday.interchange.files import Imported, from_chaos_mesh
from gameday.interchange.losses import Loss
from gameday.scenario.loading import load_text
from gameday.scenario.models import Scenario
from gameday.targets.published import known_targets
from gameday.targets.settings import Settings, load_settings

WEB = {"namespaces": ["shop"], "labelSelectors": {"app": "web"}}
BANK = {"namespaces": ["shop"], "labelSelectors": {"app": "bank"}}


def chaos(kind: str, name: str = "it", /, **spec: Any) -> dict[str, Any]:
    given = {"mode": "all", "selector": WEB, **spec}
    return {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "chaos"},
        "spec": {key: value for key, value in given.items() if value is not None},
    }


def schedule(kind: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    key = kind[0].lower() + kind[1:] if kind[1].islower() else kind[:3].lower() + kind[3:]
    key = {"DNSChaos": "dnsChaos", "IOChaos": "ioChaos"}.get(kind, key)
    made = chaos("Schedule", "nightly", schedule="5 * * * *", type=kind, mode=None, selector=None, **more)
    made["spec"][key] = spec
    return made


def imported(*objects: Any) -> Imported:
    text = yaml.safe_dump_all(objects)
    return from_chaos_mesh(text.encode(), text, "m.yaml")


def settings_of(found: Imported, folder: Path) -> Settings:
    """A target `staging` with the services that were printed, as somebody would paste them."""
    namespaces = [json.loads(line.partition("= ")[2]) for line in found.services if line.startswith("namespace =")]
    head = {"kind": "kubernetes", "environment": "staging", "context": "x", "namespaces": namespaces or ["shop"]}
    lines = ["[targets.staging]", *(f"{key} = {json.dumps(value)}" for key, value in head.items())]
    lines += [line.replace("…", "staging") for line in found.services]
    (folder / "gameday.toml").write_text("\n".join(lines))
    return load_settings(explicit=folder / "gameday.toml")


def scenario_of(found: Imported, folder: Path) -> Scenario:
    """The scenario, held against that target as `gameday validate --target staging` does."""
    targets = known_targets(settings_of(found, folder), "staging")
    return load_text(found.text, path="s.yaml", catalogue=catalogue(), targets=targets).resolve({})[0]


def entries(found: Imported, folder: Path) -> list[tuple[Any, ...]]:
    return [(entry.fault, entry.with_, entry.for_) for entry in scenario_of(found, folder).timeline]


def lost(losses: list[Loss]) -> dict[str, str]:
    return {loss.what.partition(": ")[2]: loss.why for loss in losses if loss.lost}
