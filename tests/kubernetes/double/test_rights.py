"""Who may do what in the double: tokens, rules of a test, Roles and bindings, and what a review says of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.double.asking import request
from tests.support.kubernetes.cluster import DoubleCluster

pytestmark = pytest.mark.double

LIMITED = "token-of-limited"


def review(cluster: DoubleCluster, token: str = LIMITED, **attributes: str) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": cluster.namespace, **attributes}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, _, told = request(cluster, "POST", path, body, token=token)
    assert status == 201
    allowed: bool = told["status"]["allowed"]
    return allowed


def test_rules_of_a_test(cluster: DoubleCluster) -> None:
    cluster.rules(
        "limited",
        [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "namespace": cluster.namespace},
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"], "resourceNames": ["web"]},
        ],
    )
    cluster.deployment("web", replicas=1)
    assert request(cluster, "GET", cluster.path("Pod"), token=LIMITED)[0] == 200
    assert request(cluster, "GET", cluster.path("Pod", namespace=""), token=LIMITED)[0] == 403
    assert request(cluster, "GET", cluster.path("Pod", namespace="default"), token=LIMITED)[0] == 403
    assert request(cluster, "GET", cluster.path("Pod") + "?watch=1", token=LIMITED)[0] == 403
    scale, change = cluster.path("Deployment", "web", below="scale"), {"spec": {"replicas": 0}}
    patched = request(cluster, "PATCH", scale, change, token=LIMITED, content_type="application/merge-patch+json")
    assert patched[0] == 200
    status, _, said = request(cluster, "DELETE", cluster.path("Pod", "web-1"), token=LIMITED)
    assert status == 403
    assert said["message"] == (
        f'pods "web-1" is forbidden: User "limited" cannot delete resource "pods" in API group ""'
        f' in the namespace "{cluster.namespace}"'
    )
    status, _, said = request(cluster, "GET", "/api/v1/nodes", token=LIMITED)
    assert said["message"].endswith('cannot list resource "nodes" in API group "" at the cluster scope')
    assert review(cluster, verb="list", resource="pods")
    assert not review(cluster, verb="delete", resource="pods")
    assert not review(cluster, verb="list", resource="pods", namespace="default")
    assert review(cluster, verb="patch", group="apps", resource="deployments", subresource="scale", name="web")
    assert not review(cluster, verb="patch", group="apps", resource="deployments", name="web")
    assert review(cluster, "token-of-gameday", verb="delete", resource="pods")


def test_roles_and_bindings_in_the_store_count(cluster: DoubleCluster) -> None:
    user = f"system:serviceaccount:{cluster.namespace}:gameday"
    cluster.rules(user, [], token="token-of-a-service-account")
    assert not review(cluster, "token-of-a-service-account", verb="get", resource="pods")
    group = "rbac.authorization.k8s.io"
    rules: list[dict[str, Any]] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    cluster.apply({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "gameday"}, "rules": rules})
    cluster.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "gameday"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "gameday"},
            "subjects": [{"kind": "ServiceAccount", "name": "gameday", "namespace": cluster.namespace}],
        }
    )
    assert review(cluster, "token-of-a-service-account", verb="get", resource="pods")
    assert not review(cluster, "token-of-a-service-account", verb="get", resource="pods", namespace="default")
    assert not review(cluster, "token-of-a-service-account", verb="delete", resource="pods")


def test_a_token_that_nobody_knows_and_one_that_expires(cluster: DoubleCluster) -> None:
    assert request(cluster, "GET", "/version", token="nobody-knows-this-token")[0] == 401
    assert request(cluster, "GET", "/version")[0] == 200
    cluster.expire()
    status, _, said = request(cluster, "GET", cluster.path("Pod"))
    assert (status, said["reason"]) == (401, "Unauthorized")
    cluster.expire(expired=False)
    assert request(cluster, "GET", cluster.path("Pod"))[0] == 200
