"""Journals written by hand, for tests and goldens. Nobody in them exists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gameday.exercise import events as ev
from gameday.exercise.record import Record

EVENING = datetime(2026, 11, 20, 19, 0, tzinfo=UTC).timestamp()


class Journal:
    """Appends events at a time of the exercise's clock, numbered without a gap."""

    def __init__(self, start: float = EVENING) -> None:
        self.start = start
        self.records: list[Record] = []

    def at(self, clock: float, event: ev.Event, actor: str = "", *, source: str = "engine", late: float = 0.0) -> int:
        wall = self.start + clock
        seq = len(self.records) + 1
        self.records.append(Record(seq, wall, clock, wall + late, 1, source, actor, event))
        return seq


def scenario(**changes: Any) -> dict[str, Any]:
    """The payment outage as a scenario's JSON."""
    return {
        "version": 1,
        "title": "The payment provider goes dark at peak",
        "description": "Shoppers can browse and fill a basket, and nearly every checkout fails.",
        "category": "dependency",
        "severity": "SEV2",
        "severity_why": "Customers are hit in the core workflow, but no data is lost and a fallback exists.",
        "roles": ["incident-commander", "technical-lead", "communications-lead"],
        "objectives": ["Monitoring tells us before the first customer does."],
        "steady_state": [
            {
                "name": "shoppers can check out",
                "http": {"url": "http://127.0.0.1:8080/health"},
                "expect": {"status": 200},
            }
        ],
        "timeline": [
            {"id": "peak-hour", "at": "0s", "inject": "It is 19:00 on the first evening of the sale."},
            {
                "id": "payments-dark",
                "at": "30s",
                "fault": "dependency-outage",
                "with": {"service": "payments"},
                "for": "30m",
            },
            {"id": "slow-inventory", "at": "8m", "fault": "latency", "with": {"service": "inventory"}, "for": "20m"},
            {
                "id": "support",
                "at": "4m",
                "inject": "Support: three customers can't pay.",
                "hint": "Look at checkout's log.",
            },
            {
                "id": "sales-director",
                "after": {"milestone": "acknowledged", "delay": "3m"},
                "inject": "When is it back? I need a time for the board.",
                "audience": ["incident-commander"],
            },
            {"id": "charged-twice", "manual": True, "inject": "The card was charged twice."},
        ],
        "expect": [
            {"alert": "CheckoutErrors", "within": "1m"},
            {"milestone": "acknowledged", "within": "5m", "of": "detected"},
            {"milestone": "mitigated", "within": "15m"},
            {"update": "stakeholders", "every": "5m"},
            {
                "check": {
                    "name": "checkouts go through",
                    "http": {"url": "http://127.0.0.1:8080/health"},
                    "expect": {"status": 200},
                },
                "within": "30m",
            },
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
            {"name": "orders per minute collapse", "measure": "orders", "below": 10, "every": "5s", "no_data": "hold"},
        ],
        "limits": {"duration": "45m"},
        "runbook": "https://runbooks.example.com/payments",
        **changes,
    }


SANDBOX = {"name": "sandbox", "kind": "sandbox", "environment": "sandbox", "services": ["checkout", "payments"]}


def started(
    script: dict[str, Any] | None = None, *, attended: bool = True, target: dict[str, Any] | None = None
) -> ev.ExerciseStarted:
    return ev.ExerciseStarted(
        exercise="7f3a9c",
        name="payment-outage",
        path="scenarios/sandbox/payment-outage.yaml",
        scenario=scenario() if script is None else script,
        scenario_hash="b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184",
        target=SANDBOX if target is None else target,
        attended=attended,
        seed=7,
        boot=1000.0,
        boot_id="boot",
        parameters={"outage": "30m"},
        version="0.1.0",
    )


def plan(summary: str, target: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "targets": [target],
        "objects": [f"proxy:{target}"],
        "inject": {"name": "faults.proxy:disable", "args": {}, "timeout": 10.0},
        "undo": {"name": "faults.proxy:enable", "args": {}, "timeout": 10.0},
        "commands": [f"curl -X POST http://127.0.0.1:8474/proxies/{target.split()[-1]} -d '{{\"enabled\": true}}'"],
    }


def check(phase: Any, held: bool = True, status: int = 200) -> ev.CheckAnswered:
    answer = {"kind": "value", "value": status, "detail": "", "status": status, "took": 0.01}
    return ev.CheckAnswered(phase, 0, "shoppers can check out", held, answer, "status 200")


