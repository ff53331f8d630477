"""Commands do what they should with standard streams closed, and in a folder with files of any name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import wait_for
from tests.support.runs import Place

SCENARIO = """
version: 1
title: Nothing to see
timeline: [{at: 0s, inject: hello}]
"""
COMMAND = [sys.executable, "-P", "-m", "gameday"]


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_with_streams_closed(place: Place, closed: str) -> None:
    place.write("scenario.yaml", SCENARIO)
    line = ["bash", "-c", f'exec "$@" {closed}', "bash", *COMMAND, "run", "scenario.yaml", "--unattended"]
    done = subprocess.run(line, cwd=place.folder, env=place.environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert place.exercise().verdict == "completed"


def test_what_lies_in_the_current_folder_is_not_imported(place: Place) -> None:
    place.write("scenario.yaml", SCENARIO)
    for name in ("random", "socket", "json"):
        place.write(f"{name}.py", "raise ImportError('planted')")
    line = [*COMMAND, "run", "scenario.yaml", "--unattended"]
    done = subprocess.run(line, cwd=place.folder, env=place.environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert place.exercise().verdict == "completed"


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    process = subprocess.Popen([*COMMAND, "schema"], stdout=writer)
    os.close(writer)
    fields = Path(f"/proc/{process.pid}/stat")
    wait_for(lambda: fields.read_text().rpartition(")")[2].split()[0] == "S", 20, "a command that waits")
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().lstrip(b"x")
    assert process.wait() == 0
    assert json.loads(text)["title"].startswith("gameday scenario")
