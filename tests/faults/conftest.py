"""A real sandbox for each test process while it is in this folder, and a fault's life as the engine would lead it."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Call, Plan, TargetInfo
from gameday.faults import wire
from gameday.faults.planning import plan
from gameday.sandbox import control, ledger
from gameday.sandbox.control import Sandbox

SERVICES = ("storefront", "checkout", "payments", "inventory")


def wait_until(holds: Callable[[], Any], what: str, within: float = 10.0) -> Any:
    """Poll until `holds` returns something true, and return that."""
    deadline = time.monotonic() + within
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.02)


def run(call: Call | None) -> Any:
    """Run a call as a worker would."""
    assert call is not None
    module, _, name = call.name.partition(":")
    return getattr(importlib.import_module(module), name)(**call.args)


def prepare(call: Call) -> None:
    module, _, name = call.name.partition(":")
    getattr(importlib.import_module(module), f"prepare_{name}")(**call.args)


@dataclass
class Life:
    """One planned fault, and what it does to the sandbox by the sandbox's own ledger."""

    plan: Plan
    state_dir: Path
    began: float = field(default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))

    def inject(self) -> None:
        run(self.plan.inject)

    def undo(self) -> None:
        run(self.plan.undo)

    def becomes_effective(self) -> str:
        return self._holds(self.plan.effective, "the fault to be effective")

    def recovers(self, within: float = 10.0) -> str:
        return self._holds(self.plan.recovered, "the fault to be recovered", within)

    def is_effective(self) -> bool:
        return bool(run(self.plan.effective)["holds"])

    def is_recovered(self) -> bool:
        return bool(run(self.plan.recovered)["holds"])

    def _holds(self, call: Call | None, what: str, within: float = 10.0) -> str:
        last = {}

        def holds() -> bool:
            last.update(run(call))
            return bool(last["holds"])

        wait_until(holds, what, within)
        return str(last["evidence"])

    def ledger(self, *kinds: str) -> list[ledger.LedgerLine]:
        """What the sandbox wrote down since this fault was planned."""
        return [line for line in ledger.read(self.state_dir) if line.boot >= self.began and line.what in kinds]

    def standing(self) -> list[str]:
        return ledger.standing(ledger.read(self.state_dir))


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state_dir = tmp_path_factory.mktemp("sandbox")
    found, _ = control.up(state_dir)
    yield found
    control.down(state_dir)


@pytest.fixture
def whole(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with everything ready and nothing wrong by its ledger, before and after."""

    def healthy() -> bool:
        services = control.status(sandbox)["services"].values()
        return all(each["ready"] == each["desired"] for each in services)

    wait_until(healthy, "the sandbox to be ready", 20)
    # What a failed test left behind shall not fail the next one.
    wire.demand("POST", f"{sandbox.proxy}/reset")
    assert ledger.standing(ledger.read(sandbox.state_dir)) == []
    yield sandbox
    wait_until(healthy, "the sandbox to be ready again", 20)
    assert ledger.standing(ledger.read(sandbox.state_dir)) == []


def target_of(sandbox: Sandbox, kind: Any = "sandbox") -> dict[str, Any]:
    settings = {"control": sandbox.control, "proxy": sandbox.proxy, "state_dir": str(sandbox.state_dir)}
    return TargetInfo(
        name="here",
        kind=kind,
        environment="sandbox",
        names={name: str(sandbox.info[name]) for name in SERVICES},
        services=SERVICES,
        settings=settings if kind == "sandbox" else {"proxy": sandbox.proxy},
    ).to_json()


def context(**changes: Any) -> dict[str, Any]:
    return {"exercise": "e1", "fault": "f1", "seed": 7, "duration": 60.0, "pods": None, "percent": None, **changes}


@pytest.fixture
def planned(whole: Sandbox) -> Callable[..., Life]:
    """`planned("latency", {"service": …}, percent=30)`: a fault on the sandbox, planned and not yet injected."""

    def make(fault: str, params: dict[str, Any], /, on: str = "sandbox", **changes: Any) -> Life:
        made = plan(fault, target_of(whole, on), params, context(**changes))
        return Life(Plan.from_json(made), whole.state_dir)

    return make
