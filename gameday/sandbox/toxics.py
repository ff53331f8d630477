"""What can be wrong with a proxied connection, in Toxiproxy's words, and how a toxic is read from a request.

Data and its checks only; `links` makes it felt.
"""

from dataclasses import dataclass, field
from typing import Any

from gameday.sandbox.web import Problem

# The attributes of each kind of toxic, all in milliseconds, 0 unless given.
KINDS = {
    "latency": ("latency", "jitter"),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
}
STREAMS = ("upstream", "downstream")


@dataclass(eq=False)
class Toxic:
    """One toxic of a proxy. `since` is when it came or changed, on the event loop's clock."""

    name: str
    type: str
    stream: str
    toxicity: float
    since: float
    attributes: dict[str, int] = field(default_factory=dict)

    def seconds(self, attribute: str) -> float:
        """An attribute, in seconds."""
        return self.attributes.get(attribute, 0) / 1000

    def view(self) -> dict[str, Any]:
        """As Toxiproxy shows it."""
        return {
            "attributes": self.attributes,
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }


def read_toxic(body: dict[str, Any], now: float) -> Toxic:
    """The toxic that a request describes. Raises Problem 400 as Toxiproxy does."""
    kind = _word(body, "type", "")
    stream = _word(body, "stream", "downstream").lower()
    if stream not in STREAMS:
        raise Problem(400, "stream was invalid, can be either upstream or downstream")
    name = _word(body, "name", "") or f"{kind}_{stream}"
    if kind not in KINDS:
        raise Problem(400, "invalid toxic type")
    return Toxic(name, kind, stream, read_toxicity(body, 1.0), now, read_attributes(kind, body, {}))


def read_toxicity(body: dict[str, Any], default: float) -> float:
    """The share of connections that a toxic applies to, 0 to 1. Raises Problem 400."""
    toxicity = body.get("toxicity")
    if toxicity is None:
        return default
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise Problem(400, "bad request body: toxicity is a number from 0 to 1")
    return float(toxicity)


def read_attributes(kind: str, body: dict[str, Any], default: dict[str, int]) -> dict[str, int]:
    """The attributes that a kind of toxic knows; others are left out, as Toxiproxy does. Raises Problem 400."""
    given = body.get("attributes")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Problem(400, "bad request body: attributes is an object")
    attributes = {}
    for name in KINDS[kind]:
        value = given.get(name)
        if value is None:
            value = default.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Problem(400, f"bad request body: attribute {name} is a whole number of milliseconds")
        attributes[name] = value
    return attributes


def _word(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Problem(400, f"bad request body: {name} is a string")
    return value
