"""What the server says: an answer, and the failures in the words of kube-apiserver.

Clients parse these words and people read them, so they are copied to the letter from recorded exchanges.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]


@dataclass
class Answer:
    """A whole answer; `body` is an object to send as JSON, or bytes as they are."""

    status: int
    body: Json | bytes
    # A list of values is sent as several headers of that name.
    headers: dict[str, list[str]] = field(default_factory=dict)
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


class Failure(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.body))
        self.answer = answer


def failure(
    code: int, reason: str, message: str, details: Json | None = None, headers: dict[str, list[str]] | None = None
) -> Failure:
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    body["code"] = code
    return Failure(Answer(code, body, headers or {}))


def about(resource: Resource, name: str | None = None, kind: str | None = None) -> Json:
    details: Json = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    return details


def page_not_found() -> Failure:
    return Failure(Answer(404, b"404 page not found\n", content_type="text/plain; charset=utf-8"))


def not_found(resource: Resource, name: str) -> Failure:
    return failure(404, "NotFound", f'{resource.qualified} "{name}" not found', about(resource, name))


def already_exists(resource: Resource, name: str) -> Failure:
    return failure(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', about(resource, name))


def stale(resource: Resource, name: str) -> Failure:
    return failure(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified;'
        " please apply your changes to the latest version and try again",
        about(resource, name),
    )


def precondition(resource: Resource, name: str, what: str, asked: str, found: str) -> Failure:
    """A delete whose precondition does not hold. Here the server names the kind and not the plural."""
    return failure(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": the {what} in the precondition'
        f" ({asked}) does not match the {what} in record ({found})."
        " The object might have been " + ("deleted and then recreated" if what == "UID" else "modified"),
        about(resource, name, kind=resource.kind),
    )


def invalid(resource: Resource, name: str, causes: list[tuple[str, str, str]]) -> Failure:
    """`causes` are (reason, field, message), as `FieldValueInvalid`, `metadata.name`, `Invalid value: …`."""
    # The same thing said twice is two causes, but one in the message.
    said = list(dict.fromkeys(f"{field_}: {message}" for _, field_, message in causes))
    text = said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"
    return failure(
        422,
        "Invalid",
        f'{resource.qualified_kind} "{name}" is invalid: {text}',
        about(resource, name, kind=resource.kind)
        | {"causes": [{"reason": reason, "message": message, "field": field_} for reason, field_, message in causes]},
    )


def bad_request(message: str) -> Failure:
    return failure(400, "BadRequest", message)


def unauthorized() -> Failure:
    return failure(401, "Unauthorized", "Unauthorized")


def forbidden(
    user: str, verb: str, group: str, plural: str, subresource: str | None, name: str | None, namespace: str | None
) -> Failure:
    whole = f"{plural}/{subresource}" if subresource else plural
    qualified = f"{plural}.{group}" if group else plural
    named = f'{qualified} "{name}"' if name else qualified
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    return failure(
        403,
        "Forbidden",
        f'{named} is forbidden: User "{user}" cannot {verb} resource "{whole}" in API group "{group}" {where}',
        details | {"kind": plural},
    )


def no_such_resource() -> Failure:
    return failure(404, "NotFound", "the server could not find the requested resource", {})


def no_such_method() -> Failure:
    return failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def too_new(asked: int, current: int) -> Failure:
    """A list of a version that this server has not seen yet; the real one waits some seconds for it first."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return failure(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        {"causes": causes, "retryAfterSeconds": 1},
        {"Retry-After": ["1"]},
    )


def unsupported_media(resource: Resource) -> Failure:
    if not resource.custom:
        return failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    return failure(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include:"
        " application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )


def must_name_version(resource: Resource, name: str) -> Failure:
    """An update without a version, of what can't be overwritten unseen. The words name the plural here."""
    message = "Invalid value: 0: must be specified for an update"
    return failure(
        422,
        "Invalid",
        f'{resource.qualified} "{name}" is invalid: metadata.resourceVersion: {message}',
        about(resource, name)
        | {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "metadata.resourceVersion"}]},
    )


def unknown_in_patch(obj: Json, said: str) -> Failure:
    """A strict patch that brings unknown fields: 422, about an object without a name."""
    message = f"Invalid value: {json.dumps(json.dumps(obj, separators=(',', ':')))}: strict decoding error: {said}"
    return failure(
        422,
        "Invalid",
        f' "" is invalid: patch: {message}',
        {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]},
    )


def bad_option(field: str, value: str, supported: str) -> Failure:
    """DeleteOptions that the server does not understand."""
    message = f"Unsupported value: {value}: supported values: {supported}"
    return failure(
        422,
        "Invalid",
        f'DeleteOptions.meta.k8s.io "" is invalid: {field}: {message}',
        {
            "group": "meta.k8s.io",
            "kind": "DeleteOptions",
            "causes": [{"reason": "FieldValueNotSupported", "message": message, "field": field}],
        },
    )


def success(resource: Resource, obj: Json) -> Json:
    """What a DELETE answers when the object is gone at once."""
    meta = obj["metadata"]
    details: Json = {"name": meta["name"]}
    if resource.group:
        details["group"] = resource.group
    details |= {"kind": resource.plural, "uid": meta["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


class Unknown(Exception):
    """The double has neither state nor a rule for this request. Answered with 501 and held against the test."""
