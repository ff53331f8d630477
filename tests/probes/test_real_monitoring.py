"""Probes and alerts against Prometheus and Alertmanager themselves, where their programs are installed.

What the replies are like is told by the tests beside this one; here is shown that the real ones say so.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Answer
from gameday.probes.alertmanager import AlertsAnswer
from gameday.probes.prober import LiveProber

from .asking import run, target

CONFIG = """
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - {{job_name: itself, static_configs: [{{targets: ["127.0.0.1:{prometheus}"]}}]}}
"""
RULES = """
groups:
  - name: test
    rules:
      - {alert: Fires, expr: vector(1), annotations: {summary: it does}}
      - {alert: Quiet, expr: vector(1) > 2}
"""
ROUTES = "{route: {receiver: nobody, group_wait: 10ms}, receivers: [{name: nobody}]}"


def program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or pytest.skip(f"there is no {names[0]} here")


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Monitoring:
    """Both programs, on loopback."""

    def __init__(self, folder: Path) -> None:
        prometheus = program("prometheus")
        alertmanager = program("prometheus-alertmanager", "alertmanager")
        self.ports = {"prometheus": free_port(), "alertmanager": free_port()}
        (folder / "prometheus.yml").write_text(CONFIG.format(**self.ports))
        (folder / "rules.yml").write_text(RULES)
        (folder / "alertmanager.yml").write_text(ROUTES)
        # It learns of its Alertmanager some seconds late, and would tell it again a minute later.
        often = "--rules.alert.resend-delay=200ms"
        apart = ("--storage.path=alerts", "--cluster.listen-address=")
        self.processes = [
            self._start(folder, prometheus, "prometheus", "--storage.tsdb.path=data", often),
            self._start(folder, alertmanager, "alertmanager", *apart),
        ]

    def _start(self, folder: Path, path: str, name: str, *options: str) -> subprocess.Popen[bytes]:
        listen = f"--web.listen-address=127.0.0.1:{self.ports[name]}"
        with (folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [path, f"--config.file={name}.yml", listen, *options], cwd=folder, stdout=log, stderr=log
            )

    def names(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def ask(self, query: str) -> Answer:
        async def once() -> Answer:
            prober = LiveProber(target(names=self.names()))
            try:
                return await prober.ask({"prometheus": {"query": query}})
            finally:
                await prober.close()

        answer: Answer = run(once())
        return answer

    def alerts(self, *names: str) -> AlertsAnswer:
        async def once() -> AlertsAnswer:
            prober = LiveProber(target(names=self.names()))
            try:
                return await prober.alerts(set(names))
            finally:
                await prober.close()

        answer: AlertsAnswer = run(once())
        return answer

    def until(self, holds: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert all(process.poll() is None for process in self.processes), "one of them has died"
            assert time.monotonic() < end, what
            time.sleep(0.05)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    made = Monitoring(tmp_path_factory.mktemp("monitoring"))
    try:
        made.until(lambda: made.ask("up").kind == "value", "Prometheus has scraped itself")
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("query", "kind", "value", "told"),
    [
        ("up", "value", 1.0, ""),
        ("1 + 1", "value", 2.0, ""),
        ("vector(0) / vector(0)", "nan", None, ""),
        ("1 / vector(0)", "value", "+Inf", ""),
        ("no_such_metric", "no_data", None, "the query found no series"),
        ("sum(rate(up[5s])", "error", None, "unclosed left parenthesis"),
        ("up[5s]", "error", None, "a range; ask for an instant"),
        ("up" + " + 0" * 1000, "value", 1.0, ""),
        ('label_replace(up, "a", "1", "", "") or label_replace(up, "a", "2", "", "")', "many", None, "sum() them"),
    ],
)
def test_what_the_real_one_answers(monitoring: Monitoring, query: str, kind: str, value: Any, told: str) -> None:
    answer = monitoring.ask(query)
    assert (answer.kind, answer.value) == (kind, value), answer
    assert told in answer.detail[:100]
    json.dumps(answer.to_json(), allow_nan=False)


def test_what_fires_and_only_that(monitoring: Monitoring) -> None:
    monitoring.until(lambda: monitoring.alerts().alerts, "an alert has come from Prometheus to Alertmanager")
    (found,) = monitoring.alerts("Fires", "Quiet").alerts
    assert (found.name, found.summary) == ("Fires", "it does")
    assert found.starts_at is not None and abs(time.time() - found.starts_at) < 60
    assert monitoring.alerts("Quiet") == AlertsAnswer("value", [])
