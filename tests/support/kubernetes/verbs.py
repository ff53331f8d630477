"""get, list, create, update, patch and delete, for every resource alike."""

from __future__ import annotations

import base64
import copy
import json
import time
from typing import Any

from tests.support.kubernetes import answers, crds, fields, patches, selectors, shapes
from tests.support.kubernetes.answers import Answer, Unknown
from tests.support.kubernetes.defaults import complete
from tests.support.kubernetes.resources import Resource
from tests.support.kubernetes.store import releases, stamp
from tests.support.kubernetes.world import Call, World

Json = dict[str, Any]

# Kinds whose update must say which version it is of.
_NO_BLIND_UPDATE = {"Lease", "CustomResourceDefinition"}


def found(world: World, resource: Resource, call: Call) -> Json:
    obj = world.store.find(resource, call.namespace, call.name)
    if obj is None:
        raise answers.not_found(resource, call.name)
    return obj


def selection(resource: Resource, call: Call) -> selectors.Match:
    labels = selectors.by_labels(call.query.get("labelSelector", ""))
    fields = selectors.by_fields(resource, call.query.get("fieldSelector", ""))
    return lambda obj: labels(obj) and fields(obj)


def get(world: World, resource: Resource, call: Call) -> Answer:
    return Answer(200, found(world, resource, call))


def list_(world: World, resource: Resource, call: Call) -> Answer:
    store = world.store
    match = selection(resource, call)
    version, start = store.version, ("", "")
    asked = call.query.get("resourceVersion", "")
    if asked.isdigit() and int(asked) > version:
        raise answers.too_new(int(asked), version)
    if token := call.query.get("continue"):
        try:
            spot = json.loads(base64.b64decode(token + "=="))
            version, start = int(spot["rv"]), (spot["namespace"], spot["name"])
        except (ValueError, KeyError):
            raise answers.bad_request("invalid continue token: continue key is not valid") from None
        if version < store.floor:
            raise answers.failure(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result. You can start a new"
                " list without the continue parameter, or use the continue token in this response to retrieve the"
                " remainder of the results. Continuing with the provided token results in an inconsistent list -"
                " objects that were created, modified, or deleted between the time the first chunk was returned and"
                " now may show up in the list.",
            )
    items = [
        one
        for one in store.all(resource, call.namespace)
        if (one["metadata"].get("namespace", ""), one["metadata"]["name"]) > start and match(one)
    ]
    meta: Json = {"resourceVersion": str(version)}
    limit = int(call.query.get("limit") or 0)
    if limit and len(items) > limit:
        left, items = len(items) - limit, items[:limit]
        last = items[-1]["metadata"]
        spot = {"v": "meta.k8s.io/v1", "rv": version, "namespace": last.get("namespace", ""), "name": last["name"]}
        meta["continue"] = base64.b64encode(json.dumps(spot).encode()).decode().rstrip("=")
        if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
            meta["remainingItemCount"] = left
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
    encoded = b",".join(store.encoded(resource, one) for one in items)
    return Answer(200, json.dumps(head)[:-1].encode() + b',"items":[' + encoded + b"]}")


def _body(call: Call) -> Json:
    if not isinstance(call.body, dict):
        raise answers.bad_request("the body of the request was not an object")
    return copy.deepcopy(call.body)


def _dry(call: Call) -> bool:
    if (wanted := call.query.get("dryRun")) is None:
        return False
    if wanted != "All":
        raise Unknown(f"dryRun={wanted}")
    return True


def create(world: World, resource: Resource, call: Call) -> Answer:
    obj = _typed(resource, _body(call))
    meta = obj.setdefault("metadata", {})
    if resource.namespaced:
        if meta.setdefault("namespace", call.namespace) != call.namespace:
            raise answers.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        _check_namespace(world, resource, call, meta.get("name", ""))
    if not meta.get("name"):
        if not meta.get("generateName"):
            raise answers.invalid(
                resource,
                "",
                [("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")],
            )
        meta["name"] = meta["generateName"] + shapes.suffix()
    if meta.get("resourceVersion"):
        # Without a reason, as recorded.
        raise answers.failure(500, "", "resourceVersion should not be set on objects to be created")
    for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink", "managedFields"):
        meta.pop(field, None)
    if "status" in resource.subresources:
        obj.pop("status", None)
    warnings = _fields(resource, obj, call)
    shapes.check(resource, obj)
    complete(resource, obj)
    with world.lock:
        if world.store.find(resource, meta.get("namespace"), meta["name"]) is not None:
            raise answers.already_exists(resource, meta["name"])
        if _dry(call):
            meta |= {"uid": "00000000-0000-4000-8000-000000000000", "creationTimestamp": stamp()}
            return Answer(201, obj, warnings)
        return Answer(201, world.store.put(resource, obj), warnings)


