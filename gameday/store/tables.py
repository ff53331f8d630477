"""The tables. Names carry a prefix, since a team's PostgreSQL database may hold other things.

`gameday_events` is the truth and is only ever added to. `gameday_exercises` has one row per exercise: what lists and
warnings need without reading a journal, and the lease, so that an append can check and renew it in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from gameday.store.connection import Connection

EXERCISES = (
    "id",
    "scenario",
    "title",
    "target",
    "environment",
    "attended",
    "status",
    "started_at",
    "ended_at",
    "verdict",
    "exit_code",
    "unrecovered",
    "last_seq",
    "epoch",
    "pid",
    "start_ticks",
    "host",
    "boot_id",
    "renewed_at",
)
"""The columns of `gameday_exercises`."""
EVENTS = ("exercise", "seq", "wall", "clock", "recorded", "epoch", "source", "actor", "kind", "body")
"""The columns of `gameday_events`."""

_MADE = (
    """
CREATE TABLE IF NOT EXISTS gameday_schema (
    number INTEGER NOT NULL
)
""",
    # No pid: the lease was released.
    """
CREATE TABLE IF NOT EXISTS gameday_exercises (
    id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    title TEXT NOT NULL,
    target TEXT NOT NULL,
    environment TEXT NOT NULL,
    attended BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    started_at {double} NOT NULL,
    ended_at {double},
    verdict TEXT,
    exit_code INTEGER,
    unrecovered INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    pid INTEGER,
    start_ticks BIGINT,
    host TEXT,
    boot_id TEXT,
    renewed_at {double} NOT NULL,
    PRIMARY KEY (id)
)
""",
    "CREATE INDEX IF NOT EXISTS gameday_exercises_started ON gameday_exercises (started_at)",
    "CREATE INDEX IF NOT EXISTS gameday_exercises_status ON gameday_exercises (status)",
    "CREATE INDEX IF NOT EXISTS gameday_exercises_unrecovered ON gameday_exercises (unrecovered)",
    """
CREATE TABLE IF NOT EXISTS gameday_events (
    exercise TEXT NOT NULL,
    seq INTEGER NOT NULL,
    wall {double} NOT NULL,
    clock {double} NOT NULL,
    recorded {double} NOT NULL,
    epoch INTEGER NOT NULL,
    source TEXT NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (exercise, seq),
    FOREIGN KEY (exercise) REFERENCES gameday_exercises (id)
)
""",
    # Ids of requests are handed out and must never name another one later.
    """
CREATE TABLE IF NOT EXISTS gameday_inbox (
    id {numbered},
    exercise TEXT NOT NULL,
    request TEXT NOT NULL,
    source TEXT NOT NULL,
    actor TEXT NOT NULL,
    wall {double} NOT NULL,
    taken_at {double},
    answer TEXT,
    FOREIGN KEY (exercise) REFERENCES gameday_exercises (id)
)
""",
    "CREATE INDEX IF NOT EXISTS gameday_inbox_waiting ON gameday_inbox (exercise, id) WHERE taken_at IS NULL",
)


def make(connection: Connection) -> None:
    """All of them, in the caller's transaction."""
    for statement in _MADE:
        connection.run(statement.format(double=connection.double, numbered=connection.numbered))


def insert_into(table: str, columns: Iterable[str]) -> str:
    """An INSERT of values called as the columns are."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def assigned(columns: Iterable[str]) -> str:
    """What stands after the SET of an UPDATE to values called as the columns are."""
    return ", ".join(f"{name} = :{name}" for name in columns)
