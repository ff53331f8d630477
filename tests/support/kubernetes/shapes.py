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
    if resource.group == "apps" and "template" in obj.get("spec", {}):
        _check_workload(resource, obj)
    if resource.kind == "Service":
        spec = obj.get("spec") or {}
        if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
            raise _refuse(resource, name, "FieldValueRequired", "spec.ports", "Required value")


def _check_workload(resource: Resource, obj: Json) -> None:
    name, spec = obj["metadata"]["name"], obj["spec"]
    if not spec.get("selector"):
        raise _refuse(resource, name, "FieldValueRequired", "spec.selector", "Required value")
    labels = spec["template"].get("metadata", {}).get("labels") or {}
    if not by_object(spec["selector"])(labels):
        raise _refuse(
            resource,
            name,
            "FieldValueInvalid",
            "spec.template.metadata.labels",
            f"Invalid value: {_go_map(labels)}: `selector` does not match template `labels`",
        )
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        raise _refuse(
            resource,
            name,
            "FieldValueInvalid",
            "spec.replicas",
            f"Invalid value: {replicas}: must be greater than or equal to 0",
        )


def _go_map(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"


def _refuse(resource: Resource, name: str, reason: str, field: str, message: str) -> Failure:
    return invalid(resource, name, [(reason, field, message)])


def check_change(resource: Resource, old: Json, new: Json) -> None:
    """Raise the 422 for a change of something that can't be changed."""
    name = new["metadata"]["name"]
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


def complete(resource: Resource, obj: Json) -> None:
    """Fill in what the server fills in, in place."""
    fill = _FILL.get(resource.kind)
    if fill:
        fill(obj)


def _fill_pod_spec(spec: Json) -> None:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    for container in [one for kind in kinds for one in spec.get(kind) or []]:
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        tag = container.get("image", "").rpartition(":")[2]
        container.setdefault(
            "imagePullPolicy", "Always" if tag in ("latest", container.get("image")) else "IfNotPresent"
        )
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            if probe in container:
                for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1)):
                    container[probe].setdefault(key, value)
                container[probe].setdefault("failureThreshold", 3)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _fill_pod(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    _fill_pod_spec(spec)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault(
        "tolerations",
        [
            {
                "key": f"node.kubernetes.io/{what}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for what in ("not-ready", "unreachable")
        ],
    )
    spec.setdefault("priority", 0)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    obj.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})


def _fill_template(spec: Json) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _fill_pod_spec(template.setdefault("spec", {}))


def _fill_deployment(obj: Json) -> None:
    spec = obj["spec"]
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _fill_template(spec)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    obj.setdefault("status", {})


def _fill_replica_set(obj: Json) -> None:
    spec = obj["spec"]
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _fill_template(spec)
    obj.setdefault("status", {"replicas": 0})


def _fill_stateful_set(obj: Json) -> None:
    spec = obj["spec"]
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _fill_template(spec)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("serviceName", "")
    obj.setdefault("status", {"replicas": 0, "availableReplicas": 0})


def _fill_service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    spec.setdefault("type", "ClusterIP")
    if spec["type"] != "ExternalName":
        if not spec.get("clusterIP"):
            spec["clusterIP"] = f"10.96.{random.randrange(256)}.{random.randrange(1, 255)}"
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    obj.setdefault("status", {"loadBalancer": {}})


def _fill_budget(obj: Json) -> None:
    obj.setdefault("status", {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0})


def _fill_network_policy(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])
    # An empty list of rules is not written back.
    for rules in ("ingress", "egress"):
        if not spec.get(rules, True):
            del spec[rules]
        for rule in spec.get(rules, []):
            for port in rule.get("ports") or []:
                port.setdefault("protocol", "TCP")


def _fill_cron_job(obj: Json) -> None:
    spec = obj["spec"]
    spec.setdefault("suspend", False)
    spec.setdefault("concurrencyPolicy", "Allow")
    job = spec["jobTemplate"]
    job.setdefault("metadata", {})
    _fill_template(job["spec"])
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    obj.setdefault("status", {})


def _fill_namespace(obj: Json) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    obj.setdefault("spec", {})["finalizers"] = ["kubernetes"]
    obj.setdefault("status", {"phase": "Active"})


_FILL = {
    "Pod": _fill_pod,
    "Deployment": _fill_deployment,
    "ReplicaSet": _fill_replica_set,
    "StatefulSet": _fill_stateful_set,
    "Service": _fill_service,
    "PodDisruptionBudget": _fill_budget,
    "NetworkPolicy": _fill_network_policy,
    "CronJob": _fill_cron_job,
    "Namespace": _fill_namespace,
}