def payment_outage() -> list[Record]:
    """Attended, on the sandbox, aborted: two faults, one pause, a hint, updates, a mistake that was withdrawn."""
    j = Journal()
    mark, note = ev.MilestoneReached, ev.NoteTaken
    j.at(0.0, started())
    j.at(0.1, ev.EngineStarted(4711, 4710, "laptop"))
    j.at(0.2, ev.ConsolesChanged(1))
    j.at(0.5, ev.SteadyStateBegan("before"))
    j.at(0.6, check("before"))
    j.at(0.7, ev.SteadyStateJudged("before", True))
    j.at(12.0, ev.RoleTaken("incident-commander", "Ada"), "Ada", source="console")
    j.at(14.0, ev.RoleTaken("technical-lead", "Grace"), "Ada", source="console")
    j.at(20.0, ev.TimelineStarted())
    j.at(20.0, ev.InjectDelivered("peak-hour", "It is 19:00 on the first evening of the sale.", [], 20.0))
    _samples(j, 20, 50, lambda _: (0.01, "ok"))
    j.at(50.0, ev.FaultPlanned("payments-dark", "dependency-outage", 50.0))
    j.at(
        50.02,
        ev.FaultArmed(
            "payments-dark", "dependency-outage", plan("payments refuses connections", "proxy payments"), False, 1800.0
        ),
    )
    j.at(50.03, ev.FaultInjecting("payments-dark", 4800))
    j.at(50.05, ev.FaultInjected("payments-dark"))
    j.at(50.4, ev.FaultEffective("payments-dark", "connection to payments refused"))
    _samples(j, 51, 88, lambda t: (min(0.31, 0.02 + (t - 51) * 0.01), "ok"))
    j.at(88.0, ev.AlertSeen("CheckoutErrors", "firing", "checkout error rate above 5 %", EVENING + 85))
    j.at(88.1, ev.ExpectationJudged(0, "met", "fired 37.6 s after impact", 37.6))
    _samples(j, 89, 240, lambda t: (0.3 + 0.02 * (t % 3), "ok"))
    j.at(131.0, mark("acknowledged"), "Grace", source="console")
    wrong = j.at(150.0, mark("diagnosed", note="the deploy"), "Grace", source="console")
    j.at(171.0, ev.MilestoneWithdrawn(wrong, "it was not the deploy"), "Ada", source="console")
    j.at(
        200.0,
        note("Investigating failed checkouts; next update in five minutes.", "update", "stakeholders"),
        "Ada",
        source="console",
    )
    j.at(260.0, ev.InjectDelivered("support", "Support: three customers can't pay.", [], 260.0))
    j.at(300.0, ev.Paused("fire alarm test in the building"), "Ada", source="console")
    _samples(j, 241, 390, lambda t: (0.3 + 0.02 * (t % 3), "ok"))
    j.at(390.0, ev.Continued(), "Ada", source="console")
    j.at(
        401.0,
        ev.InjectDelivered(
            "sales-director", "When is it back? I need a time for the board.", ["incident-commander"], 401.0
        ),
    )
    j.at(420.0, note("IC opened a terminal", "role"), "Grace", source="console")
    j.at(445.0, ev.HintGiven("support", "Look at checkout's log."), "Ada", source="console")
    j.at(480.0, mark("diagnosed", note="payments refuses every connection"), "Grace", source="console", late=0)
    j.at(
        495.0,
        note("Turn on the fallback; Grace does it, nobody else touches production.", "decision"),
        "Ada",
        source="console",
    )
    j.at(
        530.0,
        mark("mitigated", partial=True, note="fallback on for half of the traffic"),
        "Grace",
        source="console",
        late=60,
    )
    j.at(545.0, note("He should have looked at the status page first.", "surprise"), "Linus", source="cli")
    j.at(590.0, ev.FaultPlanned("slow-inventory", "latency", 590.0))
    j.at(
        590.02,
        ev.FaultArmed(
            "slow-inventory", "latency", plan("latency 800 ms ± 100 ms on inventory", "proxy inventory"), False, 1200.0
        ),
    )
    j.at(590.03, ev.FaultInjecting("slow-inventory", 4801))
    j.at(590.06, ev.FaultInjected("slow-inventory"))
    j.at(592.3, ev.FaultEffective("slow-inventory", "median 815 ms"))
    _samples(j, 391, 600, lambda t: (0.22 + 0.01 * (t % 4), "ok"))
    j.at(601.0, ev.ConditionSampled("too many failed checkouts", "ok", None, "unreachable", "connection reset"))
    _samples(j, 602, 640, lambda t: (0.3 + (t - 602) * 0.008, "breaching" if t > 627 else "ok"))
    j.at(640.0, ev.ConditionSampled("too many failed checkouts", "tripped", 0.613), "")
    j.at(
        640.031,
        ev.AbortBegan(
            "error-rate 0.613 above 0.5 for 5 s", "too many failed checkouts", "too many failed checkouts", 640.004
        ),
    )
    for entry, sent, back in (("payments-dark", 640.009, 640.412), ("slow-inventory", 640.011, 641.730)):
        j.at(sent, ev.FaultUndoing(entry, "abort"))
        j.at(sent, ev.UndoSent(entry, 1))
        j.at(back, ev.FaultRecovered(entry, "answers as before"))
    j.at(640.5, ev.EntrySkipped("charged-twice", "aborted"))
    j.at(655.0, ev.AlertSeen("CheckoutErrors", "resolved"))
    j.at(660.0, mark("resolved"), "Grace", source="console")
    j.at(661.0, ev.SteadyStateBegan("after"))
    j.at(661.1, check("after"))
    j.at(661.2, ev.SteadyStateJudged("after", True))
    j.at(662.0, ev.ExpectationJudged(4, "not_observed", "aborted before it was due"))
    j.at(662.0, ev.ExerciseEnded("aborted", 3, "too many failed checkouts: error-rate 0.613 above 0.5 for 5 s"))
    j.at(
        900.0,
        ev.ActionAdded(
            "A1",
            "Checkout falls back to invoices when payments refuses",
            "Grace",
            "2026-12-04",
            "payment-outage ends without an abort",
            "payment-outage",
        ),
        source="cli",
    )
    j.at(960.0, ev.ActionAdded("A2", "Improve monitoring", "Ada", "2026-12-11"), source="cli")
    j.at(990.0, ev.ActionClosed("A2", "replaced by A1"), source="cli")
    return j.records


