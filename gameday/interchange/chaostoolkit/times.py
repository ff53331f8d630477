"""When each entry of a timeline is due, if nothing takes time: an experiment knows no other time."""

from __future__ import annotations

from gameday.scenario.models import After, Scenario


class Times:
    """Of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ids = {scenario.entry_id(index): index for index in range(len(scenario.timeline))}

    def start(self, index: int, trail: tuple[int, ...] = ()) -> float | None:
        """Seconds from the beginning; None where people decide, or nobody can say."""
        entry = self.scenario.timeline[index]
        if entry.at is not None:
            return entry.at
        if entry.after is None or index in trail:
            return None
        came = self._came(entry.after, (*trail, index))
        return None if came is None else came + entry.after.delay

    def end(self, index: int, trail: tuple[int, ...] = ()) -> float | None:
        """The same of its end, which of what passes by itself is its start."""
        entry, start = self.scenario.timeline[index], self.start(index, trail)
        if start is None or not entry.fault or entry.for_ is None:
            return start
        found = [self._came(after, (*trail, index)) for after in entry.until or ()]
        ends = [came + after.delay for came, after in zip(found, entry.until or (), strict=True) if came is not None]
        return min(start + entry.for_, max(ends)) if ends and len(ends) == len(found) else start + entry.for_

    def _came(self, after: After, trail: tuple[int, ...]) -> float | None:
        if after.milestone == "impact":
            faults = [i for i, entry in enumerate(self.scenario.timeline) if entry.fault and i not in trail]
            starts = [self.start(index, trail) for index in faults]
            return min((start for start in starts if start is not None), default=None)
        index = self.ids.get(after.effective or after.entry or "")
        if index is None:
            return None
        if after.effective is not None:
            return self.start(index, trail)
        return None if index in trail else self.end(index, trail)
