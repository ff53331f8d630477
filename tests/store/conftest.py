"""Stores to test: SQLite files, and a private PostgreSQL cluster where its binaries are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.store import open_store
from gameday.store.store import Store

from .makers import ACTORS, wait_until


def _postgresql_binaries() -> Path | None:
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return versions[-1].parent if versions else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The URL of a private cluster, without a database's name: `postgresql://postgres@/{}?host=...`."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed: SQLite only")
    binaries = _postgresql_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed: SQLite only")
    # Not under tmp_path: the server runs as another user, and its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="gameday-pg-"))
    become = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=QUIT"]
    data = folder / "data"
    subprocess.run(
        [*become, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    log = (folder / "log").open("wb")
    options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", "shared_buffers": "16MB"}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [*become, binaries / "postgres", "-D", data, *settings], stdout=log, stderr=log, cwd=folder
    )
    try:
        wait_until(lambda: _answers(folder), "PostgreSQL to answer", within=30.0)
        yield f"postgresql://postgres@/{{}}?host={folder}"
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
        shutil.rmtree(folder)


def _answers(folder: Path) -> bool:
    import psycopg

    try:
        psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def postgresql(cluster: str) -> str:
    """The URL of a fresh, empty database."""
    import psycopg

    name = "t" + uuid.uuid4().hex
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return cluster.format(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nobody has opened yet, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gameday.db'}"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gameday.db"


class Actor:
    """A process of `actors.py`."""

    def __init__(self, before: list[str], *arguments: object) -> None:
        command = [*before, sys.executable, str(ACTORS), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            pytest.fail(f"the process said nothing more: {self.process.stderr.read()}")
        return json.loads(line)

    def rest(self) -> list[dict[str, Any]]:
        """All it said until it ended, a torn last line left out."""
        assert self.process.stdout is not None
        return [json.loads(line) for line in self.process.stdout if line.endswith("\n")]

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


@pytest.fixture
def actor() -> Iterator[Callable[..., Actor]]:
    """Start a process of `actors.py`; killed at the end of the test."""
    running: list[Actor] = []

    def start(*arguments: object, before: list[str] | None = None) -> Actor:
        running.append(Actor(before or [], *arguments))
        return running[-1]

    yield start
    for one in running:
        one.end()


@pytest.fixture(scope="session")
def private_mounts() -> list[str]:
    """Words before a command that give it a mount namespace of its own, where it may mount what nobody else sees."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*words, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return words
    pytest.skip("no mount namespaces here: full and read-only disks can't be had")
