"""One abort condition: asked at its own interval, judged by its own rule, independent of everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gameday.engine.ports import Answer, Prober
from gameday.exercise import events as ev
from gameday.exercise.values import in_short
from gameday.frozen import frozen
from gameday.scenario.keys import NO_DATA, PROBES, TOLERANCES

if TYPE_CHECKING:
    from gameday.scenario.models import AbortCondition

State = Literal["ok", "breaching", "tripped", "held"]
SPREAD = 1.0
"""Seconds at most over which the conditions' first asks are spread."""
RECORD_EVERY = 0.5
"""Seconds between recorded samples where nothing changes."""


@frozen
class Breach:
    reason: str
    seen: float
    """Clock at which the answer that tripped it was in hand."""


class Judge:
    """`for:` and `consecutive:`, and what no answer counts as. Pure but for its memory of the answers so far."""

    def __init__(self, condition: AbortCondition, holds: Callable[[dict[str, Any], dict[str, Any]], bool]) -> None:
        self._condition = condition
        self._holds = holds
        self._tolerance = condition.model_dump(mode="json", include=set(TOLERANCES), exclude_unset=True)
        unless = condition.unless
        self._unless = unless.model_dump(mode="json", exclude_unset=True) if unless is not None else None
        self._no_data = condition.no_data
        self._since: float | None = None
        self._count = 0
        self.state: State = "ok"

    def judge(self, answer: Answer, asked: float, now: float) -> State:
        """The condition's state after one more answer that was asked for at `asked` and came at `now` (clock)."""
        rule = self._rule(answer)
        if rule == "hold":
            self.state = "held"
            return self.state
        if rule == "ok":
            self._since, self._count, self.state = None, 0, "ok"
            return self.state
        self._since = asked if self._since is None else self._since
        self._count += 1
        long_enough = self._condition.for_ is None or now - self._since >= self._condition.for_
        often_enough = self._count >= (self._condition.consecutive or 1)
        self.state = "tripped" if long_enough and often_enough else "breaching"
        return self.state

    def _rule(self, answer: Answer) -> Literal["trip", "ok", "hold"]:
        if answer.kind == "value":
            if self._unless is not None:
                return "ok" if self._holds(self._unless, answer.to_json()) else "trip"
            return "trip" if self._holds(self._tolerance, answer.to_json()) else "ok"
        # Something that can't be read is as good as nothing: the cautious rule of the two that may apply.
        kind = "unreachable" if answer.kind == "error" else answer.kind
        rule: Literal["trip", "ok", "hold"] = NO_DATA if self._no_data is None else getattr(self._no_data, kind)
        return rule


class ConditionWatch:
    """Asks until the condition trips."""

    def __init__(
        self,
        condition: AbortCondition,
        prober: Prober,
        now: Callable[[], float],
        append: Callable[..., int],
        holds: Callable[[dict[str, Any], dict[str, Any]], bool] | None = None,
    ) -> None:
        self.name = condition.name
        self._condition = condition
        self._prober = prober
        self._now = now
        self._append = append
        self._probe = condition.model_dump(mode="json", include=set(PROBES), exclude_unset=True)
        self._judge = Judge(condition, holds or prober.holds)
        self._recorded: tuple[float, State, str] | None = None

    async def until_tripped(self, delay: float = 0.0) -> Breach:
        """Ask every `every` seconds, the first time after `delay` seconds; returns when it has tripped."""
        due = self._now() + delay
        while True:
            await asyncio.sleep(max(0.0, due - self._now()))
            asked = self._now()
            answer = await self._prober.ask(self._probe)
            seen = self._now()
            state = self._judge.judge(answer, asked, seen)
            if state == "tripped":
                breach = Breach(f"{self.name}: {describe(answer)}", seen)
                # The caller sends the abort before anything is recorded; the sample follows in the same turn.
                asyncio.get_running_loop().call_soon(self._record, answer, state, seen)
                return breach
            self._record(answer, state, seen)
            # Counted from when it was due: counted from when it was asked, conditions would slip into one another.
            due = max(due + self._condition.every, self._now())

    def _record(self, answer: Answer, state: State, at: float) -> None:
        last = self._recorded
        if last is not None and at - last[0] < RECORD_EVERY and (state, answer.kind) == last[1:]:
            return
        self._recorded = (at, state, answer.kind)
        sample = ev.ConditionSampled(self.name, state, _small(answer.value), answer.kind, answer.detail[:300])
        self._append(sample, clock=at)


def delays(conditions: Sequence[AbortCondition]) -> list[float]:
    """Seconds by which each first ask is put off, so that not all ask in the same moment, and then always again.

    Many asks at once keep the engine's loop busy, and meanwhile nothing else has its turn.
    """
    return [min(one.every, SPREAD) * index / len(conditions) for index, one in enumerate(conditions)]


def describe(answer: Answer) -> str:
    """An answer in a few words, for a reason or a table."""
    if answer.kind == "value":
        small = _small(answer.value)
        said = in_short(small) if isinstance(small, bool) else f"{small}"
        return said + (f" ({answer.detail[:120]})" if answer.detail else "")
    return f"{answer.kind.replace('_', ' ')}{': ' + answer.detail[:200] if answer.detail else ''}"


def _small(value: Any) -> Any:
    """A value that the journal can hold many of."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, int | bool) or value is None:
        return value
    return in_short(value)
