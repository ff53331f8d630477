"""What the server adds to an object on its way in, and what it refuses.

Only what gameday can run into is checked: names, references to a namespace, selectors, and the fields of custom
resources (`crds`). Anything else is stored as it comes.
"""

from __future__ import annotations

import random
import re
from typing import Any

from tests.support.kubernetes.answers import Failure, invalid
from tests.support.kubernetes.resources import Resource
from tests.support.kubernetes.selectors import by_object

Json = dict[str, Any]
# (reason, field, message)
Cause = tuple[str, str, str]

SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
    " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    f" '{SUBDOMAIN}')"
)
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    f" with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)

# Names that the server makes up: letters and digits that spell no words.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def suffix(length: int = 5) -> str:
    return "".join(random.choices(ALPHABET, k=length))


def check(resource: Resource, obj: Json) -> None:
    """Raise the 422 of the first thing that is wrong."""
    meta = obj["metadata"]
    name = meta["name"]
    if resource.plural in ("services", "namespaces"):
        pattern, words, most = LABEL, _LABEL_WORDS, 63
    else:
        pattern, words, most = SUBDOMAIN, _SUBDOMAIN_WORDS, 253
    if resource.group != "rbac.authorization.k8s.io" and not re.fullmatch(pattern, name):
        raise _refuse(resource, name, "FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {words}')
    if len(name) > most:
        raise _refuse(
            resource, name, "FieldValueTooLong", "metadata.name", f"Too long: may not be more than {most} bytes"
        )
    for value in (meta.get("labels") or {}).values():
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            words = "must be no more than 63 bytes" if len(str(value)) > 63 else _LABEL_VALUE_WORDS
            raise _refuse(resource, name, "FieldValueInvalid", "metadata.labels", f'Invalid value: "{value}": {words}')
    causes = [*_workload(resource, obj), *_others(resource, obj)]
    if causes:
        raise invalid(resource, name, causes)


def _workload(resource: Resource, obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    if resource.group != "apps" or "template" not in spec:
        return []
    causes = []
    if not spec.get("selector"):
        causes.append(("FieldValueRequired", "spec.selector", "Required value"))
    labels = spec["template"].get("metadata", {}).get("labels") or {}
    if not by_object(spec.get("selector"))(labels):
        said = f"Invalid value: {_go_map(labels)}: `selector` does not match template `labels`"
        causes.append(("FieldValueInvalid", "spec.template.metadata.labels", said))
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        said = f"Invalid value: {replicas}: must be greater than or equal to 0"
        causes.append(("FieldValueInvalid", "spec.replicas", said))
    return causes


def _others(resource: Resource, obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    if resource.kind == "Service":
        headless = spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName"
        return [] if spec.get("ports") or headless else [("FieldValueRequired", "spec.ports", "Required value")]
    if resource.kind == "NetworkPolicy":
        supported = 'supported values: "Ingress", "Egress"'
        return [
            ("FieldValueNotSupported", f"spec.policyTypes[{at}]", f'Unsupported value: "{one}": {supported}')
            for at, one in enumerate(spec.get("policyTypes") or [])
            if one not in ("Ingress", "Egress")
        ]
    if resource.kind == "Lease":
        lasting = spec.get("leaseDurationSeconds")
        if lasting is not None and lasting <= 0:
            said = f"Invalid value: {lasting}: must be greater than 0"
            return [("FieldValueInvalid", "spec.leaseDurationSeconds", said)]
    return []


def _go_map(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"


def _refuse(resource: Resource, name: str, reason: str, field: str, message: str) -> Failure:
    return invalid(resource, name, [(reason, field, message)])


def check_change(resource: Resource, old: Json, new: Json) -> None:
    """Raise the 422 for a change of something that can't be changed."""
    name = new["metadata"]["name"]
    if resource.kind == "StatefulSet" and any(
        old["spec"].get(field) != new["spec"].get(field) for field in ("selector", "serviceName", "podManagementPolicy")
    ):
        raise _refuse(
            resource,
            name,
            "FieldValueForbidden",
            "spec",
            "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
            " 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
            " are forbidden",
        )
    if resource.group == "apps" and old["spec"].get("selector") != new["spec"].get("selector"):
        labels = new["spec"].get("selector")
        raise _refuse(
            resource, name, "FieldValueInvalid", "spec.selector", f"Invalid value: {labels}: field is immutable"
        )
    if resource.kind == "Pod" and _fixed(old) != _fixed(new):
        raise _refuse(
            resource,
            name,
            "FieldValueForbidden",
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to"
            " existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was"
            " previously negative)",
        )


def _fixed(pod: Json) -> Json:
    spec = {key: value for key, value in pod.get("spec", {}).items() if key not in ("tolerations", "nodeName")}
    spec.pop("activeDeadlineSeconds", None)
    for containers in ("containers", "initContainers"):
        if containers in spec:
            spec[containers] = [{**one, "image": ""} for one in spec[containers]]
    return spec
