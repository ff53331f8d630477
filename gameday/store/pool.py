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
        self._closings = 0

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection that nobody else has until the block is left.

        Raises:
            TooManyThreads
        """
        if not self._places.acquire(timeout=self._wait):
            raise TooManyThreads
        try:
            closings = self._closings
            connection = self._idle_one() or self._connect()
            try:
                yield connection
            finally:
                self._take_back(connection, closings)
        finally:
            self._places.release()

    def add(self, connection: Connection) -> None:
        """One that was made elsewhere."""
        self._take_back(connection, self._closings)

    def close(self) -> None:
        """Close them: the idle ones at once, the others when they come back. Who asks later gets a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._closings += 1
        for connection in idle:
            connection.close()

    def _idle_one(self) -> Connection | None:
        with self._lock:
            if not self._idle:
                return None
            connection = self._idle.pop()
        if connection.answers():
            return connection
        # Where the server has dropped one, asking the others one by one could take a timeout each.
        connection.close()
        self.close()
        return None

    def _take_back(self, connection: Connection, closings: int) -> None:
        reusable = connection.reusable()
        with self._lock:
            keep = reusable and closings == self._closings and len(self._idle) < KEPT
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
