"""/version, /api, /apis and what each group serves."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.answers import Answer, Unknown, no_such_resource, page_not_found
from tests.support.kubernetes.resources import EVERYTHING, GROUPS, Resource
from tests.support.kubernetes.world import Call, World

Json = dict[str, Any]

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "$Format:%H$",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def answer(world: World, call: Call) -> Answer:
    if call.method != "GET":
        raise Unknown(f"{call.method} of a path that is no resource")
    steps = [step for step in call.path.split("/") if step]
    if steps == ["version"]:
        return Answer(200, dict(VERSION))
    if steps in (["healthz"], ["livez"], ["readyz"]):
        return Answer(200, b"ok", content_type="text/plain; charset=utf-8")
    if steps == ["api"]:
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]
        return Answer(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
    if steps == ["apis"]:
        groups = [_group(name, versions) for name, versions in _groups(world).items()]
        return Answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    if steps == ["api", "v1"]:
        return Answer(200, _resources("v1", [one for one in EVERYTHING if one.group == ""]))
    if steps[:1] == ["apis"] and len(steps) in (2, 3):
        versions = _groups(world).get(steps[1])
        if versions is None:
            raise page_not_found()
        if steps[2:] and steps[2] not in versions:
            raise no_such_resource()
        if len(steps) == 2:
            return Answer(200, {"kind": "APIGroup", "apiVersion": "v1", **_group(steps[1], versions)})
        served = [one for one in EVERYTHING if (one.group, one.version) == (steps[1], steps[2])]
        if not served:
            raise Unknown(f"the resources of {steps[1]}/{steps[2]}")
        return Answer(200, _resources(f"{steps[1]}/{steps[2]}", served))
    raise Unknown("this path")


def _groups(world: World) -> dict[str, tuple[str, ...]]:
    more = {group: ("v1alpha1",) for group in ("chaos-mesh.org", "litmuschaos.io") if world.has_group(group)}
    return GROUPS | more


def _group(name: str, versions: tuple[str, ...]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group_version: str, served: list[Resource]) -> Json:
    listed: list[Json] = []
    for one in served:
        singular = one.kind.lower()
        verbs = _CUSTOM_VERBS if one.custom else _VERBS
        head = {"namespaced": one.namespaced, "kind": one.kind}
        listed.append({"name": one.plural, "singularName": singular, **head, "verbs": verbs})
        for below in one.subresources:
            kind = {"scale": "Scale", "eviction": "Eviction"}.get(below, one.kind)
            does = ["create"] if below in ("eviction", "exec", "binding") else ["get", "patch", "update"]
            head = {"namespaced": one.namespaced, "kind": kind}
            listed.append({"name": f"{one.plural}/{below}", "singularName": "", **head, "verbs": does})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}
