"""Pods in one line: what they share is said once."""

from __future__ import annotations

from gameday.exercise.touched import together

A = "pod shop/web-1 (ReplicaSet web-7d, on worker-1)"
B = "pod shop/web-2 (ReplicaSet web-7d, on worker-1)"
C = "pod shop/web-3 (ReplicaSet web-7d, on worker-2)"
LONE = "pod shop/alone (no owner)"


def test_pods_of_one_workload_share_its_name_and_their_node() -> None:
    assert together([A, B]) == "pods shop/web-1, web-2 (ReplicaSet web-7d, on worker-1)"


def test_where_their_nodes_differ_each_has_its_own() -> None:
    assert together([A, C]) == "pods shop/web-1 on worker-1, web-3 on worker-2 (ReplicaSet web-7d)"


def test_what_stands_alone_or_is_no_pod_stays_as_it_is() -> None:
    assert together([A]) == A
    assert together(["proxy payments", "proxy redis"]) == "proxy payments, proxy redis"
    assert together([LONE, "service shop/web (2 ready endpoints)"]) == f"{LONE}, service shop/web (2 ready endpoints)"
    assert together([]) == ""


def test_several_workloads_are_told_apart_and_the_rest_is_counted() -> None:
    assert together([A, B, LONE]) == f"pods shop/web-1, web-2 (ReplicaSet web-7d, on worker-1); {LONE}"
    assert together([A, B, C, LONE], 2) == "pods shop/web-1, web-2 (ReplicaSet web-7d, on worker-1) and 2 more"
