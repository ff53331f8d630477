"""Commands do what they should with standard streams closed, and in a folder with files of any name."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
