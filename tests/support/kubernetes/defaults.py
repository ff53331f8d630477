"""What the server fills in when an object leaves it out."""

from __future__ import annotations

import random
from typing import Any

from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]


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
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
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


def _fill_autoscaler(obj: Json) -> None:
    spec = obj["spec"]
    spec.setdefault("minReplicas", 1)
    target = {"type": "Utilization", "averageUtilization": 80}
    spec.setdefault("metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    obj.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})


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
    "HorizontalPodAutoscaler": _fill_autoscaler,
}
