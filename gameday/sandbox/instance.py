"""One supervised process: how it is started, and what is known of it. What to do about it is `fleet`'s to decide."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gameday.sandbox.child import Settings
from gameday.sandbox.launch import VARIABLE, start_python
from gameday.sandbox.logbook import log_path
from gameday.sandbox.nursery import Barren, Nursery
from gameday.sandbox.processes import start_ticks
from gameday.sandbox.shop import PARTS

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0
# After so many seconds of health a crash counts as the first one again.
_FORGIVEN_AFTER = 10.0


class State(StrEnum):
    """What an instance is doing."""

    STARTING = "starting"
    RUNNING = "running"
    FROZEN = "frozen"
    BACKING_OFF = "backing-off"


@dataclass(eq=False)
class Instance:
    """One instance of a part. `ready_since` is on the event loop's clock."""

    name: str
    service: str
    version: str
    own_port: int
    pid: int = 0
    start: int = 0
    state: State = State.BACKING_OFF
    restarts: int = 0
    failures: int = 0
    ready_since: float | None = None
    ready_pipe: int = -1
    leaving: bool = False
    outdated: bool = False
    pushed: int = 0
    waiting: Any = field(default=None, repr=False)

    @property
    def is_ready(self) -> bool:
        """Whether it serves, as far as the supervisor can see."""
        return self.state is State.RUNNING and not self.leaving

    def view(self) -> dict[str, Any]:
        """As the control API shows it."""
        return {
            "name": self.name,
            "service": self.service,
            "pid": self.pid,
            "start": self.start,
            "port": self.own_port,
            "state": str(self.state),
            "restarts": self.restarts,
            "version": self.version,
        }

    def next_wait(self, now: float) -> float:
        """Note that the process is gone; how long to wait before the next start, in seconds."""
        if self.ready_since is not None and now - self.ready_since >= _FORGIVEN_AFTER:
            self.failures = 0
        wait = min(_FIRST_WAIT * 2.0**self.failures, _LONGEST_WAIT)
        self.failures += 1
        self.ready_since = None
        return wait


def spawn(instance: Instance, settings: Settings, nursery: Nursery | None) -> bool:
    """Start the process of an instance; by the nursery, if there is one, or else from scratch.

    The descriptors named in the settings must be inheritable; others stay here. Says whether the nursery is still good.
    """
    log = log_path(settings.folder(), instance.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    module = PARTS[instance.service].module
    pid = 0
    if nursery is not None:
        try:
            pid = nursery.beget(module, instance.name, settings.dump(), log, settings.ready)
        except Barren:
            nursery = None
    instance.pid = pid or start_python(module, instance.name, {VARIABLE: settings.dump()}, log)
    instance.start = start_ticks(instance.pid)
    instance.state = State.STARTING
    return nursery is not None
