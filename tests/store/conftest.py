"""Stores to test: SQLite files, and a private PostgreSQL cluster where its binaries are installed."""

from __future__ import annotations

import json
import multiprocessing
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
from gameday.store.connection import Connection, PostgresqlConnection, SqliteConnection
from gameday.store.store import Store

from . import actors
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
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to databases from now on, on one line each; one of many rows once."""
    seen: list[str] = []
    for kind in (SqliteConnection, PostgresqlConnection):
        for name in ("_execute", "run_each"):
            monkeypatch.setattr(kind, name, _overheard(getattr(kind, name), seen))
    return seen


def _overheard(told: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    def tell(connection: Connection, sql: str, values: Any) -> Any:
        seen.append(" ".join(sql.split()))
        return told(connection, sql, values)

    return tell


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gameday.db"


class Actor:
    """A process of `actors.py`, forked from one that has the libraries loaded."""

    def __init__(self, name: str, *arguments: object) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["gameday.store.store", "gameday.store.spill"])
        self._line, theirs = context.Pipe()
        self.process = context.Process(target=actors.run, args=(theirs, name, *map(str, arguments)), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def hear(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = self._line.recv()
        except EOFError:
            self.process.join()
            pytest.fail(f"the process said nothing more and ended with {self.process.exitcode}")
        return said

    def rest(self) -> list[dict[str, Any]]:
        """All it said until it ended, a torn last word left out."""
        said = []
        try:
            while True:
                said.append(self._line.recv())
        except (EOFError, ConnectionResetError):
            return said

    def go(self) -> None:
        self._line.send(None)

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._line.close()


@pytest.fixture
def actor() -> Iterator[Callable[..., Actor]]:
    """Start a process of `actors.py`; killed at the end of the test."""
    running: list[Actor] = []

    def start(*arguments: object) -> Actor:
        running.append(Actor(*map(str, arguments)))
        return running[-1]

    yield start
    for one in running:
        one.end()


def run_apart(words: list[str], mount: str, *arguments: object) -> dict[str, Any]:
    """Run a function of `actors.py` after a `mount` nobody else sees (see `private_mounts`); what it said."""
    shell = ["sh", "-c", f'{mount} && exec "$@"', "sh"]
    command = [*words, *shell, sys.executable, str(ACTORS), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="session")
def private_mounts() -> list[str]:
    """Words before a command that give it a mount namespace of its own, where it may mount what nobody else sees."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*words, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return words
    pytest.skip("no mount namespaces here: full and read-only disks can't be had")
