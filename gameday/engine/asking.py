"""Questions to the target that are not about stopping: steady state, alerts, expected checks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Answer
from gameday.exercise import events as ev
from gameday.exercise.timings import firing_since, landmarks
from gameday.exercise.values import in_short
from gameday.frozen import field, frozen
from gameday.scenario.keys import PROBES

if TYPE_CHECKING:
    from gameday.engine.conductor import Conductor
    from gameday.scenario.models import Check, Expectation, Look

POLL = 1.0
"""Seconds between two looks at the alerts, or at a check that is awaited."""
BEFORE_WINDOW = 10.0
"""Seconds that the steady state is given to hold before anything is started."""


@frozen
class Alerts:
    """What Alertmanager said: name -> (summary, start in unix seconds), or why it said nothing."""

    firing: Mapping[str, tuple[str, float | None]] = field(default_factory=dict)
    trouble: str = ""


async def check_steady_state(c: Conductor, phase: str) -> bool:
    """Ask every check until it holds or its window is over; whether all held."""
    scenario = c.exercise.scenario
    assert scenario is not None
    window = BEFORE_WINDOW if phase == "before" else scenario.limits.recovery
    until = c.journal.now() + window
    return all(
        await asyncio.gather(
            *(_hold(c, phase, index, check, until) for index, check in enumerate(scenario.steady_state))
        )
    )


async def _hold(c: Conductor, phase: str, index: int, check: Check, until: float) -> bool:
    tolerance = check.expect.model_dump(mode="json", exclude_unset=True)
    while True:
        answer = await ask(c, check)
        held = c.ports.prober.holds(tolerance, answer.to_json())
        if held or c.journal.now() >= until:
            name = check.name or f"check {index + 1}"
            wanted = c.ports.prober.explain(tolerance)
            c.append(ev.CheckAnswered(phase, index, name, held, _bounded(answer), wanted))  # type: ignore[arg-type]
            return held
        await asyncio.sleep(min(0.5, POLL))


async def ask_entry(c: Conductor, entry: str) -> None:
    """Ask a check of the timeline once, and write its answer down."""
    scenario = c.exercise.scenario
    assert scenario is not None
    check = next(e.check for i, e in enumerate(scenario.timeline) if scenario.entry_id(i) == entry and e.check)
    answer = await ask(c, check)
    held, wanted = None, ""
    if check.expect is not None:
        tolerance = check.expect.model_dump(mode="json", exclude_unset=True)
        held = c.ports.prober.holds(tolerance, answer.to_json())
        wanted = c.ports.prober.explain(tolerance)
    c.append(ev.ProbeAnswered(entry, check.name or entry, held, _bounded(answer), wanted))


async def ask(c: Conductor, check: Check | Look) -> Answer:
    return await c.ports.prober.ask(check.model_dump(mode="json", include=set(PROBES), exclude_unset=True))


def _bounded(answer: Answer) -> dict[str, Any]:
    value = answer.value
    if isinstance(value, str | list | dict) and len(repr(value)) > 500:
        value = in_short(value, 500)
    return {**answer.to_json(), "value": value, "detail": answer.detail[:500]}


async def watch_alerts(c: Conductor, alerts: Callable[[], Awaitable[Alerts]]) -> None:
    """Journal alerts as they fire and clear, and judge the expectations that wait for one.

    What could not be seen is kept in `c.unseen` for the judgement at the end.
    """
    already: set[str] | None = None
    trouble, read = "", float("-inf")
    while True:
        answer = await alerts()
        if answer.trouble and not trouble:
            c.append(ev.Warned(f"alerts can't be read: {answer.trouble}"))
        trouble = answer.trouble
        if not trouble:
            read = c.journal.now()
            if already is None:
                already = _before_anything(c, answer)
                if already:
                    text = f"already firing before anything was injected: {', '.join(sorted(already))}"
                    c.append(ev.Warned(text))
            _note_alerts(c, answer, already)
        c.unseen = _unseen(c, trouble, read, already or set())
        await asyncio.sleep(POLL)


def _before_anything(c: Conductor, answer: Alerts) -> set[str]:
    """What the first answer has that no injection of ours can have raised: it may come late."""
    begun = [fault.injecting.wall for fault in c.exercise.faults.values() if fault.injecting is not None]
    if not begun:
        return set(answer.firing)
    return {name for name, (_, since) in answer.firing.items() if since is not None and since < min(begun)}


def _unseen(c: Conductor, trouble: str, read: float, already: set[str]) -> dict[str, tuple[float, str]]:
    scenario = c.exercise.scenario
    assert scenario is not None
    names = {expectation.alert for expectation in scenario.expect if expectation.alert}
    if trouble:
        return dict.fromkeys(names, (read, f"the alerts could not be read: {trouble}"))
    why = "it was firing before anything was injected, and did not cease"
    return {name: (float("-inf"), why) for name in names & already}


def _note_alerts(c: Conductor, answer: Alerts, already: set[str]) -> None:
    already &= set(answer.firing)
    for name, (summary, starts_at) in answer.firing.items():
        known = c.exercise.alerts.get(name)
        if name not in already and (known is None or known.state == "resolved"):
            c.append(ev.AlertSeen(name, "firing", summary, starts_at))
    for name, known in c.exercise.alerts.items():
        if known.state == "firing" and name not in answer.firing:
            c.append(ev.AlertSeen(name, "resolved"))
    scenario = c.exercise.scenario
    assert scenario is not None
    for index, expectation in enumerate(scenario.expect):
        fired = firing_since(c.exercise, expectation.alert or "")
        if fired is not None and c.exercise.expectations[index].state == "pending":
            judge_at(c, index, expectation, fired.clock, f"{expectation.alert} fired")


def judge_at(c: Conductor, index: int, expectation: Expectation, at: float, what: str) -> None:
    """Met or late, for a machine's expectation that came true at clock `at`; waits for its base to be reached."""
    base = landmarks(c.exercise).get(expectation.of)
    if base is None:
        return
    took = max(0.0, at - base.at.clock)
    counted = took - c.exercise.paused_seconds(base.at.clock, at)
    late = expectation.within is not None and counted > expectation.within
    detail = f"{what} {took:.1f} s after {expectation.of}"
    c.append(ev.ExpectationJudged(index, "late" if late else "met", detail, round(took, 3)))


async def watch_expected_check(c: Conductor, index: int, expectation: Expectation) -> None:
    """Poll a check that is expected to come to hold once its base milestone is reached."""
    check = expectation.check
    assert check is not None
    tolerance = check.expect.model_dump(mode="json", exclude_unset=True)
    while c.exercise.expectations[index].state == "pending":
        if expectation.of in landmarks(c.exercise):
            answer = await ask(c, check)
            if c.ports.prober.holds(tolerance, answer.to_json()):
                judge_at(c, index, expectation, c.journal.now(), f"{check.name or 'the check'} held")
                return
        await asyncio.sleep(POLL)
