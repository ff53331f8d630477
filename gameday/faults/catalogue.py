"""All faults that there are. To add one: its file, and one line here.

A declaration is loaded when it is asked for, since few scenarios use more than two of them; what a fault needs in order
to run is loaded where it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from gameday.faults.declaration import FaultDeclaration

_PORTABLE = (
    "pod-kill",
    "pod-freeze",
    "latency",
    "dependency-outage",
    "error-rate",
    "dns-failure",
    "cpu-stress",
    "memory-stress",
    "disk-latency",
    "network-partition",
    "node-cordon",
    "rollout-break",
)
"""Each is declared by the module of its name, e.g. `gameday.faults.pod_kill`."""


class _Declared(Mapping[str, FaultDeclaration]):
    """Declarations by name; each comes from its module when it is looked up."""

    def __init__(self, *names: str) -> None:
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> FaultDeclaration:
        if name not in self._names:
            raise KeyError(name)
        declaration: FaultDeclaration = import_module(f"gameday.faults.{name.replace('-', '_')}").DECLARATION
        return declaration

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


@cache
def catalogue() -> Mapping[str, FaultDeclaration]:
    """The portable faults by the name that stands in a scenario, e.g. `latency`."""
    return _Declared(*_PORTABLE)


@cache
def all_faults() -> Mapping[str, FaultDeclaration]:
    """The same and `activity`, which is no portable fault: it does the same on every target, or fails."""
    return _Declared(*_PORTABLE, "activity")
