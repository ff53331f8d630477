"""Who may do what: rules that a test sets for a user, and the Roles and bindings that are in the store."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.resources import of_kind
from tests.support.kubernetes.world import World

Json = dict[str, Any]


def allowed(
    world: World, user: str, verb: str, group: str, plural: str, subresource: str, name: str, namespace: str
) -> bool:
    """Whether `user` may do this; an empty namespace asks for the whole cluster."""
    explicit = world.rules.get(user, [])
    if explicit is None:
        return True
    whole = f"{plural}/{subresource}" if subresource else plural
    for rule in [*explicit, *_bound(world, user, namespace)]:
        if rule.get("namespace", namespace) == namespace and _covers(rule, verb, group, whole, name):
            return True
    return False


def _covers(rule: Json, verb: str, group: str, whole: str, name: str) -> bool:
    if not {verb, "*"} & set(rule.get("verbs", [])) or not {group, "*"} & set(rule.get("apiGroups", [""])):
        return False
    resources = set(rule.get("resources", []))
    subresource = whole.partition("/")[2]
    if not {whole, "*"} & resources and not (subresource and f"*/{subresource}" in resources):
        return False
    names = rule.get("resourceNames") or []
    return not names or name in names


def _bound(world: World, user: str, namespace: str) -> list[Json]:
    """The rules that reach `user` through RoleBindings in this namespace and ClusterRoleBindings."""
    found: list[Json] = []
    bindings = [(one, "") for one in world.store.all(of_kind("ClusterRoleBinding"))]
    if namespace:
        bindings += [(one, namespace) for one in world.store.all(of_kind("RoleBinding"), namespace)]
    for binding, within in bindings:
        if not any(_is(subject, user, within) for subject in binding.get("subjects") or []):
            continue
        ref = binding["roleRef"]
        role = world.store.find(of_kind(ref["kind"]), within if ref["kind"] == "Role" else "", ref["name"])
        found += (role or {}).get("rules") or []
    return found


def _is(subject: Json, user: str, within: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user == f"system:serviceaccount:{subject.get('namespace', within)}:{subject['name']}"
    return bool(subject["kind"] == "User" and subject["name"] == user)