def _fields(resource: Resource, obj: Json, call: Call) -> dict[str, list[str]]:
    """Check the fields of what was sent; returns the headers with warnings."""
    check = crds.check if resource.custom else fields.check
    return check(resource, obj, call.query.get("fieldValidation", "Warn"), patched=call.method == "PATCH")


def _typed(resource: Resource, obj: Json) -> Json:
    kind, api_version = obj.get("kind", resource.kind), obj.get("apiVersion", resource.api_version)
    if kind != resource.kind and resource.custom:
        other = Resource(resource.group, resource.version, resource.plural, kind)
        cause = ("FieldValueInvalid", "kind", f'Invalid value: "{kind}": must be {resource.kind}')
        raise answers.invalid(other, obj.get("metadata", {}).get("name", ""), [cause])
    if kind != resource.kind or api_version != resource.api_version:
        raise answers.bad_request(
            f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {resource.kind}:'
            f" converting (v1.{kind}) to (core.{resource.kind}): unknown conversion"
        )
    return {"kind": resource.kind, "apiVersion": resource.api_version} | obj


def _check_namespace(world: World, resource: Resource, call: Call, name: str) -> None:
    from tests.support.kubernetes.resources import of_kind

    namespace = world.store.find(of_kind("Namespace"), "", call.namespace)
    if namespace is None:
        raise answers.not_found(of_kind("Namespace"), call.namespace)
    if namespace["metadata"].get("deletionTimestamp"):
        because = f"namespace {call.namespace} is being terminated"
        raise answers.failure(
            403,
            "Forbidden",
            f'{resource.qualified} "{name}" is forbidden: unable to create new content in namespace'
            f" {call.namespace} because it is being terminated",
            answers.about(resource, name)
            | {"causes": [{"reason": "NamespaceTerminating", "message": because, "field": "metadata.namespace"}]},
        )


def update(world: World, resource: Resource, call: Call) -> Answer:
    new = _typed(resource, _body(call))
    with world.lock:
        old = found(world, resource, call)
        if new.get("metadata", {}).get("name") != call.name:
            raise answers.bad_request(
                f"the name of the object ({new.get('metadata', {}).get('name')}) does not match the name on the URL"
                f" ({call.name})"
            )
        if not new["metadata"].get("resourceVersion") and (resource.custom or resource.kind in _NO_BLIND_UPDATE):
            raise answers.must_name_version(resource, call.name)
        return _write(world, resource, call, old, new)


def patch(world: World, resource: Resource, call: Call) -> Answer:
    with world.lock:
        old = found(world, resource, call)
        new = patched(resource, call, old)
        return _write(world, resource, call, old, new)


def patched(resource: Resource, call: Call, old: Json) -> Json:
    """`old` as the patch in the request wants it; 415 for a patch that this resource does not take."""
    kind = call.content_type.partition(";")[0].strip()
    if kind == patches.JSON_PATCH:
        return dict(patches.apply_json_patch(old, call.body))
    if kind == patches.MERGE_PATCH:
        return dict(patches.merge(old, _body(call)))
    if kind == patches.STRATEGIC and not resource.custom:
        return dict(patches.strategic(old, _body(call)))
    if kind == "application/apply-patch+yaml":
        raise Unknown("server-side apply")
    raise answers.unsupported_media(resource)


