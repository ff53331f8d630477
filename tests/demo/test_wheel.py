"""`gameday demo` as somebody who installed the wheel runs it: in an empty folder, without a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs import Place, kinds

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(folder / "site"), str(wheel)], check=True, capture_output=True)
    return folder / "site"


def test_demo_from_the_wheel(site: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, extra={"PYTHONPATH": str(site), "GAMEDAY_SANDBOX": str(tmp_path / "box")}, anew=True)
    where = subprocess.run(
        [sys.executable, "-c", "import gameday; print(gameday.__file__)"],
        env=place.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site)), "the wheel's package is the one that runs"
    done = place.call("demo", timeout=110)
    assert done.returncode == 0, done.stderr + place.said()
    ident, page = done.stdout.split()
    assert (tmp_path / page).is_file()
    place.gone(20)

    debrief = json.loads((tmp_path / page).with_suffix(".json").read_text())
    assert debrief, "the debrief is there as JSON too"
    exercise = place.exercise()
    assert exercise.id == ident
    assert exercise.scenario is not None
    assert not exercise.attended
    assert {fault.stage for fault in exercise.faults.values()} == {"recovered"}
    human = [
        e.state for e, wanted in zip(exercise.expectations, exercise.scenario.expect, strict=True) if wanted.milestone
    ]
    assert set(human) == {"not_observed"}, "nobody's response is made up"
    assert "milestone_reached" not in kinds(place.records())
