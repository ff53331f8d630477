"""Every benchmark runs and prints figures. What they are is not asserted: a busy machine is no defect."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASURED
from benchmarks.figures import Figure, percentile, table
from benchmarks.lab import ROOT

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", MEASURED)
def test_it_runs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", name, "--quick", "--rounds", "1", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    # 1 says that a limit was missed.
    assert done.returncode in (0, 1), done.stderr
    (found,) = json.loads(file.read_text())
    assert found["name"] == name
    measured = [row for row in found["figures"] if row["n"]]
    assert measured, done.stdout
    for row in measured:
        assert row["name"] in done.stdout
        assert all(math.isfinite(value) for value in row["values"])
        assert row["p50"] <= row["p99"] <= row["max"]
    # An undo can't come before what it answers to; only the excess over a heartbeat may be negative.
    assert all(value > 0 for row in measured if "less a heartbeat" not in row["name"] for value in row["values"])


def test_an_unknown_name_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "abrot"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "abrot" in done.stderr


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 1.0) == 100.0
    assert percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(("values", "verdict"), [([0.01, 0.01], "met"), ([0.01, 0.03], "MISSED"), ([], "not measured")])
def test_the_verdict_is_about_the_number_that_the_limit_names(values: list[float], verdict: str) -> None:
    figure = Figure("abort", values, 0.02)
    assert figure.verdict == verdict
    assert verdict in table([figure])