def _samples(j: Journal, start: int, stop: int, value: Any) -> None:
    for clock in range(start, stop):
        number, state = value(clock)
        j.at(clock + 0.5, ev.ConditionSampled("too many failed checkouts", state, round(number, 4)))
        if clock % 5 == 0:
            j.at(clock + 0.6, ev.ConditionSampled("orders per minute collapse", "ok", 42 - clock % 7))


def leaked() -> list[Record]:
    """Unattended, one fault whose undo never worked."""
    j = Journal()
    j.at(0.0, started(attended=False))
    j.at(0.1, ev.EngineStarted(4711, 4710, "laptop"))
    j.at(1.0, ev.TimelineStarted())
    j.at(31.0, ev.FaultPlanned("payments-dark", "dependency-outage", 31.0))
    j.at(
        31.1,
        ev.FaultArmed(
            "payments-dark", "dependency-outage", plan("payments refuses connections", "proxy payments"), False, 30.0
        ),
    )
    j.at(31.2, ev.FaultInjecting("payments-dark", 1))
    j.at(31.3, ev.FaultInjected("payments-dark"))
    j.at(31.5, ev.FaultEffective("payments-dark", "refused"))
    j.at(44.0, ev.AlertSeen("CheckoutErrors", "firing"))
    j.at(61.5, ev.FaultUndoing("payments-dark", "its time is over"))
    j.at(61.6, ev.UndoSent("payments-dark", 1))
    j.at(91.6, ev.UndoFailed("payments-dark", 1, "connection to payments refused"))
    j.at(
        122.0, ev.FaultLeaked("payments-dark", "still refused after 60 s", ["curl -X POST http://127.0.0.1:8474/reset"])
    )
    j.at(123.0, ev.ExerciseEnded("leaked", 4, "payments-dark is not recovered"))
    return j.records


