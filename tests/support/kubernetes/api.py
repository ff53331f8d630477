"""From a request to its answer: who asks, for what, may they, and which rule answers."""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.parse
from dataclasses import dataclass
from email.message import Message
from typing import Any

from tests.support.kubernetes import answers, discovery, rbac, subresources, verbs
from tests.support.kubernetes.answers import Answer, Failure, Unknown
from tests.support.kubernetes.resources import EVERYTHING, GROUPS, Resource
from tests.support.kubernetes.world import Call, World

Json = dict[str, Any]

_PARAMETERS = {
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "watch",
    "allowWatchBookmarks",
    "pretty",
    "fieldValidation",
    # A real server gives up on a request after this long; that it does not is the worse case, and the one to test.
    "timeout",
    "fieldManager",
    "dryRun",
    "force",
    "gracePeriodSeconds",
    "propagationPolicy",
    "orphanDependents",
    "_preload_content",
}
_LOG_PARAMETERS = {"container", "follow", "tailLines", "previous", "sinceSeconds", "limitBytes", "timestamps", "pretty"}

_ROOT = re.compile(r"/api/v1|/apis/(?P<group>[^/]+)/(?P<version>[^/]+)")


@dataclass
class Watch:
    """Not an answer but a stream of them; `stream` in `watches` carries it out."""

    resource: Resource
    call: Call


def read(method: str, target: str, content_type: str, raw: bytes) -> Call:
    """A request as a call: its place in the API, its verb and its body. The body is bytes where it is not JSON."""
    parsed = urllib.parse.urlsplit(target)
    query = dict(urllib.parse.parse_qsl(parsed.query, keep_blank_values=True))
    body: Any = None
    if raw:
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode(errors="replace")
    path = urllib.parse.unquote(parsed.path)
    call = Call(method, path, query, content_type, body)
    found = _ROOT.match(path)
    if not found:
        return call
    call.group = found["group"] or ""
    rest = [step for step in path[found.end() :].split("/") if step]
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        call.namespace, rest = rest[1], rest[2:]
    call.resource, call.name, call.subresource = [*rest, "", "", ""][:3]
    if call.resource == "namespaces" and call.name:
        call.namespace = call.name
    call.verb = _verb(call)
    return call


def _verb(call: Call) -> str:
    if call.method == "GET":
        if call.query.get("watch") in ("1", "true", "True"):
            return "watch"
        return "get" if call.name else "list"
    if call.method == "DELETE":
        return "delete" if call.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(call.method, call.method.lower())


def identify(world: World, call: Call, authorization: str) -> None:
    """Put the user of the bearer token into the call; 401 for one that is unknown or has expired."""
    scheme, _, token = authorization.partition(" ")
    user = world.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
    if user is None or user in world.expired:
        call.user = user or ""
        raise answers.unauthorized()
    call.user = user


def impersonate(world: World, call: Call, headers: Message) -> None:
    """Put whom the user acts as into the call, where they may: rules of users and groups; all is recorded."""
    for name, value in headers.items():
        if name.lower().startswith("impersonate-"):
            call.impersonating.setdefault(name, []).append(value)
    for plural, key in (("users", "Impersonate-User"), ("groups", "Impersonate-Group")):
        for name in call.impersonating.get(key, []):
            if not rbac.allowed(world, call.user, "impersonate", "", plural, "", name, ""):
                raise answers.forbidden(call.user, "impersonate", "", plural, None, name, None)
    call.user = call.impersonating.get("Impersonate-User", [call.user])[0]


def answer(world: World, call: Call) -> Answer | Watch:
    """Carry out a request. Raises `Failure` for what the server refuses, `Unknown` for what the double can't do."""
    if not call.resource:
        return discovery.answer(world, call)
    _check_parameters(call)
    group, version = call.group, call.path.split("/")[3 if call.path.startswith("/apis/") else 2]
    if not world.has_group(group):
        raise answers.page_not_found()
    if not any((one.group, one.version) == (group, version) for one in EVERYTHING) and version not in (
        GROUPS.get(group) or ()
    ):
        raise answers.no_such_resource()
    if group == "authorization.k8s.io" and call.resource == "selfsubjectaccessreviews" and call.verb == "create":
        return _review(world, call)
    resource = next(
        (one for one in EVERYTHING if (one.group, one.version, one.plural) == (group, version, call.resource)), None
    )
    if resource is None:
        raise Unknown(f"the resource {call.resource} in {group or 'core'}/{version}")
    _authorize(world, resource, call)
    if resource.kind == "Namespace" and call.name:
        call = dataclasses.replace(call, namespace="")
    if call.subresource:
        return subresources.handle(world, resource, call)
    if call.verb == "watch":
        return Watch(resource, call)
    if resource.namespaced and not call.namespace and call.verb != "list":
        raise Unknown(f"{call.verb} of {resource.plural} without a namespace")
    verb = {
        "get": verbs.get,
        "list": verbs.list_,
        "create": verbs.create,
        "update": verbs.update,
        "patch": verbs.patch,
        "delete": verbs.delete,
    }.get(call.verb)
    if (call.method in ("PUT", "PATCH") and not call.name) or (call.method == "POST" and call.name):
        raise answers.no_such_method()
    if verb is None:
        raise Unknown(f"{call.verb} of {resource.plural}")
    with world.lock:
        return verb(world, resource, call)


def _check_parameters(call: Call) -> None:
    known = _LOG_PARAMETERS if call.subresource == "log" else _PARAMETERS
    odd = sorted(set(call.query) - known)
    if odd:
        raise Unknown(f"the query parameters {', '.join(odd)}")


def _authorize(world: World, resource: Resource, call: Call) -> None:
    if not rbac.allowed(
        world, call.user, call.verb, resource.group, resource.plural, call.subresource, call.name, call.namespace
    ):
        raise answers.forbidden(
            call.user,
            call.verb,
            resource.group,
            resource.plural,
            call.subresource or None,
            call.name or None,
            call.namespace or None,
        )


def _review(world: World, call: Call) -> Answer:
    review = dict(call.body)
    attributes = review["spec"].get("resourceAttributes")
    if attributes is None:
        raise Unknown("a SelfSubjectAccessReview without resourceAttributes")
    told = rbac.allowed(
        world,
        call.user,
        attributes.get("verb", ""),
        attributes.get("group", ""),
        attributes.get("resource", ""),
        attributes.get("subresource", ""),
        attributes.get("name", ""),
        attributes.get("namespace", ""),
    )
    body = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
    return Answer(201, {**body, "spec": review["spec"], "status": {"allowed": told}})


def refusal(world: World, call: Call, why: Unknown) -> Answer:
    """501, and a mark against the test."""
    message = f"the test server has neither state nor a rule for {why} ({call.method} {call.path})"
    with world.lock:
        world.violations.append(message)
    try:
        raise answers.failure(501, "NotImplemented", message)
    except Failure as said:
        return said.answer
