"""The doctor believes of a folder for sockets what the engine believes of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.cli.conftest import Run


def sockets(run: Run, runtime: Path, store: Path) -> dict[str, str]:
    done = run("doctor", "--json", "--store", str(store), XDG_RUNTIME_DIR=str(runtime))
    (found,) = [one for one in json.loads(done.stdout) if one["check"] == "sockets"]
    return {name: str(value) for name, value in found.items()}


def test_a_folder_that_others_could_have_made_is_no_place_for_sockets(run: Run) -> None:
    # Short, or the socket would lie elsewhere.
    with tempfile.TemporaryDirectory(prefix="gd", dir="/tmp") as name:
        runtime = Path(name)
        theirs = runtime / "theirs"
        theirs.mkdir()
        (runtime / "gameday").symlink_to(theirs)
        found = sockets(run, runtime, runtime / "s.db")
        assert found["state"] == "fail", found
        assert found["text"].endswith("/gameday is a symbolic link")
        assert "XDG_RUNTIME_DIR" in found["do"]

        (runtime / "gameday").unlink()
        (runtime / "gameday").mkdir(mode=0o700)
        (runtime / "gameday").chmod(0o770)
        assert sockets(run, runtime, runtime / "s.db")["state"] == "ok", "the engine tightens one of ours"
        assert (runtime / "gameday").stat().st_mode & 0o777 == 0o750
