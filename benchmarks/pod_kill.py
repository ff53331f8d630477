"""From the start of a process to a pod that is being deleted: `gameday run --unattended` against `chaos run`.

Both on the same API server, in turns: the test suite's double, or the real one that GAMEDAY_TEST_KUBECONFIG names. The
moment is when the server itself says so, to a watch. gameday's has an undo of nothing, an abort condition, access
reviews, a claim to the target and a journal on disk in it; `chaos run` kills at once. The journal tells when, of that,
gameday had checked the scenario, asked and claimed the target, and had guardian and engine ready (its first event), and
when the fault was armed.

Beside that: how long command, guardian and engine take, started in one moment, only to import what each of them needs;
and how long one process takes that imports all of it, once: nothing that starts from nothing could do without that.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Figure, talk
from benchmarks.lab import ROOT
from gameday.exercise.events import FaultArmed
from gameday.store import open_store
from tests.kubernetes.targets import SCENARIO, toml_of
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import Double

ROUNDS = 10
LIMIT = 1.0
IMPORTS = (
    "import gameday.cli.run, gameday.cli.staging, gameday.cluster.official as client; client.load()",
    "import gameday.engine.guarding, gameday.cluster.warm, gameday.faults.kubernetes.pod_kill",
    "import gameday.cli.engine_process, gameday.cluster.holders",
)
"""What command, guardian and engine import until a pod is killed."""
_KILL = "  - at: 0s\n    fault: pod-kill\n    with: {service: web}\n"


def measure(rounds: int, quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as name:
        folder, double = Path(name), None
        if real := os.environ.get("GAMEDAY_TEST_KUBECONFIG"):
            from tests.support.kubernetes.real import RealCluster

            cluster: Cluster = RealCluster(Path(real))
        else:
            double = Double()
            cluster = DoubleCluster(double, folder)
        try:
            cluster.deployment("web", replicas=3)
            _pair(cluster, folder, -1, rounds)  # byte code, the page cache and the store, once
            pairs = [_pair(cluster, folder, number, rounds) for number in range(rounds)]
            imports = [_importing(IMPORTS) for _ in range(rounds)]
            once = [_importing(["; ".join(IMPORTS)]) for _ in range(rounds)]
            parts = [_parts(folder, number, start) for number, (_, _, start) in enumerate(pairs)]
        finally:
            cluster.close()
            if double is not None:
                double.stop()
    ours, theirs = [one for one, _, _ in pairs], [other for _, other, _ in pairs]
    ratio = statistics.median(ours) / statistics.median(theirs)
    where = "on the API server of GAMEDAY_TEST_KUBECONFIG" if cluster.is_real else "on the test suite's API server"
    return [
        Figure("gameday run --unattended: process start → pod deleted", ours, note=where),
        Figure("of that: process start → the exercise begins", [begun for begun, _ in parts]),
        Figure("of that: process start → the fault is armed", [armed for _, armed in parts]),
        Figure("beside that: the three processes import, and do nothing else", imports),
        Figure("one process imports what the three do, and does nothing else", once),
        Figure("chaos run: process start → pod deleted", theirs, note=where),
        Figure("ratio of the medians", [ratio], LIMIT, judged="p50", unit="ratio"),
    ]


def _parts(folder: Path, number: int, started: float) -> tuple[float, float]:
    """Seconds from the start of the process (`started`, unix seconds) to the journal's beginning, and to the fault."""
    ident = (folder / f"ours-{number}" / "said").read_text().splitlines()[0]
    with open_store(str(folder / "store.db"), create=False) as store:
        records = store.records(ident)
    armed = next(one for one in records if isinstance(one.event, FaultArmed))
    return records[0].wall - started, armed.wall - started


def _importing(lines: Sequence[str]) -> float:
    """Seconds until as many processes, started at once, have each done what its line says."""
    began = time.monotonic()
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", f"import gc; gc.disable(); {line}; import os; os._exit(0)"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for line in lines
    ]
    if any(process.wait(60) for process in started):
        raise RuntimeError("what a run imports can't be imported")
    return time.monotonic() - began


