"""A real disk that fills up under the store of a running exercise, one that is read-only, and one that goes away.

The run lives in a mount namespace of its own, on a small tmpfs; the test reaches in through /proc/PID/root.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gameday.exercise.fold import fold
from gameday.store import open_store
from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target

pytestmark = pytest.mark.long

CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
)
needs_mounts = pytest.mark.skipif(not CAN_MOUNT, reason="needs a mount namespace (root)")


@needs_mounts
def test_a_disk_that_fills_up_under_a_live_fault(place: Place, target: Target) -> None:
    disk = place.folder / "disk"
    disk.mkdir()
    place.extra["GAMEDAY_STORE"] = str(disk / "store.db")
    place.write("scenario.yaml", script(activity()))
    run = f"{sys.executable} -m gameday run scenario.yaml --target lab --unattended"
    mount = f"mount -t tmpfs -o size=16m tmpfs {disk}"
    with (place.folder / "err").open("wb") as err:
        process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", f"{mount} && exec {run}"],
            cwd=place.folder,
            env={**place.environment, "GAMEDAY_STORE": str(disk / "store.db")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    place.started.append(process)
    target.wait_for("PUT", "/state/broken", 60)
    wait_for(lambda: "EFFECTIVE" in (place.folder / "err").read_text(), 60, "the fault is effective")
    inside = Path(f"/proc/{process.pid}/root{disk}")
    _fill(inside)
    _call(target, "PUT", "/value", "0.1")
    target.wait_for("DELETE", "/state/broken", 90)
    code = process.wait(120)
    assert code in (3, 4), place.said()
    assert "THE JOURNAL IS INCOMPLETE" in (place.folder / "err").read_text(), place.said()
    spilled = list((place.folder / "state" / "gameday" / "spill").glob("*"))
    assert spilled, place.said()
    place.gone()


@needs_mounts
def test_a_store_on_a_read_only_disk_is_refused_before_anything_is_touched(place: Place, target: Target) -> None:
    disk = place.folder / "disk"
    disk.mkdir()
    place.write("scenario.yaml", script(activity(lasts="200ms")))
    assert place.call("run", "scenario.yaml", "--target", "lab", "--unattended").returncode == 0
    before = len(target.requests("PUT", "/state/broken"))
    run = f"{sys.executable} -m gameday run scenario.yaml --target lab --unattended"
    prepare = f"mount -t tmpfs tmpfs {disk} && cp {place.store} {disk}/store.db && mount -o remount,ro {disk}"
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", f"{prepare} && exec {run}"],
        cwd=place.folder,
        env={**place.environment, "GAMEDAY_STORE": str(disk / "store.db")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5, done.stderr + place.said()
    assert str(disk) in done.stderr
    assert len(target.requests("PUT", "/state/broken")) == before


def test_what_was_spilled_is_in_the_journal_after_recover(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start("run", "scenario.yaml", "--target", "lab", "--unattended")
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    # The store is moved away, as by an unmounted disk, and comes back later.
    away = place.folder / "away"
    away.mkdir()
    for path in place.folder.glob("store.db*"):
        path.rename(away / path.name)
    place.store.mkdir()
    target.wait_for("DELETE", "/state/broken", 90)
    assert process.wait(120) in (3, 4), place.said()
    place.store.rmdir()
    for path in away.iterdir():
        path.rename(place.folder / path.name)
    recovered = place.call("recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    with open_store(str(place.store)) as store:
        (summary,) = store.exercises()
        state = fold(store.records(summary.id))
    assert state.phase == "ended", place.said()
    assert not state.unrecovered
    assert state.faults["broken"].undo_sent is not None


def _fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                continue
        except OSError:
            return


def _call(target: Target, method: str, path: str, body: str = "") -> None:
    urllib.request.urlopen(urllib.request.Request(target.url + path, body.encode(), method=method), timeout=5).read()
