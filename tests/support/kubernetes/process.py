"""Starting, stopping and ordering about the double's process, from the test's side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubernetes.world import TOKENS

ROOT = Path(__file__).parents[3]


class Double:
    """One process of the test server. `public` is its port for gameday, `private` the one for the test."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.kubernetes"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the test server did not start: it ended with {self.process.wait()}")
        ports = json.loads(line)
        self.public: int = ports["public"]
        self.private: int = ports["private"]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def order(self, do: str, **arguments: Any) -> Any:
        """Tell it something beside the API; see `control`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.private}/control",
            data=json.dumps({"do": do, **arguments}).encode(),
            headers={"Content-Type": "application/json", "Connection": "close"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.loads(response.read())["told"]
        except urllib.error.HTTPError as refused:
            raise RuntimeError(json.loads(refused.read())["failed"]) from None

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT or SIGKILL, to the whole server."""
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        if self.alive:
            self.signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def write_kubeconfig(path: Path, port: int, namespace: str) -> Path:
    """A kubeconfig with a context for each user of the double, and `wrong` with a token that nobody knows."""
    users = {user: token for token, user in TOKENS.items() if user != "tester"} | {"wrong": "nobody-knows-this-token"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": user, "user": {"token": token}} for user, token in users.items()],
        "contexts": [
            {"name": user, "context": {"cluster": "double", "user": user, "namespace": namespace}} for user in users
        ],
        "current-context": "gameday",
    }
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path