def _pair(cluster: Cluster, folder: Path, number: int, rounds: int) -> tuple[float, float, float]:
    """Seconds of gameday and of `chaos run`, and when gameday was started, in unix seconds."""
    ours, started = _took(cluster, folder / f"ours-{number}", _gameday(cluster, folder / f"ours-{number}"))
    theirs, _ = _took(cluster, folder / f"theirs-{number}", _chaos(cluster, folder / f"theirs-{number}"))
    talk(f"  round {number + 1} of {rounds}: gameday {ours * 1000:.0f} ms, chaos {theirs * 1000:.0f} ms")
    return ours, theirs, started


def _gameday(cluster: Cluster, folder: Path) -> list[str]:
    folder.mkdir()
    (folder / "gameday.toml").write_text(toml_of(cluster, {"web": {"workload": "deployment/web"}}))
    address = cluster.url.partition("://")[2].rstrip("/")
    (folder / "kill.yaml").write_text(SCENARIO.format(timeline=_KILL, address=address, recovery="60s"))
    return [str(Path(sys.executable).with_name("gameday")), "run", "kill.yaml", "--unattended"]


def _chaos(cluster: Cluster, folder: Path) -> list[str]:
    folder.mkdir()
    arguments = {"label_selector": "app=web", "ns": cluster.namespace, "qty": 1, "rand": True}
    provider = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods", "arguments": arguments}
    experiment: dict[str, Any] = {
        "version": "1.0.0",
        "title": "kill",
        "description": "kill",
        "configuration": {"KUBERNETES_CONTEXT": cluster.context},
        "method": [{"type": "action", "name": "kill", "provider": provider}],
    }
    (folder / "experiment.json").write_text(json.dumps(experiment))
    return [str(Path(sys.executable).with_name("chaos")), "run", "experiment.json"]


def _took(cluster: Cluster, folder: Path, command: list[str]) -> tuple[float, float]:
    """Seconds from the start of `command` until the API server says that a pod is being deleted; and unix time of the
    start."""
    cluster.whole("web")
    watch = _Watch(cluster)
    environment = {
        # What is installed has its byte code, whatever the shell says from which this is measured.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": str(ROOT),
        "GAMEDAY_STORE": str(folder.parent / "store.db"),
        "XDG_STATE_HOME": str(folder.parent / "state"),
        "XDG_RUNTIME_DIR": str(folder.parent / "run"),
    }
    began, started = time.monotonic(), time.time()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        gone = watch.first(60.0)
        process.wait(120)
    if gone is None:
        raise RuntimeError(f"{' '.join(command)} deleted no pod:\n{(folder / 'said').read_text()}")
    return gone - began, started


class _Watch:
    """A watch on the namespace's pods; when the first of them was seen to be deleted."""

    def __init__(self, cluster: Cluster) -> None:
        parts = urlsplit(cluster._api)
        if parts.scheme == "https":
            self._link: http.client.HTTPConnection = http.client.HTTPSConnection(
                str(parts.hostname), parts.port, context=cluster._tls
            )
        else:
            self._link = http.client.HTTPConnection(str(parts.hostname), parts.port)
        version = cluster.ask("GET", cluster.path("Pod"))["metadata"]["resourceVersion"]
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds=120"
        self._link.request("GET", cluster.path("Pod") + query, headers=cluster._headers)
        self._answer = self._link.getresponse()
        self._seen: float | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while line := self._answer.readline():
            change = json.loads(line)
            if change["type"] == "DELETED" or "deletionTimestamp" in change["object"]["metadata"]:
                self._seen = time.monotonic()
                return

    def first(self, within: float) -> float | None:
        """Monotonic seconds of the first deletion; None where there was none `within` seconds."""
        self._thread.join(within)
        self._link.close()
        return self._seen
