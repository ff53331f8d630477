"""How long it took until what a fault touched was whole again: from an exercise, by what its target said. Pure.

The time runs from the fault's impact to the end of the last breach that belongs to it, on our own clock. Impact is the
first sign of it after the injection began: that the fault was confirmed effective, or that the workload was not whole.
A fault that strikes again and again has an impact each time: then it is the longest single one of these, since what was
whole in between was whole.
A service of which the target said nothing is left out: that is no evidence that it was whole.
"""

from __future__ import annotations

from typing import Literal

from gameday.exercise.events import TargetObserved
from gameday.exercise.state import Breach, Exercise, FaultState, Moment, WorkloadState
from gameday.exercise.strikes import unsure
from gameday.frozen import frozen

Outcome = Literal["whole again", "not whole", "stayed whole"]


@frozen
class WholeAgain:
    """What became of one workload under one fault."""

    entry: str
    services: tuple[str, ...]
    thing: str
    state: Outcome
    """`not whole`: not by the end of what is known."""
    from_event: str
    start: Moment | None
    end: Moment | None
    text: str
    """What the target said of it last."""
    longest_of: int = 0
    """Of a fault that struck more than once: of so many times this is the longest. 0: there was one, or all are one."""

    @property
    def seconds(self) -> float | None:
        """From impact to whole, pauses included; None where there was no breach or it is not over."""
        return None if self.start is None or self.end is None else self.end.clock - self.start.clock


def whole_again(exercise: Exercise) -> list[WholeAgain]:
    """For each fault that was injected: each workload that it touched and that the target said anything of."""
    return [
        _of(fault, workload)
        for fault in exercise.faults.values()
        if fault.injecting is not None
        for workload in exercise.workloads.values()
        if workload.watched and touched(exercise, fault.entry) & set(workload.services)
    ]


def touched(exercise: Exercise, entry: str) -> set[str]:
    """The services of the target that an entry of the timeline names in its parameters."""
    settings = exercise.target.get("settings")
    known = settings.get("services") if isinstance(settings, dict) else None
    scenario = exercise.scenario
    if not isinstance(known, dict) or scenario is None:
        return set()
    for index, each in enumerate(scenario.timeline):
        if scenario.entry_id(index) == entry:
            return {value for value in each.with_.values() if isinstance(value, str) and value in known}
    return set()


def is_news(exercise: Exercise, observed: TargetObserved) -> bool:
    """Whether how things stand, as a follower that begins anew tells it, is not what the journal says already."""
    known = exercise.workloads.get(observed.thing)
    if observed.what == "recent":
        # How long ago it was is another at each telling; what it was is the same.
        what = observed.text.partition(": ")[2]
        told = known is not None and any(at == observed.at and text.endswith(what) for at, text in known.recent)
        during = exercise.started is not None and observed.at is not None and observed.at >= exercise.started.wall
        return not told and not during
    # The first word on it is news: that it is watched, and how it is.
    return known is None or not known.watched or (known.broken is not None) != (observed.what == "not_whole")


def _of(fault: FaultState, workload: WorkloadState) -> WholeAgain:
    assert fault.injecting is not None
    began = fault.injecting.clock
    until = float("inf") if fault.ended is None else fault.ended.clock
    # One that had begun before, and was not over, hides what the fault does.
    its = [
        one for one in workload.breaches if one.begun.clock <= until and (one.over is None or one.over.clock >= began)
    ]
    if not its:
        return WholeAgain(fault.entry, workload.services, workload.thing, "stayed whole", "", None, None, "")
    first, last = its[0], its[-1]
    start, event = _impact(fault, first, began)
    if len(its) > 1 and last.over is not None and fault.strikes + len(unsure(fault)) > 1:
        return _longest(fault, workload, its, (start, event))
    state: Outcome = "not whole" if last.over is None else "whole again"
    said = last.text if last.over is None else last.outcome
    if len(its) > 1:
        said = f"not whole {len(its)} times; the last time {said}"
    return WholeAgain(fault.entry, workload.services, workload.thing, state, event, start, last.over, said)


def _longest(fault: FaultState, workload: WorkloadState, its: list[Breach], first: tuple[Moment, str]) -> WholeAgain:
    """The longest of several breaches, each of which is over: of the first the impact is `first`."""
    begun = [first, *((one.begun, one.text or "not whole") for one in its[1:])]
    spans = [
        (one.over.clock - start.clock, start, event, one)
        for (start, event), one in zip(begun, its, strict=True)
        if one.over is not None
    ]
    _, start, event, one = max(spans, key=lambda each: each[0])
    said = f"not whole {len(its)} times; the longest time {one.outcome}"
    about = (fault.entry, workload.services, workload.thing)
    return WholeAgain(*about, "whole again", event, start, one.over, said, len(its))


def _impact(fault: FaultState, first: Breach, began: float) -> tuple[Moment, str]:
    """The earlier of the two signs of impact; a breach from before the fault is none."""
    effective, before = fault.effective, first.begun.clock < began
    if effective is not None and (before or effective.clock < first.begun.clock):
        return effective, f"fault {fault.entry} confirmed effective"
    if before and fault.injecting is not None:
        return fault.injecting, f"fault {fault.entry} being injected"
    return first.begun, f"{first.text or 'not whole'}"