def _write(world: World, resource: Resource, call: Call, old: Json, new: Json) -> Answer:
    new = copy.deepcopy(new)
    meta = new.setdefault("metadata", {})
    version = meta.get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise answers.stale(resource, call.name)
    if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        cause = ("FieldValueInvalid", "metadata.uid", f'Invalid value: "{meta["uid"]}": field is immutable')
        raise answers.invalid(resource, call.name, [cause, cause])
    # What a writer can't change.
    for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
        meta.pop(field, None)
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
    meta["name"] = old["metadata"]["name"]
    if "namespace" in old["metadata"]:
        meta["namespace"] = old["metadata"]["namespace"]
    meta.pop("managedFields", None)
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not meta.get(field, True):
            del meta[field]
    if call.subresource == "status":
        new = old | {
            "metadata": {**old["metadata"], **{k: meta[k] for k in ("resourceVersion",) if k in meta}},
            "status": new.get("status", {}),
        }
    elif "status" in resource.subresources:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    warnings = _fields(resource, new, call)
    if call.subresource != "status":
        shapes.check(resource, new)
        if call.subresource not in ("ephemeralcontainers", "resize"):
            shapes.check_change(resource, old, new)
    complete(resource, new)
    if _dry(call):
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        return Answer(200, new, warnings)
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    return Answer(200, world.store.put(resource, new), warnings)


def options_of(call: Call) -> Json:
    """The DeleteOptions of a DELETE. With a body, the query is not looked at: a dry run asked for there is none."""
    if call.body:
        return dict(call.body)
    options: Json = {}
    query = call.query
    if "gracePeriodSeconds" in query:
        options["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
    if "propagationPolicy" in query:
        options["propagationPolicy"] = query["propagationPolicy"]
    if query.get("orphanDependents") == "true":
        options["propagationPolicy"] = "Orphan"
    if "dryRun" in query:
        options["dryRun"] = [query["dryRun"]]
    return options


def delete(world: World, resource: Resource, call: Call) -> Answer:
    with world.lock:
        obj = remove(world, resource, found(world, resource, call), options_of(call))
        still_there = world.store.find(resource, call.namespace, call.name) is not None
        # A pod is answered with itself, whatever becomes of it; so is what a finalizer holds.
        if resource.kind in ("Pod", "Namespace") or (obj["metadata"].get("deletionTimestamp") and still_there):
            return Answer(200, obj)
        return Answer(200, answers.success(resource, obj))


def remove(world: World, resource: Resource, old: Json, options: Json) -> Json:
    """Delete by the rules: preconditions, grace, finalizers, dependents. Returns the object as it is then."""
    wanted = options.get("preconditions") or {}
    name, meta = old["metadata"]["name"], old["metadata"]
    if wanted.get("uid", meta["uid"]) != meta["uid"]:
        raise answers.precondition(resource, name, "UID", wanted["uid"], meta["uid"])
    if wanted.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]:
        raise answers.precondition(
            resource, name, "ResourceVersion", wanted["resourceVersion"], meta["resourceVersion"]
        )
    dry = options.get("dryRun") or []
    if dry not in ([], ["All"]):
        raise answers.bad_option("dryRun", json.dumps(dry), '"All"')
    if options.get("propagationPolicy") not in (None, "Foreground", "Background", "Orphan"):
        supported = '"Foreground", "Background", "Orphan", "nil"'
        raise answers.bad_option("propagationPolicy", f'"{options["propagationPolicy"]}"', supported)
    new = copy.deepcopy(old)
    meta = new["metadata"]
    grace = _grace(resource, old, options)
    policy = options.get("propagationPolicy")
    if policy == "Foreground":
        meta["finalizers"] = [*meta.get("finalizers", []), "foregroundDeletion"]
    elif policy == "Orphan":
        meta["finalizers"] = [*meta.get("finalizers", []), "orphan"]
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = stamp(time.time() + (grace or 0))
        if resource.kind != "Namespace":
            meta["deletionGracePeriodSeconds"] = grace or 0
    elif grace is not None and grace < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = stamp(time.time() + grace)
        meta["deletionGracePeriodSeconds"] = grace
    if resource.kind == "Namespace":
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}
    if dry:
        if resource.generation:
            meta["generation"] = meta.get("generation", 1) + 1
        return new
    if releases(resource, new):
        # The last answer names the version before the removal, and counts the deletion as a change.
        if resource.generation:
            meta["generation"] = meta.get("generation", 1) + ("deletionTimestamp" not in old["metadata"])
        world.store.remove(resource, new)
        if resource.kind == "Pod":
            world.ended.append(old)
        return new
    return world.store.put(resource, new)


def _grace(resource: Resource, obj: Json, options: Json) -> int | None:
    """Seconds until a pod is to be gone; nothing else has a grace period."""
    if resource.kind != "Pod":
        return None
    if not obj["spec"].get("nodeName") or obj.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)
