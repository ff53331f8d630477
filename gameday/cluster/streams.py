"""One kind of objects followed for as long as somebody listens: listed, then watched, and watched again.

A watch that ends is taken up where it ended. One that is too old (410, as an answer or as a change) lists anew, and so
does one that was refused; whoever listens compares. A server that is gone, or does not let us, is said once, and once
that it is back. Nothing here knows what the objects mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gameday.cluster.api import CONNECTING, Api, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.resources import Resource, right
from gameday.errors import TargetError
from gameday.frozen import frozen

Json = Any

WATCHING = 30.0
"""Seconds of one watch. A connection that is dead without a sign is noticed a little after that."""
FIRST, LONGEST = 0.1, 2.0
"""Pauses before it is tried again, seconds; each is twice the one before."""
DENIED = 30.0
"""Seconds until it is tried again where we are not allowed to, or who we are is not known any more; sooner at first,
since an API server that has just started knows nobody's rights yet."""
_HEALTHY = 1.0
"""A watch that lasted so long was none that ends as soon as it began, seconds."""


@frozen
class Stream:
    """What is followed."""

    resource: Resource
    namespace: str
    selector: str = ""
    fields: str = ""

    def rights(self) -> list[str]:
        """What one has to be allowed for it."""
        return [right(verb, self.resource, self.namespace) for verb in ("list", "watch")]

    @property
    def words(self) -> str:
        return f"{self.resource.full_name} in {self.namespace}"


@frozen
class Listed:
    """All objects as they are now."""

    stream: Stream
    items: list[dict[str, Json]]


@frozen
class Changed:
    """`kind`: ADDED, MODIFIED or DELETED."""

    stream: Stream
    kind: str
    thing: dict[str, Json]


@frozen
class Lost:
    """Nothing can be heard at present. `denied`: since we may not, or nobody knows us."""

    stream: Stream
    why: str
    denied: bool


@frozen
class Back:
    stream: Stream


Message = Listed | Changed | Lost | Back


def follow(where: Where, stream: Stream, tell: Callable[[Message], None]) -> None:
    """Never returns. What goes wrong with the server is told, not raised."""
    _Following(where, stream, tell).run()


class _Following:
    def __init__(self, where: Where, stream: Stream, tell: Callable[[Message], None]) -> None:
        self.where = where
        self.stream = stream
        self.tell = tell
        self.api: Api | None = None
        self.since = ""
        """The resourceVersion up to which everything is known; empty: list."""
        self.lost = ""
        """What was told of why nothing is heard; empty while something is."""
        self.denied = 0.0
        """Seconds until it is tried again, where that is since we may not; 0: we may."""
        self.doubtful = False
        """A connection broke, or the server was busy: whether it answers is asked next. If it doesn't, that is told."""
        self.pause = FIRST

    def run(self) -> None:
        while True:
            began, heard = time.monotonic(), 0
            try:
                heard = self._once()
            except Refused as refused:
                self.since = ""
                self._refused(refused)
                continue
            except TargetError as error:
                self.api = None
                self._say_lost(str(error), denied=False)
            except Unreachable as error:
                if self.doubtful:
                    self._say_lost(str(error), denied=False)
                self.doubtful = True
            else:
                if heard or time.monotonic() - began >= _HEALTHY:
                    self.pause = FIRST
                    continue
            self._wait()

    def _once(self) -> int:
        """List where that is needed, then watch until the server ends it; how many changes there were."""
        stream = self.stream
        if self.api is None:
            self.api = Api(self.where)
        if self.doubtful or self.lost:
            self.api.ask("GET", stream.resource.path(stream.namespace), query={"limit": "1"}, timeout=CONNECTING)
            self.doubtful = False
        if not self.since:
            items, self.since = self.api.page(
                stream.resource, stream.namespace, selector=stream.selector, fields=stream.fields
            )
            self._say_back()
            self.tell(Listed(stream, items))
        self._say_back()
        heard = 0
        changes = self.api.watch(
            stream.resource,
            stream.namespace,
            since=self.since,
            selector=stream.selector,
            fields=stream.fields,
            seconds=WATCHING,
        )
        for change in changes:
            kind, thing = str(change.get("type")), change.get("object") or {}
            if kind == "ERROR":
                raise Refused(f"WATCH {stream.resource.path(stream.namespace)}", int(thing.get("code") or 500), thing)
            self.since = str((thing.get("metadata") or {}).get("resourceVersion") or self.since)
            heard += 1
            self.pause = FIRST
            if kind != "BOOKMARK":
                self.tell(Changed(stream, kind, thing))
        return heard

    def _refused(self, refused: Refused) -> None:
        if refused.status == 410:
            self._wait()
            return
        if refused.status in (401, 403):
            # With what the kubeconfig says by then: the token may have been renewed.
            self.api = None
            self._say_lost(str(refused), denied=True)
            time.sleep(self.denied)
            self.denied = min(2 * self.denied, DENIED)
            return
        if self.doubtful:
            self._say_lost(str(refused), denied=False)
        self.doubtful = True
        self._wait(refused.retry_after)

    def _say_lost(self, why: str, *, denied: bool) -> None:
        if not self.lost or denied != bool(self.denied):
            self.tell(Lost(self.stream, why, denied))
            self.denied = LONGEST if denied else 0.0
        self.lost = why

    def _say_back(self) -> None:
        if self.lost:
            self.lost, self.denied = "", 0.0
            self.tell(Back(self.stream))

    def _wait(self, asked: float | None = None) -> None:
        time.sleep(min(asked, LONGEST) if asked is not None else self.pause)
        self.pause = min(2 * self.pause, LONGEST)
