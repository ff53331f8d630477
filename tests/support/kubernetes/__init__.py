"""A Kubernetes API server for tests: one process, real HTTP on loopback, and the controllers that gameday can see.

It behaves as kube-apiserver 1.36 does for what gameday asks of it, and is checked against recorded exchanges
(`tests/kubernetes/double/test_wire.py`). A request for which it has neither state nor a rule is answered with 501 and
makes the test fail at its end.

It is written on the standard library. kmock 0.8 was tried as its base: it fails on `/api/v1/namespaces`, takes
`watch=1` for a list, has no PUT, no resource versions, no selectors, no subresources, no strategic merge patch, no
DeleteOptions and its own words for errors, costs 0.65 s to import, and brings a pytest plugin that does not load
without pytest-asyncio. Everything but its socket would have been replaced; threads on sockets also make it plain that
a request goes on when its client has left.

What it is not: no admission beyond `shapes`, `fields` and `crds`, no server-side apply, deletecollection, exec, quotas,
aggregation, protobuf or TLS. A list in pages shows what is there now and not what was there at its first page. Pods
serve no traffic, so whatever follows from traffic (readiness probes, NetworkPolicy, latency) is not to be seen here;
jobs, daemon sets, autoscalers and schedules of Chaos Mesh are kept and do nothing. A template's hash, and the order in
which a controller's steps become visible, are the double's own.
"""
