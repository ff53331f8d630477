"""Everybody is killed under a fault, and the store's disk is full, or read-only: `gameday recover` undoes it all the
same, by what it can read, keeps what it did beside the store, and has it in the journal once there is room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gameday.exercise.fold import fold
from gameday.store import open_store
from tests.endings.scripts import activity, script
from tests.support.processes import kill_together
from tests.support.runs import Place, Target

FILL = "cat /dev/zero > {disk}/ballast 2>/dev/null"
READ_ONLY = "rm {disk}/store.db-shm && mount -o remount,ro {disk}"


def can_mount() -> bool:
    words = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True).returncode == 0


def left(place: Place) -> str:
    """An exercise that died under its fault, with its store as a crash leaves it, in the folder `crashed`."""
    place.write("scenario.yaml", script(activity()))
    place.start("run", "scenario.yaml", "--target", "lab", "--unattended")
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    crashed = place.folder / "crashed"
    crashed.mkdir()
    # Whoever is the last to close it, and lives, moves the log into the file.
    with open_store(str(place.store)) as open_meanwhile:
        kill_together(place.processes())
        place.gone()
        for path in place.folder.glob("store.db*"):
            shutil.copy(path, crashed)
        return open_meanwhile.resolve()


def on_disk(place: Place, spoil: str, *steps: str, state: Path | None = None) -> list[str]:
    """What each of `steps` printed on both streams, with `exit CODE` at its end, in a mount namespace where the store
    is on a disk of its own, which `spoil` makes unfit. `{recover}` is the command; the store comes back at the end.
    """
    disk = place.folder / "disk"
    disk.mkdir(exist_ok=True)
    recover = f"{sys.executable} -m gameday recover"
    copy = f"cp -a {place.folder}/crashed/* {disk}/ && test -s {disk}/store.db-wal"
    lines = [f"mount -t tmpfs -o size=2m tmpfs {disk} && {copy} && mkdir {disk}/state"]
    lines += [spoil.format(disk=disk)]
    for step in steps:
        lines += [f"{step.format(disk=disk, recover=recover)} 2>&1; echo exit $?; echo ----"]
    lines += [f"mount -o remount,rw {disk}; rm {place.store}*; cp -a {disk}/store.db* {place.folder}/"]
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", "\n".join(lines)],
        cwd=place.folder,
        env={
            **place.environment,
            "GAMEDAY_STORE": str(disk / "store.db"),
            "XDG_STATE_HOME": str(state or place.folder / "state"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.split("----\n")[:-1]


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace (root)")
@pytest.mark.parametrize(
    ("spoil", "mend"),
    [(FILL, "rm {disk}/ballast"), (READ_ONLY, "mount -o remount,rw {disk}")],
    ids=["full", "read-only, and no index"],
)
def test_a_fault_is_undone_also_where_the_store_cant_be_written(
    place: Place, target: Target, spoil: str, mend: str
) -> None:
    ident = left(place)
    # Logs, and the first place for what the store does not take, lie on the same disk.
    state = place.folder / "disk" / "state"
    said = on_disk(place, spoil, "{recover}", "{recover}", f"{mend} && {{recover}}", "{recover}", state=state)
    first, again, mended, last = said
    assert f"{ident}  broken  recovered" in first, first
    assert "the journal can't be written now, so that what was done is kept beside it" in first
    assert first.endswith("exit 1\n"), first
    assert len(target.requests("DELETE", "/state/broken")) == 1, "what lies beside the journal is known to the next one"
    assert f"{ident}  broken  recovered" in again and "undoing" not in again, again
    assert again.endswith("exit 1\n"), again
    assert "what had been spilled is in the journal now" in mended and mended.endswith("exit 0\n"), mended
    assert last == "nothing to recover\nexit 0\n"
    with open_store(str(place.store)) as store:
        (summary,) = store.exercises()
        state_now = fold(store.records(ident))
    assert state_now.phase == "ended" and state_now.faults["broken"].stage == "recovered"
    assert summary.unrecovered == 0 and summary.status == "aborted"
