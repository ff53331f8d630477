"""What a fault says of itself, as data: the checks of scenarios, the previews and the documentation are made from it.

Declarations stand at the top of each fault's own file and are read by every command, so those files import nothing
heavy at their top. Nothing here runs a fault; what workers use of it needs no pydantic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from gameday.engine.ports import Backend, Json
from gameday.frozen import frozen
from gameday.scenario.catalogue import FaultSpec


@frozen
class FaultDeclaration(FaultSpec):
    """A portable fault: what a scenario may say of it, and how each kind of target does it."""

    description: str = ""
    """A paragraph for the catalogue in the documentation."""
    example: str = ""
    """A timeline entry, as YAML."""
    backends: Mapping[str, Backend] = field(default_factory=dict)
    """Kind of target (`sandbox`, `toxiproxy`, …) -> how it is done there. Where a kind has several engines, a key for
    each, the one that is taken where nobody says otherwise first: `kubernetes/api`, `kubernetes/chaos-mesh`."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of target that it can be done on."""
        return tuple(dict.fromkeys(key.partition("/")[0] for key in self.backends))

    def engines(self, kind: str) -> dict[str, Backend]:
        """Engine (`""` where the kind has but one way) -> how it is done by it, on targets of `kind`."""
        return {
            key.partition("/")[2]: backend for key, backend in self.backends.items() if key.partition("/")[0] == kind
        }


class Incapable(ValueError):
    """This way of doing a fault can't do it as asked, and another one may: neither limits nor protection forbid it."""


def published_service(target: Mapping[str, Json], service: str) -> str:
    """`service`, if the target (`TargetInfo` as JSON) publishes it.

    Raises:
        ValueError: it does not; the message names those that it has, the nearest first.
    """
    known = list(target.get("services", ()))
    if service in known:
        return service
    raise ValueError(f"target {target['name']} publishes no service {service!r}: {nearest(service, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """What to write instead of `word`: the nearest of the `known`, or all of them."""
    words = list(known)
    import difflib

    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(words) or 'none'}"


def verdict(holds: bool, evidence: str) -> dict[str, Json]:
    """What the functions return that verify whether a fault is effective, or recovered."""
    return {"holds": holds, "evidence": evidence}


def own_name(context: Mapping[str, Json]) -> str:
    """The name by which things that a fault puts into a target are known as its own: `gameday-<exercise>-<entry>`."""
    return f"gameday-{context['exercise']}-{context['fault']}"
