"""Values of a configuration that probes are asked for: once, before the start, each in one process for all of them.

Chaos Toolkit does it so, and an undo must have the very value that its injection had. The process has a session of its
own and is killed with all that it started when its time is over. Whether the probes may be run is policy's, and has
been asked.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from gameday.engine.ports import Json
from gameday.scenario.configuring import dynamic

LIMIT = 60.0
"""Seconds that one probe has unless it says otherwise."""


class DynamicError(Exception):
    """A value could not be had; the message says which and why."""


def find(configuration: Mapping[str, Json], cluster: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The values of what is `dynamic` in `configuration`, by name.

    `cluster`: how the target is reached, where that is a cluster.

    Raises:
        DynamicError: a probe failed, or took too long.
    """
    from gameday.faults.activity import check_provider, seconds

    limit = 0.0
    for name in dynamic(configuration):
        provider = configuration[name].get("provider")
        if not isinstance(provider, Mapping):
            raise DynamicError(f"configuration {name!r} is asked of a probe, and has no provider")
        try:
            check_provider(provider)
            limit += seconds(provider.get("timeout")) or LIMIT
        except ValueError as error:
            raise DynamicError(f"configuration {name!r}: {error}") from None
    return _asked(configuration, cluster, limit)


def _asked(configuration: Mapping[str, Json], cluster: Mapping[str, Json] | None, limit: float) -> dict[str, Json]:
    # Not over its stdout: an activity may print.
    with tempfile.TemporaryFile() as answer:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(answer.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[answer.fileno()],
            start_new_session=True,
        )
        try:
            child.communicate(json.dumps({"configuration": configuration, "cluster": cluster}).encode(), timeout=limit)
        except subprocess.TimeoutExpired:
            raise DynamicError(f"the configuration could not be had within {limit:g} s") from None
        finally:
            _kill(child)
        answer.seek(0)
        text = answer.read()
    found: dict[str, Json] = {"error": f"the process that asks for it ended with {child.returncode}"}
    if text:
        found = json.loads(text)
    if "error" in found:
        raise DynamicError(f"the configuration could not be had: {found['error']}")
    values: dict[str, Json] = found["values"]
    return values


def _kill(child: subprocess.Popen[bytes]) -> None:
    """The process and whatever it left behind in its session."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # gone, with all of its own
    child.wait()


def ask(configuration: Mapping[str, Json], cluster: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """Ask the probes, in order; each may use the values before it. Runs their code, in this process.

    Raises:
        RuntimeError: one failed; the message says which.
    """
    from gameday.faults.chaostoolkit import ActivityFailed
    from gameday.faults.chaostoolkit import ask as ask_probe

    known = {name: value for name, value in configuration.items() if name not in dynamic(configuration)}
    values: dict[str, Json] = {}
    for name in dynamic(configuration):
        provider = configuration[name]["provider"]
        try:
            output = ask_probe({**provider, "tolerance": None}, {**known, **values}, {}, cluster=cluster)
        except ActivityFailed as error:
            raise RuntimeError(f"{name}: {error}") from None
        values[name] = _value(name, provider["type"], output)
    return values


def _value(name: str, kind: str, output: Json) -> Json:
    if kind == "python" or not isinstance(output, Mapping):
        return output
    if kind == "http":
        return output.get("body")
    if output.get("status") != 0:
        raise RuntimeError(f"{name}: it exited with {output.get('status')}: {str(output.get('stderr')).strip()[-300:]}")
    return str(output.get("stdout") or "").strip()


def main() -> None:
    """Answers on the descriptor that it is given; what to ask comes on stdin, as the arguments of `ask`."""
    asked = json.load(sys.stdin)
    try:
        answer: dict[str, Json] = {"values": ask(**asked)}
    except Exception as error:  # noqa: BLE001 - a border between processes: whatever it was, it is the answer
        answer = {"error": str(error)}
    with open(int(sys.argv[1]), "w", closefd=False, encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
