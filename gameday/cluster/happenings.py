"""What is told of a cluster: one happening each, and the words that all of them share.

Pure. Times that the cluster gives are passed on as evidence and never reckoned with: durations are on our own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from gameday.frozen import frozen

Json = Any
What = Literal["event", "restart", "unready", "ready", "gone", "new", "rollout", "whole", "not_whole", "recent"]
REVISION = "deployment.kubernetes.io/revision"
_LONGEST = 300


@frozen
class Happening:
    """One `TargetObserved`, not yet told. `standing`: how things stand, told in case nobody knows."""

    what: What
    thing: str
    text: str
    at: float | None = None
    services: tuple[str, ...] = ()
    standing: bool = False
    urgent: bool = False
    """To be told however much else there is to tell."""

    def item(self) -> dict[str, Json]:
        """As a follower yields it (see `gameday.engine.following`)."""
        observed = {"what": self.what, "thing": self.thing, "text": self.text, "at": self.at}
        item: dict[str, Json] = {"observed": {**observed, "services": list(self.services)}}
        return {**item, "standing": True} if self.standing else item


def unix(text: object) -> float | None:
    """A time as Kubernetes writes it in unix seconds; None where there is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else None
    except ValueError:
        return None


def took(seconds: float) -> str:
    """E.g. `12.3 s`, `3 min 20 s`."""
    if seconds < 100:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def ago(seconds: float) -> str:
    """E.g. `34 min ago`."""
    minutes = round(max(0.0, seconds) / 60)
    if minutes < 1:
        return "less than a minute ago"
    return f"{minutes} min ago" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min ago"


def one_line(text: object) -> str:
    """A message of the cluster as one line of bounded length."""
    words = " ".join(str(text or "").split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def images(template: Mapping[str, Json]) -> str:
    """The images of a pod template, e.g. `shop/checkout:1.4`; without what is before the last but one `/`."""
    found = [str(one.get("image", "")) for one in (template.get("spec") or {}).get("containers") or ()]
    return ", ".join("/".join(name.split("/")[-2:]) for name in found if name)
