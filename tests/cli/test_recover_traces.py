"""`recover` where the store is lost: what a killed guardian left of its door does not lie there for ever."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.engine.peers import claim
from tests.support.runs import Place


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder with a path that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="gd-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def door(runtime: Path, exercise: str) -> int:
    """A guardian's socket and claim; the claim's descriptor."""
    path = runtime / "gameday" / f"{exercise}-00000000.sock"
    claimed = claim(path, wait=0.0)
    assert claimed is not None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return claimed


@pytest.mark.parametrize("how", [("recover",), ("recover", "--target", "nowhere")], ids=["all", "target"])
def test_doors_of_the_dead_are_gone_afterwards(tmp_path: Path, runtime: Path, how: tuple[str, ...]) -> None:
    place = Place(tmp_path, extra={"XDG_RUNTIME_DIR": str(runtime)})
    living = door(runtime, "20260101-0000-aaaa")
    os.close(door(runtime, "20260101-0000-dead"))
    done = place.call(*how)
    assert done.returncode == 2, "there is no store, nor such a target"
    left = sorted(path.name for path in (runtime / "gameday").iterdir())
    assert left == ["20260101-0000-aaaa-00000000.lock", "20260101-0000-aaaa-00000000.sock"]
    os.close(living)
