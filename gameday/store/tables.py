"""The tables. Names carry a prefix, since a team's PostgreSQL database may hold other things.

`gameday_events` is the truth and is only ever added to. `gameday_exercises` has one row per exercise: what lists and
warnings need without reading a journal, and the lease, so that an append can check and renew it in one statement.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
)

metadata = MetaData()

schema = Table("gameday_schema", metadata, Column("number", Integer, nullable=False))

exercises = Table(
    "gameday_exercises",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scenario", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("attended", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("verdict", Text),
    Column("exit_code", Integer),
    Column("unrecovered", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    # The lease. No pid: released.
    Column("epoch", Integer, nullable=False),
    Column("pid", Integer),
    Column("start_ticks", BigInteger),
    Column("host", Text),
    Column("boot_id", Text),
    Column("renewed_at", Double, nullable=False),
    Index("gameday_exercises_started", "started_at"),
    Index("gameday_exercises_status", "status"),
    Index("gameday_exercises_unrecovered", "unrecovered"),
)

events = Table(
    "gameday_events",
    metadata,
    Column("exercise", Text, ForeignKey("gameday_exercises.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("wall", Double, nullable=False),
    Column("clock", Double, nullable=False),
    Column("recorded", Double, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
)

inbox = Table(
    "gameday_inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("exercise", Text, ForeignKey("gameday_exercises.id"), nullable=False),
    Column("request", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("wall", Double, nullable=False),
    Column("taken_at", Double),
    Column("answer", Text),
    # Ids of requests are handed out and must never name another one later.
    sqlite_autoincrement=True,
)
# As text, which both databases read: an `Index` with `postgresql_where` loads PostgreSQL's dialect into every process.
event.listen(
    inbox,
    "after_create",
    DDL("CREATE INDEX gameday_inbox_waiting ON gameday_inbox (exercise, id) WHERE taken_at IS NULL"),  # type: ignore[no-untyped-call]
)
