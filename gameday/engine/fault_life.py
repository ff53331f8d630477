"""A fault's life on the engine's side: planned → armed → injecting → effective → undoing → recovered, or leaked.

The order in `_live` is the promise: durable in the journal, then held by the guardian, and only then touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine import decide as do
from gameday.engine.composed import with_checks
from gameday.engine.plan_request import plan_arguments, plan_call
from gameday.engine.ports import Call, Plan, evidence_of
from gameday.engine.processes import boot_clock
from gameday.exercise import events as ev
from gameday.exercise import turns
from gameday.exercise.state import FaultState

if TYPE_CHECKING:
    from gameday.engine.conductor import Conductor
    from gameday.scenario.models import Entry

STANDING = 10.0
"""Seconds between two looks at whether a fault still stands."""
_SURE = 1.0
"""Seconds after which it is looked at once more before it is said to be gone."""
CONFIRMING = 60.0
"""Seconds that an armed fault waits for the target to be confirmed ours; then it is given up, untouched."""


class FaultLife:
    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._one_by_one = asyncio.Lock()
        """Held from a fault's planning until it is armed: what it takes is known to the next that is planned."""

    def begin(self, entry: str, due: float | None) -> None:
        scripted = self._entry(entry)
        assert scripted.fault is not None
        self._c.append(ev.FaultPlanned(entry, scripted.fault, due))
        self._c.start(self._live_or_refused(entry, scripted))

    async def _live_or_refused(self, entry: str, scripted: Entry) -> None:
        """An error of ours before the fault is armed: it never will be, and nobody is to wait for it."""
        try:
            await self._live(entry, scripted)
        except Exception as error:
            if self._c.exercise.faults[entry].stage == "planned":
                self._c.append(ev.FaultRefused(entry, f"internal error: {type(error).__name__}: {error}"))
            raise

    async def _live(self, entry: str, scripted: Entry) -> None:
        if scripted.undone_with is not None:
            await self._begun(scripted.undone_with)
        async with self._one_by_one:
            # It may have waited long for the one before it.
            called_off = None, "the exercise was aborted before it was armed"
            plan, error = called_off if self._aborting() else await self._plan(entry, scripted)
            if plan is not None and (error := self._nothing_undoes(scripted)):
                plan = None
            if plan is None:
                self._c.append(ev.FaultRefused(entry, error))
                return
            if self._aborting():
                self._c.append(ev.FaultRefused(entry, called_off[1]))
                return
            if self._c.exercise.closing:
                self._c.append(ev.FaultRefused(entry, do.CLOSED_BEFORE))
                return
            assert scripted.fault is not None
            one_shot = plan.passes or plan.undo is None
            armed = self._c.append(ev.FaultArmed(entry, scripted.fault, plan.to_json(), one_shot, scripted.for_))
        if not await self._c.journal.durable(armed):
            self._never_touched(entry, "the journal could not be written, so nothing was touched")
            return
        if self._called_off(entry):
            self._not_injected(entry)
            return
        # Once more: nothing is waited for from here until the guardian is told, and from then on that undo waits.
        if error := self._nothing_undoes(scripted):
            self._never_touched(entry, error)
            return
        held = await self._c.link.arm(entry, plan, recovery=self._recovery)
        if self._called_off(entry):
            # Its undo may have been asked for before the guardian held it, and then nobody asks again: ask now.
            if held.ok:
                self._call_off(entry)
            else:
                self._not_injected(entry)
            return
        if not held.ok:
            self._never_touched(entry, f"its undo could not be armed, so nothing was touched: {held.error}")
            return
        if not await self._ours(entry):
            return
        injected = await self._c.link.inject(entry, plan.inject, not_after=self._c.confirmed.until())
        if self._past(entry):
            return
        if not injected.ok:
            self._c.append(ev.FaultFailed(entry, injected.error))
            return
        self._c.append(ev.FaultInjected(entry, injected.output))
        await self._verify_effective(entry, scripted, plan)

    async def _begun(self, other: str) -> None:
        """Wait until the fault whose undo is to take this one away too is held by the guardian, or never will be."""
        while not (self._aborting() or self._c.exercise.closing):
            fault, waiting = self._c.exercise.faults.get(other), self._c.exercise.entries.get(other)
            if fault is None and waiting is not None and waiting.stage in ("done", "skipped"):
                return
            if fault is not None and fault.stage not in ("planned", "armed"):
                return
            await asyncio.sleep(0.02)

    def _nothing_undoes(self, scripted: Entry) -> str:
        """Why what is to take this fault away too would not do so; "" where it would, or the fault needs no other."""
        if scripted.undone_with is None:
            return ""
        fault = self._c.exercise.faults.get(scripted.undone_with)
        if fault is not None and fault.stage in ("injecting", "effective") and not fault.error:
            return ""
        how = "never began" if fault is None else f"has failed: {fault.error}" if fault.error else f"is {fault.stage}"
        return f"nothing would undo it: {scripted.undone_with}, whose undo takes this away too, {how}"

    async def _ours(self, entry: str) -> bool:
        """Wait until the target is ours for certain: after a sleep, say, another exercise may have it. False where the
        fault was called off meanwhile, or given up: the guardian has been told."""
        confirmed, until, said = self._c.confirmed, boot_clock() + CONFIRMING, False
        while boot_clock() >= confirmed.until():
            if self._called_off(entry):
                self._call_off(entry)
                return False
            if boot_clock() >= until:
                self._never_touched(entry, f"the target was not confirmed to be ours ({confirmed.words()})")
                return False
            if not said and boot_clock() > until - CONFIRMING + 1.0:
                said = True
                self._c.append(ev.Warned(f"{entry} waits until the target is ours for certain: {confirmed.words()}"))
            await asyncio.sleep(0.02)
        return True

    def _aborting(self) -> bool:
        return self._c.exercise.phase == "aborting"

    def _past(self, entry: str) -> bool:
        """Its undo has begun meanwhile, so what the injection came to is of no interest any more."""
        return self._c.exercise.faults[entry].stage not in ("armed", "injecting")

    def _called_off(self, entry: str) -> bool:
        """Armed in the journal, and not to be injected any more."""
        stage = self._c.exercise.faults[entry].stage
        return stage != "armed" or self._aborting() or self._c.exercise.closing

    def _call_off(self, entry: str) -> None:
        """The guardian holds it, untouched: it is taken away like any other."""
        fault = self._c.exercise.faults[entry]
        if fault.stage == "armed":
            self.undo(entry, "the exercise is being aborted" if self._aborting() else do.CLOSING)
        elif fault.live:
            self._c.link.undo([entry], fault.undo_reason)

    def _not_injected(self, entry: str) -> None:
        """Called off before the guardian held it."""
        if self._c.exercise.faults[entry].live:
            self._c.append(ev.FaultRecovered(entry, "nothing was injected"))
        self._c.link.settled(entry)

    def _never_touched(self, entry: str, error: str) -> None:
        self._c.append(ev.FaultFailed(entry, error))
        self._c.append(ev.FaultRecovered(entry, "nothing was injected"))
        self._c.link.settled(entry)

    async def _plan(self, entry: str, scripted: Entry) -> tuple[Plan | None, str]:
        x = self._c.exercise
        assert x.scenario is not None
        others = [(fault.entry, fault.plan) for fault in x.unrecovered if fault.plan is not None]
        args = plan_arguments(x.scenario, entry, scripted, x.target, exercise=x.id, seed=x.seed, others=others)
        validated = self._c.ports.validated.get(entry)
        reply = await self._c.link.run(plan_call(args, validated))
        if not reply.ok:
            return None, reply.error
        made = reply.output if validated is None else {**reply.output, "engine": validated["engine"]}
        return with_checks(Plan.from_json(made), scripted, x.target), ""

    async def _verify_effective(self, entry: str, scripted: Entry, plan: Plan) -> None:
        evidence = "the injection returned; nothing was declared to verify it with"
        if plan.effective is not None:
            reply = await self._c.link.run(plan.effective, poll=do.EFFECTIVE_WINDOW)
            if self._past(entry):
                return
            if not reply.ok or not reply.output["holds"]:
                why = reply.output["evidence"] if reply.ok else reply.error
                self._c.append(ev.FaultFailed(entry, f"not effective: {why}"))
                return
            evidence = reply.output["evidence"]
        if not self._past(entry):
            self._c.append(ev.FaultEffective(entry, evidence))
            if plan.standing is not None:
                await self._watch(entry, plan.standing)

    async def _watch(self, entry: str, standing: Call) -> None:
        """Look now and then whether the fault still stands, until it is undone. One that stands in part counts as
        standing, and what is gone of it is told. Where it can't be asked, nothing is said: whether anything answers is
        the business of others."""
        told = ""
        while True:
            await asyncio.sleep(STANDING)
            seen = await self._stands(entry, standing)
            if seen is not None and self._worse(entry, seen, told):
                await asyncio.sleep(_SURE)
                seen = await self._stands(entry, standing)
            if (fault := self._c.exercise.faults[entry]).stage != "effective":
                return
            if seen is None:
                continue
            but, evidence = str(seen.get("but") or ""), str(seen["evidence"])
            if not seen["holds"] and fault.faded is None:
                self._c.append(ev.FaultFaded(entry, evidence, bool(seen.get("replaced"))))
            elif seen["holds"] and (fault.faded is not None or (told and not but)):
                self._c.append(ev.FaultStandsAgain(entry, evidence))
            elif seen["holds"] and but and but != told:
                self._c.append(ev.Warned(f"{entry}: {but}"))
            told = but

    def _worse(self, entry: str, seen: Mapping[str, Any], told: str) -> bool:
        """It is gone, or part of it, and that is news."""
        if not seen["holds"]:
            return self._c.exercise.faults[entry].faded is None
        return bool(seen.get("but")) and seen["but"] != told

    async def _stands(self, entry: str, standing: Call) -> dict[str, Any] | None:
        if self._c.exercise.faults[entry].stage != "effective":
            return None
        reply = await self._c.link.run(standing)
        return dict(reply.output) if reply.ok and isinstance(reply.output, dict) and "holds" in reply.output else None

    async def _let_strike(self, entry: str, told: int) -> None:
        """What is about to be struck stands in the journal before it is: whatever is killed then, it is known."""
        if await self._c.journal.durable(told) and self._c.exercise.faults[entry].stage in ("injecting", "effective"):
            self._c.link.strike(entry)

    def undo(self, entry: str, reason: str) -> None:
        self._c.link.undo([entry], reason)
        if reason == do.UNSEEN:
            self._c.append(ev.FaultFailed(entry, reason))
        self._c.append(ev.FaultUndoing(entry, reason))

    # --- after somebody died ---------------------------------------------------------------------------------------

    async def undo_orphans(self) -> None:
        """A resumed exercise: what the journal still calls live is undone before anything else."""
        for fault in self._c.exercise.faults.values():
            if fault.stage == "planned":
                self._c.append(
                    ev.FaultRefused(fault.entry, "the engine died while it was planned; nothing was touched")
                )
        orphans = [fault.entry for fault in self._c.exercise.unrecovered]
        if orphans:
            await self.hold_again()
            for entry in orphans:
                self.undo(entry, "left behind by an engine that died")

    async def hold_again(self) -> None:
        """Give every unrecovered fault to the (new) guardian, from what stands in the journal."""
        for fault in self._c.exercise.unrecovered:
            if fault.plan is not None:
                plan = self._c.ports.as_now(Plan.from_json(fault.plan))
                recovery = self._recovery
                await self._c.link.arm(fault.entry, plan, recovery=recovery, orphan=True, struck=fault.struck)

    def guardian_said(self, fact: dict[str, Any]) -> None:
        """A fact of the guardian's as events, with the guardian's own times."""
        entry = fact["entry"]
        state = self._c.exercise.faults.get(entry)
        wall = float(fact["wall"])
        clock = self._c.journal.clock_of(float(fact["boot"]))
        envelope: dict[str, Any] = {"source": "guardian", "wall": wall, "clock": clock}
        match fact["fact"]:
            case "injecting":
                self._c.append(ev.FaultInjecting(entry, fact["pid"]), **envelope)
            case "striking":
                if state is not None and state.stage in ("injecting", "effective"):
                    striking = ev.FaultStriking(entry, fact["targets"], fact["objects"])
                    self._c.start(self._let_strike(entry, self._c.append(striking, **envelope)))
            case "again":
                repeated = ev.FaultRepeated(entry, evidence_of(fact["output"]))
                # One that was never let strike, and of which nothing was said either.
                if state is None or state.striking or not repeated.evidence.startswith(turns.CALLED_OFF):
                    self._c.append(repeated, **envelope)
            case "inject_failed" if state is not None and state.stage not in ("undoing", "recovered", "leaked"):
                self._c.append(ev.FaultFailed(entry, fact["error"]), **envelope)
            case "undoing" if state is not None and state.stage != "undoing":
                self._c.append(ev.FaultUndoing(entry, fact["reason"]), **envelope)
            case "undo_sent":
                behind = wall - float(fact["at"])
                sent = {"source": "guardian", "wall": float(fact["at"]), "clock": clock - behind}
                self._c.append(ev.UndoSent(entry, fact["attempt"]), **sent)
            case "undo_failed":
                self._c.append(ev.UndoFailed(entry, fact["attempt"], fact["error"]), **envelope)
            case "recovered":
                said = ev.FaultRecovered(entry, fact["evidence"] + _set_anew(state), fact.get("unwell", ""))
                self._c.append(said, **envelope)
                self._c.link.settled(entry)
            case "leaked":
                self._c.append(ev.FaultLeaked(entry, fact["error"], fact["commands"]), **envelope)

    @property
    def _recovery(self) -> float:
        scenario = self._c.exercise.scenario
        return scenario.limits.recovery if scenario is not None else 60.0

    def _entry(self, name: str) -> Entry:
        scenario = self._c.exercise.scenario
        assert scenario is not None
        for index, entry in enumerate(scenario.timeline):
            if scenario.entry_id(index) == name:
                return entry
        raise LookupError(f"the scenario has no entry {name!r}")


def _set_anew(fault: FaultState | None) -> str:
    """What is to be said at the end of a fault that had gone and stood again: the undo can't tell whose that was."""
    if fault is None or fault.faded is not None or all(gap.replaced for gap in fault.gaps):
        return ""
    return "; it had gone in between and stood again: if somebody wanted it so, that was undone with it"
