"""Connections that were made once and are lent to one thread after the other. Knows no SQL and no kind of database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gameday.store.connection import Connection
from gameday.store.trouble import TooManyThreads

KEPT = 5
"""Most connections that stay open while nobody uses them."""
MOST = 15
"""Most connections that are in use at the same time."""


class Pool:
    def __init__(self, connect: Callable[[], Connection], wait: float) -> None:
        """`wait`: seconds until somebody who finds all in use is refused."""
        self._connect = connect
        self._wait = wait
        self._places = threading.BoundedSemaphore(MOST)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._kept = KEPT
        self._clearings = 0

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection that nobody else has until the block is left.

        Raises:
            TooManyThreads
        """
        if not self._places.acquire(timeout=self._wait):
            raise TooManyThreads
        try:
            connection, clearings = self._one()
            try:
                yield connection
            finally:
                self._take_back(connection, clearings)
        finally:
            self._places.release()

    def add(self, connection: Connection) -> None:
        """One that was made elsewhere."""
        self._take_back(connection, self._clearings)

    def close(self) -> None:
        """Close them: the idle ones at once, the others when they come back. Who asks later has one for that time."""
        self._kept = 0
        self._clear()

    def _one(self) -> tuple[Connection, int]:
        """A connection, and how often the pool had been cleared when it was had."""
        with self._lock:
            connection, clearings = self._idle.pop() if self._idle else None, self._clearings
        if connection is None:
            return self._connect(), clearings
        if connection.answers():
            return connection, clearings
        # A server that has dropped one has dropped all; to ask one after the other could take a timeout each.
        connection.close()
        self._clear()
        clearings = self._clearings
        return self._connect(), clearings

    def _take_back(self, connection: Connection, clearings: int) -> None:
        reusable = connection.reusable()
        with self._lock:
            keep = reusable and clearings == self._clearings and len(self._idle) < self._kept
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _clear(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            self._clearings += 1
        for connection in idle:
            connection.close()
