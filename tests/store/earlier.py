"""How the first builds set a store up. Never edited: such stores are in use."""

from __future__ import annotations

_SQLITE = (
    """
CREATE TABLE gameday_schema (
    number INTEGER NOT NULL
)
""",
    """
CREATE TABLE gameday_exercises (
    id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    title TEXT NOT NULL,
    target TEXT NOT NULL,
    environment TEXT NOT NULL,
    attended BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    started_at DOUBLE NOT NULL,
    ended_at DOUBLE,
    verdict TEXT,
    exit_code INTEGER,
    unrecovered INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    pid INTEGER,
    start_ticks BIGINT,
    host TEXT,
    boot_id TEXT,
    renewed_at DOUBLE NOT NULL,
    PRIMARY KEY (id)
)
""",
    "CREATE INDEX gameday_exercises_started ON gameday_exercises (started_at)",
    "CREATE INDEX gameday_exercises_status ON gameday_exercises (status)",
    "CREATE INDEX gameday_exercises_unrecovered ON gameday_exercises (unrecovered)",
    """
CREATE TABLE gameday_events (
    exercise TEXT NOT NULL,
    seq INTEGER NOT NULL,
    wall DOUBLE NOT NULL,
    clock DOUBLE NOT NULL,
    recorded DOUBLE NOT NULL,
    epoch INTEGER NOT NULL,
    source TEXT NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (exercise, seq),
    FOREIGN KEY(exercise) REFERENCES gameday_exercises (id)
)
""",
    """
CREATE TABLE gameday_inbox (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    exercise TEXT NOT NULL,
    request TEXT NOT NULL,
    source TEXT NOT NULL,
    actor TEXT NOT NULL,
    wall DOUBLE NOT NULL,
    taken_at DOUBLE,
    answer TEXT,
    FOREIGN KEY(exercise) REFERENCES gameday_exercises (id)
)
""",
    "CREATE INDEX gameday_inbox_waiting ON gameday_inbox (exercise, id) WHERE taken_at IS NULL",
)


def made_at_first(server: bool) -> list[str]:
    """For a PostgreSQL `server`, or for a file."""
    if not server:
        return list(_SQLITE)
    changed = {
        " DOUBLE": " DOUBLE PRECISION",
        "id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT": "id SERIAL NOT NULL PRIMARY KEY",
    }
    statements = []
    for statement in _SQLITE:
        for ours, theirs in changed.items():
            statement = statement.replace(ours, theirs)
        statements.append(statement)
    return statements
