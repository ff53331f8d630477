"""Hand-made journals: what an engine would have written, without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gameday.exercise import events as e
from gameday.exercise.record import Record
from gameday.scenario.models import Scenario

ZERO = 1_767_277_800.0
"""2026-01-01 14:30:00 UTC."""

SCENARIO: dict[str, Any] = {
    "version": 1,
    "title": "The payment provider goes dark at peak",
    "category": "dependency",
    "severity": "SEV2",
    "roles": ["incident-commander", "technical-lead", "communications-lead"],
    "steady_state": [
        {"name": "shoppers can check out", "http": {"url": "http://shop.example.com/health"}, "expect": {"status": 200}}
    ],
    "timeline": [
        {"id": "opening", "at": "0s", "inject": "It is Friday, 18:00. The sale has just begun."},
        {
            "id": "payments-dark",
            "at": "30s",
            "fault": "dependency-outage",
            "with": {"service": "payments"},
            "for": "5m",
        },
        {
            "id": "slow-checkout",
            "at": "3m",
            "fault": "latency",
            "with": {"service": "checkout"},
            "for": "2m",
            "hint": "Look at the hop between checkout and payments.",
        },
        {
            "id": "vp-asks",
            "after": {"milestone": "acknowledged", "delay": "2m"},
            "inject": "The VP of Engineering joins and asks for a timeline.",
            "audience": ["incident-commander"],
            "hint": "A range is a good answer, and the time of the next update.",
        },
        {"id": "double-charges", "manual": True, "inject": "Support says customers see double charges."},
        {"id": "all-clear", "after": "payments-dark", "inject": "The provider's status page turns green."},
    ],
    "expect": [
        {"alert": "CheckoutErrors", "within": "2m"},
        {"milestone": "acknowledged", "within": "5m"},
        {"milestone": "mitigated", "within": "15m"},
        {"update": "stakeholders", "every": "20m"},
    ],
    "abort_when": [
        {
            "name": "too many failed checkouts",
            "measure": "error-rate",
            "above": 0.5,
            "every": "1s",
            "for": "5s",
            "no_data": "ok",
        },
        {"name": "storefront answers", "tcp": {"address": "127.0.0.1:80"}, "equals": False, "consecutive": 3},
    ],
    "limits": {"duration": "45m", "pods": 1, "percent": 30},
    "runbook": "https://runbooks.example.com/payments",
}


@dataclass
class Journal:
    """Adds records one by one; `clock` is where the next one happens."""

    zero: float = ZERO
    clock: float = 0.0
    records: list[Record] = field(default_factory=list)

    def add(
        self,
        event: e.Event,
        *,
        at: float | None = None,
        source: str = "engine",
        actor: str = "",
        ago: float = 0.0,
    ) -> Record:
        """`at`: clock it is written down, seconds; `ago`: how long before that it happened."""
        if at is not None:
            self.clock = at
        record = Record(
            seq=len(self.records) + 1,
            wall=self.zero + self.clock - ago,
            clock=self.clock - ago,
            recorded=self.zero + self.clock,
            epoch=1,
            source=source,
            actor=actor,
            event=event,
        )
        self.records.append(record)
        return record

    def start(
        self,
        scenario: dict[str, Any] | None = None,
        *,
        environment: str = "sandbox",
        target: str = "sandbox",
        attended: bool = True,
    ) -> Journal:
        data = Scenario.model_validate(SCENARIO if scenario is None else scenario).model_dump(mode="json")
        self.add(
            e.ExerciseStarted(
                exercise="payment-outage-7f3a",
                name="payment-outage",
                path="scenarios/sandbox/payment-outage.yaml",
                scenario=data,
                scenario_hash="0" * 64,
                target={"name": target, "kind": "sandbox", "environment": environment},
                attended=attended,
                seed=7,
                boot=1000.0,
                boot_id="boot-of-the-test",
                version="0.1",
            ),
            at=0.0,
        )
        self.add(e.EngineStarted(pid=4711, guardian=4710, host="laptop"), at=0.1)
        self.add(e.ConsolesChanged(1), at=0.2)
        return self

    def steady(self) -> Journal:
        self.add(e.SteadyStateBegan("before"), at=0.3)
        answer = {"kind": "value", "value": 200, "detail": "", "status": 200, "took": 0.01}
        self.add(e.CheckAnswered("before", 0, "shoppers can check out", True, answer, "status 200"), at=0.4)
        self.add(e.SteadyStateJudged("before", True), at=0.5)
        self.add(e.TimelineStarted(), at=1.0)
        return self

    def opening(self) -> Journal:
        self.add(e.InjectDelivered("opening", SCENARIO["timeline"][0]["inject"], [], 1.0), at=1.0)
        return self

    def fault(self, entry: str = "payments-dark", at: float = 31.0) -> Journal:
        """Planned, armed, injecting, injected, effective, a tenth of a second each."""
        name, summary, target = {
            "payments-dark": ("dependency-outage", "payments refuses connections", "proxy payments"),
            "slow-checkout": ("latency", "latency 800 ms ± 100 ms on checkout", "proxy checkout"),
        }[entry]
        seconds = 300.0 if entry == "payments-dark" else 120.0
        plan = {
            "summary": summary,
            "targets": [target],
            "objects": [target],
            "inject": {"name": "x:y", "args": {}, "timeout": 10.0},
            "commands": [f"curl -X POST http://127.0.0.1:8474/proxies/{target.split()[-1]} -d '{{\"enabled\": true}}'"],
        }
        self.add(e.FaultPlanned(entry, name, at), at=at)
        self.add(e.FaultArmed(entry, name, plan, one_shot=False, duration=seconds), at=at + 0.1)
        self.add(e.FaultInjecting(entry, 5000), at=at + 0.2)
        self.add(e.FaultInjected(entry), at=at + 0.3)
        self.add(e.FaultEffective(entry, "connection refused"), at=at + 0.4)
        return self

    def sample(self, value: float, at: float, state: Any = "ok") -> Journal:
        self.add(e.ConditionSampled("too many failed checkouts", state, value), at=at)
        return self

    def stamp(self, milestone: str, at: float, *, ago: float = 0.0, partial: bool = False) -> Record:
        return self.add(e.MilestoneReached(milestone, partial=partial), at=at, ago=ago, source="console", actor="dana")


def waiting(*, limit: str = "45m", attended: bool = False) -> Journal:
    """The timeline is through, its fault gone, the steady state judged again; of an alert and a check nothing is known.

    Impact was at 31.4 s, the last judgement is at 100 s.
    """
    scenario = {
        **SCENARIO,
        "timeline": SCENARIO["timeline"][:2],
        "expect": [
            {"alert": "CheckoutErrors", "within": "2m"},
            {
                "name": "orders come in\x1b",
                "check": {"tcp": {"address": "127.0.0.1:80"}, "expect": {"equals": True}},
                "within": "90s",
            },
            {"milestone": "mitigated", "within": "15m"},
        ],
        "limits": {"duration": limit},
    }
    journal = Journal().start(scenario, attended=attended).steady().opening().fault()
    journal.add(e.FaultUndoing("payments-dark", "its time is over"), at=90.0)
    journal.add(e.FaultRecovered("payments-dark", "it answers"), at=91.0)
    journal.add(e.SteadyStateBegan("after"), at=91.0)
    journal.add(e.SteadyStateJudged("after", True), at=100.0)
    return journal


def running() -> Journal:
    """Two minutes and a bit into it: one fault lives, one alert fired, two stamps, a few notes."""
    journal = Journal().start().steady().opening()
    for second in range(2, 30, 3):
        journal.sample(0.01, at=float(second))
    journal.fault(at=31.0)
    for step, second in enumerate(range(32, 62, 3)):
        journal.sample(round(0.05 + 0.03 * step, 3), at=float(second))
    journal.add(e.ConditionSampled("storefront answers", "ok", True), at=62.5)
    journal.add(e.AlertSeen("CheckoutErrors", "firing", "checkout fails for 32 % of shoppers", ZERO + 60), at=63.0)
    journal.add(e.ExpectationJudged(0, "met", "CheckoutErrors fired", 31.6), at=63.0)
    journal.stamp("detected", 70.0)
    journal.stamp("acknowledged", 95.0)
    journal.add(
        e.NoteTaken("Two people answered when I asked who is on call."), at=100.0, source="console", actor="dana"
    )
    journal.add(
        e.NoteTaken("Rolling back 14:12 deploy of checkout: IC decides, TL carries it out", "decision"),
        at=120.0,
        source="console",
        actor="dana",
    )
    journal.sample(0.34, at=130.0)
    return journal
