"""Keeps as many instances of each part running as are wanted: starts, restarts with back-off, scales, rolls back.

It learns of deaths and freezes from the kernel (SIGCHLD), so it knows at once. What the outside may ask is `api`'s;
what the shop's state is (flags, faults) is `shopstate`'s.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gameday.sandbox.child import Settings
from gameday.sandbox.clock import boot
from gameday.sandbox.instance import Instance, State, spawn
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.nursery import Nursery
from gameday.sandbox.shop import Part
from gameday.sandbox.web import reserve

_START_PATIENCE = 10.0
_STOP_PATIENCE = 1.5
_ROLL_PATIENCE = 3.0


@dataclass
class Group:
    """The instances of one part: how many there should be and at which version."""

    part: Part
    desired: int
    version: str
    port: int
    instances: list[Instance] = field(default_factory=list)

    @property
    def ready(self) -> int:
        """How many serve."""
        return sum(1 for instance in self.instances if instance.is_ready)


class Fleet:
    """All instances of all parts."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        nursery: Nursery | None,
        became_ready: Callable[[Instance], None],
    ) -> None:
        """`settings` are those that all processes share; `became_ready` is called when an instance begins to serve."""
        self._ledger = ledger
        self._settings = settings
        self._nursery = nursery
        self._became_ready = became_ready
        self._holders: dict[str, socket.socket] = {}
        self._state: Callable[[str], tuple[int, dict[str, Any]]] = lambda service: (0, {})
        self._closing = False
        self.groups: dict[str, Group] = {}

    def share_state(self, state: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
        """Where new instances of a service get the shop's state from: its revision and the state itself."""
        self._state = state

    def port_of(self, name: str) -> int:
        """The port that is held for this name; the same for as long as the sandbox lives."""
        if name not in self._holders:
            self._holders[name] = reserve()
        return int(self._holders[name].getsockname()[1])

    def add(self, part: Part) -> None:
        """Begin to keep a part running."""
        self.groups[part.name] = Group(part, part.replicas, part.version, self.port_of(part.name))
        self.reconcile(part.name)

    def instances(self) -> list[Instance]:
        """All of them."""
        return [instance for group in self.groups.values() for instance in group.instances]

    def reconcile(self, service: str) -> None:
        """Start what is missing and stop what is too much; those that don't serve go first, then the youngest."""
        group = self.groups[service]
        staying = [instance for instance in group.instances if not instance.leaving and not instance.outdated]
        for instance in sorted(staying, key=lambda one: (one.is_ready, -_index(one)))[
            : max(0, len(staying) - group.desired)
        ]:
            self.stop(instance)
        for _ in range(group.desired - len(staying)):
            self._launch(group)

    def _launch(self, group: Group) -> Instance:
        service = group.part.name
        taken = {instance.name for instance in group.instances}
        name = next(name for number in range(1, 100) if (name := f"{service}-{number}") not in taken)
        if not group.part.is_service:
            name = service
        instance = Instance(name, service, group.version, self.port_of(f"{name} itself"))
        group.instances.append(instance)
        self._start(instance)
        return instance

    def _start(self, instance: Instance) -> None:
        if self._closing:
            return
        ready, written = os.pipe()
        os.set_inheritable(written, True)
        revision, state = self._state(instance.service)
        group = self.groups[instance.service]
        instance.version = group.version
        settings = replace(
            self._settings,
            name=instance.name,
            service=instance.service,
            version=instance.version,
            port=group.port,
            own_port=instance.own_port,
            ready=written,
            state=state,
        )
        try:
            if not spawn(instance, settings, self._nursery):
                self._nursery = None
        finally:
            os.close(written)
        instance.pushed = revision
        instance.ready_pipe = ready
        loop = asyncio.get_running_loop()
        loop.add_reader(ready, self._on_ready_pipe, instance, ready)
        instance.waiting = loop.call_later(_START_PATIENCE, self._signal, instance, signal.SIGKILL)
        self._ledger.write(
            "instance-started",
            name=instance.name,
            service=instance.service,
            pid=instance.pid,
            start=instance.start,
            version=instance.version,
        )

    def _on_ready_pipe(self, instance: Instance, pipe: int) -> None:
        said = os.read(pipe, 100)
        self._forget_pipe(instance)
        if not said:
            return  # It died before it could work; SIGCHLD tells.
        instance.waiting.cancel()
        if instance.state is State.STARTING:
            instance.state = State.RUNNING
        instance.ready_since = asyncio.get_running_loop().time()
        self._became_ready(instance)

    def _forget_pipe(self, instance: Instance) -> None:
        if instance.ready_pipe >= 0:
            asyncio.get_running_loop().remove_reader(instance.ready_pipe)
            os.close(instance.ready_pipe)
            instance.ready_pipe = -1

    def stop(self, instance: Instance) -> None:
        """Have an instance finish what it is at and leave; one that can't (frozen, not started yet) is killed."""
        instance.leaving = True
        if instance.state is State.BACKING_OFF:
            instance.waiting.cancel()
            self.groups[instance.service].instances.remove(instance)
            return
        self._signal(instance, signal.SIGKILL if instance.state is State.FROZEN else signal.SIGTERM)
        instance.waiting.cancel()
        instance.waiting = asyncio.get_running_loop().call_later(_STOP_PATIENCE, self._signal, instance, signal.SIGKILL)

    def _signal(self, instance: Instance, number: signal.Signals) -> None:
        # A pid stays ours until `reap` has taken it, and then the instance has none.
        if instance.pid:
            os.kill(instance.pid, number)

    async def set_version(self, service: str, version: str) -> None:
        """Replace all instances of a service by ones at that version; the old ones serve until the new ones do."""
        group = self.groups[service]
        group.version = version
        old = [instance for instance in group.instances if not instance.leaving]
        for instance in old:
            instance.outdated = True
        new = [self._launch(group) for _ in range(group.desired)]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ROLL_PATIENCE
        while loop.time() < deadline and not all(instance.is_ready for instance in new):
            await asyncio.sleep(0.02)
        for instance in old:
            if instance in group.instances and not instance.leaving:
                self.stop(instance)

    def reap(self) -> None:
        """Take in what the kernel has to tell of all children: exits, freezes, thaws."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            seen = boot()
            for instance in self.instances():
                if instance.pid == pid:
                    self._changed(instance, status, seen)

    def _changed(self, instance: Instance, status: int, seen: float) -> None:
        who = {"name": instance.name, "service": instance.service, "pid": instance.pid, "start": instance.start}
        if os.WIFSTOPPED(status):
            instance.state = State.FROZEN
            self._ledger.write("instance-frozen", seen, **who)
        elif os.WIFCONTINUED(status):
            instance.state = State.STARTING if instance.ready_since is None else State.RUNNING
            self._ledger.write("instance-thawed", seen, **who)
            if instance.state is State.RUNNING:
                self._became_ready(instance)
        else:
            how = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}
            self._ledger.write("instance-exited", seen, **who, **how, wanted=instance.leaving)
            self._gone(instance)

    def _gone(self, instance: Instance) -> None:
        self._forget_pipe(instance)
        instance.waiting.cancel()
        instance.pid = 0
        instance.start = 0
        instance.state = State.BACKING_OFF
        if instance.leaving or instance.outdated:
            self.groups[instance.service].instances.remove(instance)
            return
        loop = asyncio.get_running_loop()
        instance.restarts += 1
        instance.waiting = loop.call_later(instance.next_wait(loop.time()), self._start, instance)

    def kill_all(self) -> None:
        """Kill everything, frozen or not, and start nothing any more. `reap` sees them off."""
        self._closing = True
        for instance in self.instances():
            instance.leaving = True
            self._signal(instance, signal.SIGKILL)


def _index(instance: Instance) -> int:
    number = instance.name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
