"""Experiments as people write them: the shapes that are found in the wild, in words of our own."""

from __future__ import annotations

from typing import Any

Json = Any


def action(name: str, provider: Json, **more: Any) -> dict[str, Any]:
    return {"type": "action", "name": name, "provider": provider, **more}


def probe(name: str, provider: Json, **more: Any) -> dict[str, Any]:
    return {"type": "probe", "name": name, "provider": provider, **more}


def python(module: str, func: str, **more: Any) -> dict[str, Any]:
    return {"type": "python", "module": module, "func": func, **more}


def hypothesis(*probes: Json, title: str = "All is well") -> dict[str, Any]:
    return {"title": title, "probes": list(probes)}


UP = probe("frontend-answers", {"type": "http", "url": "http://localhost:8080/", "timeout": [2, 4]}, tolerance=200)
KILL = python("chaosk8s.pod.actions", "terminate_pods", arguments={"label_selector": "app=web", "qty": 1, "rand": True})

SHAPES: dict[str, dict[str, Any]] = {
    "only a hypothesis": {
        "title": "Is it up at all?",
        "description": "A first experiment, with nothing in its method.",
        "steady-state-hypothesis": hypothesis(UP),
        "method": [],
        "rollbacks": [],
    },
    "a pod is killed, and the same probe asked again": {
        "version": "1.0.0",
        "title": "The frontend survives the loss of a pod",
        "description": "One replica of three is not missed.",
        "tags": ["kubernetes", "pod"],
        "steady-state-hypothesis": hypothesis(
            probe(
                "replicas-are-there",
                python("chaosk8s.pod.probes", "count_pods", arguments={"label_selector": "app=web"}),
                tolerance=3,
            ),
            UP,
        ),
        "method": [action("kill-a-pod", KILL, pauses={"after": 20}), {"ref": "frontend-answers"}],
        "rollbacks": [],
    },
    "a deployment is scaled down and up again, from the environment": {
        "title": "Orders are kept while their consumer is away",
        "description": "It is scaled to nothing for a minute.",
        "configuration": {
            "ns": {"type": "env", "key": "NAMESPACE", "default": "shop"},
            "queue_limit": 500,
            "orders_url": "http://orders.${ns}.svc",
        },
        "secrets": {
            "k8s": {
                "KUBERNETES_HOST": {"type": "env", "key": "KUBERNETES_HOST"},
                "KUBERNETES_API_KEY": {"type": "env", "key": "KUBERNETES_TOKEN"},
            }
        },
        "steady-state-hypothesis": hypothesis(
            probe(
                "queue-is-short",
                {"type": "http", "url": "${orders_url}/queue/length"},
                tolerance={"type": "jsonpath", "path": "$.length", "expect": [0], "target": "body"},
            ),
            probe(
                "consumer-is-available",
                python(
                    "chaosk8s.deployment.probes",
                    "deployment_available_and_healthy",
                    arguments={"name": "consumer", "ns": "${ns}"},
                    secrets=["k8s"],
                ),
                tolerance=True,
            ),
        ),
        "method": [
            action(
                "scale-consumer-down",
                python(
                    "chaosk8s.deployment.actions",
                    "scale_deployment",
                    arguments={"name": "consumer", "ns": "${ns}", "replicas": 0},
                    secrets=["k8s"],
                ),
                pauses={"after": 60},
            )
        ],
        "rollbacks": [
            action(
                "scale-consumer-up",
                python(
                    "chaosk8s.deployment.actions",
                    "scale_deployment",
                    arguments={"name": "consumer", "ns": "${ns}", "replicas": 2},
                    secrets=["k8s"],
                ),
            )
        ],
    },
    "instances of a cloud, stopped and started by their own ids": {
        "title": "Losing an instance costs nobody a request",
        "description": "n/a",
        "configuration": {"aws_region": "eu-west-1", "ids": ["i-1", "i-2"]},
        "contributions": {"availability": "high", "reliability": "medium", "security": "none"},
        "method": [
            action(
                "stop-one",
                python("chaosaws.ec2.actions", "stop_instance", arguments={"instance_id": "i-1"}),
                pauses={"before": 5, "after": 120},
            ),
            action("stop-other", python("chaosaws.ec2.actions", "stop_instance", arguments={"instance_id": "i-2"})),
        ],
        "rollbacks": [
            action("start-other", python("chaosaws.ec2.actions", "start_instance", arguments={"instance_id": "i-2"})),
            action("start-one", python("chaosaws.ec2.actions", "start_instance", arguments={"instance_id": "i-1"})),
        ],
    },
    "latency by a proxy, over HTTP": {
        "title": "A slow database makes nothing else slow",
        "description": "Through Toxiproxy's API.",
        "configuration": {"toxiproxy": "http://127.0.0.1:8474"},
        "steady-state-hypothesis": hypothesis(
            probe(
                "answers-fast",
                {"type": "process", "path": "curl", "arguments": "-s -o /dev/null -m 1 http://localhost:8080/cart"},
                tolerance=0,
            )
        ),
        "method": [
            action(
                "add-latency",
                {
                    "type": "http",
                    "url": "${toxiproxy}/proxies/database/toxics",
                    "method": "POST",
                    "headers": {"Content-Type": "application/json"},
                    "arguments": {"name": "slow", "type": "latency", "attributes": {"latency": 900}},
                },
                pauses={"after": 30},
            ),
            probe("what-users-see", {"type": "http", "url": "http://localhost:8080/cart"}),
        ],
        "rollbacks": [
            action(
                "remove-latency",
                {"type": "http", "url": "${toxiproxy}/proxies/database/toxics/slow", "method": "DELETE"},
            )
        ],
    },
    "load in the background, and a tolerance that is a probe": {
        "title": "Response times stay sane under load",
        "description": "With a service restarted meanwhile.",
        "steady-state-hypothesis": hypothesis(
            probe(
                "p99",
                python("metrics.probes", "latencies", arguments={"window": "1m"}),
                tolerance=probe(
                    "below-limit", python("metrics.tolerances", "below", arguments={"percentile": 99, "limit": 0.3})
                ),
            ),
            probe(
                "errors",
                python("metrics.probes", "error_rate"),
                tolerance={"type": "range", "range": [0.0, 0.01]},
            ),
        ),
        "method": [
            action(
                "load",
                {"type": "process", "path": "sh", "arguments": {"-c": "sleep 1"}, "timeout": 90},
                background=True,
                pauses={"before": 3},
            ),
            action("restart", {"type": "process", "path": "sh", "arguments": "-c 'true'"}, pauses={"after": 45}),
            probe("logs", {"type": "process", "path": "sh", "arguments": ["-c", "echo logs"]}),
        ],
        "rollbacks": [],
    },
    "controls of all kinds": {
        "title": "Traced, announced and guarded",
        "description": "With safeguards that stop it.",
        "extensions": [{"name": "reliably", "experiment": "1234"}],
        "controls": [
            {"name": "tracing", "provider": python("chaostracing.control", "x")},
            {
                "name": "safeguards",
                "provider": {
                    "type": "python",
                    "module": "chaosaddons.controls.safeguards",
                    "arguments": {
                        "probes": [
                            probe("nobody-is-paged", python("alerts", "none_firing"), tolerance=True, frequency=10),
                            probe("budget-is-left", python("slo", "budget"), tolerance=True),
                            probe("nobody-is-paged", python("alerts", "none_firing"), tolerance=True, frequency=0.2),
                        ]
                    },
                },
            },
        ],
        "runtime": {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}},
        "method": [
            action(
                "unplug", {"type": "http", "url": "http://localhost/off", "method": "POST"}, controls=[{"name": "me"}]
            )
        ],
        "rollbacks": [action("plug-in", {"type": "http", "url": "http://localhost/on", "method": "POST"})],
    },
    "secrets from everywhere, and a value that is asked for": {
        "title": "Accounts of ${team}",
        "description": "In ${team}'s staging; costs $5 and ${nothing}.",
        "configuration": {
            "team": "payments",
            "vault_addr": "https://vault.example.com",
            "primary": {
                "type": "probe",
                "name": "which-is-primary",
                "provider": {"type": "process", "path": "sh", "arguments": ["-c", "echo db-1"], "timeout": 5},
            },
            "pause": "12",
            "limit": 2.5,
        },
        "secrets": {
            "db": {
                "user": "admin",
                "password": {"type": "vault", "path": "db/creds", "key": "password"},
                "certificate": {"type": "env", "key": "DB_CERT"},
            },
            "token": {"type": "env", "key": "TOKEN"},
        },
        "method": [
            action(
                "fail-over",
                {
                    "type": "http",
                    "url": "https://db.example.com/${primary}/failover?token=${token}",
                    "method": "POST",
                    "headers": {"Authorization": "Basic ${password}"},
                    "timeout": "${limit}",
                },
                pauses={"after": "${pause}"},
            ),
            action(
                "by-hand",
                {"type": "process", "path": "sh", "arguments": ["-c", "true", "${password}"]},
                pauses={"before": "${limit}"},
            ),
        ],
        "rollbacks": [
            action("fail-back", {"type": "http", "url": "https://db.example.com/failback", "method": "POST"}),
            probe("who-is-primary", {"type": "http", "url": "https://db.example.com/primary"}),
        ],
    },
    "rollbacks of nothing, dry activities, odd keys": {
        "title": "Left-overs",
        "description": "As it grows over the years.",
        "id": "8d2c",
        "method": [
            probe("look", {"type": "http", "url": "http://localhost/", "expected_status": 200}, dry="probes"),
            probe("listen", {"type": "http", "url": "http://localhost/"}, timeout=3, color="blue"),
        ],
        "rollbacks": [action("clean up", {"type": "process", "path": "true"}, pauses={"before": 1})],
    },
    "words that YAML reads otherwise": {
        "title": "on: yes, 12:30 and a # or {two}",
        "description": "- not a list\n\ttabs, \"quotes\", 'more', \\ and \u2028 too \U0001f525",
        "tags": ["on", "12:30", "0x1f", "1e3", "null", "~", "<<", "2024-01-01", "a: b", " padded ", "${x} $${y}", "é"],
        "method": [
            action(
                "yes",
                python(
                    "a.b", "c", arguments={"on": "off", "1": [None, True, -0.5, 1e-7, 1e20, 10**25], "": {"~": "="}}
                ),
            )
        ],
        "rollbacks": [],
    },
}
