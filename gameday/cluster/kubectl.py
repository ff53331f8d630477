"""The beginning of the lines that people are given to type. Nothing here runs them."""

from __future__ import annotations

import os

from gameday.cluster.api import Where


def kubectl(where: Where, namespace: str | None) -> list[str]:
    """The beginning of a command for the cluster at `where`."""
    command = ["kubectl"]
    files = str(where.get("kubeconfig") or "")
    if os.pathsep in files:
        # The option takes one alone.
        command = ["env", f"KUBECONFIG={files}", *command]
    elif files:
        command += ["--kubeconfig", files]
    if where.get("context"):
        command += ["--context", str(where["context"])]
    return [*command, *(["-n", namespace] if namespace else [])]