def pod_kill() -> list[Record]:
    """Unattended, on a cluster that tells of itself: a pod is killed, somebody rolls out in the middle of it."""
    target = {
        "name": "staging",
        "kind": "kubernetes",
        "environment": "staging",
        "services": ["checkout"],
        "settings": {"services": {"checkout": {"namespace": "shop", "workload": "deployment/checkout"}}},
    }
    timeline = [{"id": "kill", "at": "0s", "fault": "pod-kill", "with": {"service": "checkout"}}]
    script = scenario(timeline=timeline, expect=[], steady_state=[], target="staging")
    j = Journal()

    def seen(clock: float, what: Any, thing: str, text: str, at: float | None = None) -> None:
        j.at(clock, ev.TargetObserved(what, thing, text, at, ["checkout"]), source="target")

    workload, pod = "deployment shop/checkout", "pod shop/checkout-7d9c-"
    j.at(0.0, started(script, attended=False, target=target))
    j.at(0.1, ev.EngineStarted(4711, 4710, "laptop"))
    seen(0.4, "recent", workload, "rolled out 34 min ago: revision 12, image shop/checkout:1.4", EVENING - 2040)
    seen(0.5, "whole", workload, "whole, 3 of 3 pods ready")
    j.at(1.0, ev.TimelineStarted())
    armed = {"summary": "kill checkout-7d9c-a of checkout", "targets": [f"{pod}a"]}
    j.at(1.1, ev.FaultPlanned("kill", "pod-kill", 1.0))
    j.at(1.2, ev.FaultArmed("kill", "pod-kill", armed, True, None))
    j.at(1.3, ev.FaultInjecting("kill", 1))
    seen(1.4, "gone", f"{pod}a", "deleted", EVENING + 1)
    seen(1.45, "new", f"{pod}d", "new", EVENING + 1)
    seen(1.5, "not_whole", workload, "2 of 3 pods ready")
    j.at(1.6, ev.FaultEffective("kill", "gone: checkout-7d9c-a"))
    j.at(1.7, ev.FaultUndoing("kill", "it passes by itself: waiting until the target is whole again"))
    seen(3.0, "event", f"{pod}d", "FailedScheduling: 0/3 nodes are available", EVENING - 20)
    seen(4.0, "event", f"{pod}d", "FailedScheduling: 0/3 nodes are available (5 times)")
    seen(4.1, "event", f"{pod}d", "BackOff: Back-off restarting failed container")
    seen(4.2, "restart", f"{pod}b", "container app restarted: OOMKilled, exit code 137; 1 in all", EVENING - 30)
    seen(6.0, "rollout", workload, "rollout begun: image shop/checkout:1.4 → shop/checkout:1.5")
    for number, name in enumerate("efg"):
        seen(7.0 + number, "new", f"{pod}{name}", "new")
        seen(7.5 + number, "ready", f"{pod}{name}", "ready after 0.5 s")
        seen(7.6 + number, "gone", f"{pod}{'bcd'[number]}", "deleted")
    seen(10.5, "rollout", workload, "rollout is through after 4.5 s, revision 13")
    seen(10.6, "whole", workload, "whole again after 9.1 s, at worst 2 of 3 pods ready")
    j.at(10.9, ev.FaultRecovered("kill", "3 of 3 pods of checkout are ready"))
    j.at(12.0, ev.ExerciseEnded("completed", 0, "done as hoped"))
    return j.records


def tabletop() -> list[Record]:
    """Attended, no target: two injects, a response that runs through."""
    script = {
        "version": 1,
        "title": "Credentials leaked",
        "severity": "SEV1",
        "target": "none",
        "timeline": [
            {"id": "opening", "at": "0s", "inject": "A researcher mails you one of your own tokens."},
            {"id": "press", "at": "10m", "inject": "A journalist calls."},
        ],
        "expect": [
            {"milestone": "detected", "within": "5m"},
            {"milestone": "acknowledged", "within": "5m"},
            {"milestone": "mitigated", "within": "20m"},
            {"update": "executives", "every": "10m"},
        ],
    }
    j = Journal()
    j.at(0.0, started(script, target={"name": "none", "kind": "none", "environment": "tabletop"}))
    j.at(1.0, ev.RoleTaken("incident-commander", "Ada"))
    j.at(2.0, ev.RoleTaken("communications-lead", "Ada"))
    j.at(5.0, ev.TimelineStarted())
    j.at(5.0, ev.InjectDelivered("opening", "A researcher mails you one of your own tokens.", [], 5.0))
    j.at(65.0, ev.MilestoneReached("detected", detection="user"), "Ada")
    j.at(185.0, ev.MilestoneReached("acknowledged"), "Ada")
    j.at(605.0, ev.InjectDelivered("press", "A journalist calls.", [], 605.0))
    j.at(700.0, ev.MilestoneReached("mitigated", note="tokens revoked"), "Grace")
    j.at(800.0, ev.NoteTaken("Tokens are revoked; nothing else is known.", "update", "executives"), "Ada")
    j.at(1200.0, ev.MilestoneReached("resolved"), "Ada")
    j.at(1210.0, ev.CloseRequested(), "Ada")
    j.at(1210.0, ev.ExerciseEnded("failed", 1, "an update was overdue"))
    return j.records
