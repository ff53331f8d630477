"""What a run would touch, resolved now and written nowhere: for `gameday preview` and the console's preview screen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from gameday.console.preview_model import ConditionPreview, FaultPreview, InjectPreview, PreviewModel, ScenarioCard
from gameday.engine.decide import HUMAN
from gameday.engine.fault_life import plan_arguments
from gameday.engine.ports import Plan, TargetInfo
from gameday.engine.watching import describe
from gameday.errors import GamedayError
from gameday.faults.catalogue import all_faults, catalogue
from gameday.faults.planning import plan
from gameday.probes.judge import explain
from gameday.probes.prober import LiveProber
from gameday.sandbox import control as sandbox
from gameday.scenario.duration import format_duration
from gameday.scenario.loading import load
from gameday.scenario.models import PROBES, TOLERANCES, AbortCondition, Entry, Expectation, Scenario
from gameday.scenario.problems import ScenarioErrors
from gameday.targets import policy
from gameday.targets.published import known_targets
from gameday.targets.resolving import check_target, resolve
from gameday.targets.settings import Settings

Pairs = dict[str, str]


def card(path: Path, settings: Settings) -> ScenarioCard:
    """One scenario file as a list shows it."""
    try:
        targets = known_targets(settings)
        found = load(path, catalogue=catalogue(), preset=settings.severity.preset, targets=targets).scenario
    except ScenarioErrors as errors:
        return ScenarioCard(path, error=str(errors.problems[0]))
    except GamedayError as error:
        return ScenarioCard(path, error=str(error))
    return ScenarioCard(
        path,
        title=found.title,
        category=found.category or "",
        severity=found.severity or "",
        target=found.target or "none",
        faults=sum(entry.fault is not None for entry in found.timeline),
        duration=found.limits.duration,
    )


def preview_of(
    path: Path, *, target: str | None, parameters: Pairs, settings: Settings, confirm: str | None = None
) -> PreviewModel:
    """Everything that a run of the scenario would do, with targets resolved as they are now. Only reads.

    Raises:
        ScenarioErrors: the file is wrong.
        TargetError: there is no such target.
    """
    targets = known_targets(settings, target)
    loaded = load(path, catalogue=catalogue(), parameters=parameters, preset=settings.severity.preset, targets=targets)
    name = target or loaded.scenario.target or "none"
    info = check_target(name, settings)
    refusals = policy.refusals(loaded.scenario, info, settings, confirm=confirm, catalogue=all_faults())
    warnings: list[str] = []
    reachable = True
    if info.kind == "sandbox":
        box = sandbox.find()
        if box is None:
            reachable = False
            warnings.append(
                "the sandbox is not up (a run brings it up); targets are resolved when it is: gameday sandbox up"
            )
        else:
            info = resolve(name, settings, sandbox_info={**box.info, "state_dir": str(box.state_dir)})
    scenario = loaded.scenario
    if reachable:
        scenario, _ = loaded.resolve(info.names)
    answers = asyncio.run(_ask_conditions(scenario, info)) if reachable and not refusals else {}
    return PreviewModel(
        path=path,
        title=scenario.title,
        target=info.name,
        environment=info.environment,
        faults=tuple(_faults(scenario, info, reachable)),
        injects=tuple(
            InjectPreview(_when(entry), entry.inject or "", ", ".join(entry.audience))
            for entry in scenario.timeline
            if entry.inject is not None
        ),
        conditions=tuple(_condition(condition, answers.get(condition.name)) for condition in scenario.abort_when),
        expectations=tuple(_expectation(expectation) for expectation in scenario.expect),
        refusals=tuple(refusals),
        warnings=tuple(warnings),
    )


async def _ask_conditions(scenario: Scenario, info: TargetInfo) -> dict[str, tuple[bool, str]]:
    # An activity is code, which only a run runs, in a process of its own.
    asked = [condition for condition in scenario.abort_when if condition.activity is None]
    prober = LiveProber(info)
    try:
        probes = [condition.model_dump(mode="json", include=set(PROBES), exclude_unset=True) for condition in asked]
        answers = await asyncio.gather(*map(prober.ask, probes))
    finally:
        await prober.close()
    said = {condition.name: (True, "a Chaos Toolkit activity: asked by the run") for condition in scenario.abort_when}
    pairs = zip(asked, answers, strict=True)
    return said | {condition.name: (answer.kind == "value", describe(answer)) for condition, answer in pairs}


def _faults(scenario: Scenario, info: TargetInfo, reachable: bool) -> list[FaultPreview]:
    found = []
    for index, entry in enumerate(scenario.timeline):
        if entry.fault is None:
            continue
        name = scenario.entry_id(index)
        shown = FaultPreview(_when(entry), entry.fault, _in_words(entry))
        declaration = all_faults()[entry.fault]
        backend = declaration.backends.get(info.kind)
        if backend is not None:
            shown = replace(
                shown,
                undo="nothing to undo" if declaration.one_shot or entry.one_shot else backend.undone_by,
                effective=backend.effective_when,
                recovered=backend.recovered_when,
            )
        if reachable:
            arguments = plan_arguments(scenario, name, entry, info.to_json(), exercise="preview", seed=0)
            try:
                made = Plan.from_json(plan(**arguments))
                shown = replace(shown, summary=made.summary, targets=made.targets)
            except (ValueError, GamedayError, OSError) as error:
                shown = replace(shown, error=str(error))
        found.append(shown)
    return found


def _in_words(entry: Entry) -> str:
    """The fault as the script says it, for as long as nobody can say what that is on the target."""
    said = ", ".join(f"{name} {value}" for name, value in entry.with_.items())
    return f"{entry.fault} ({said})" if said else str(entry.fault)


def _when(entry: Entry) -> str:
    lasts = f" for {format_duration(entry.for_)}" if entry.for_ is not None else ""
    if entry.manual:
        return f"by hand{lasts}"
    if entry.at is not None:
        return f"at {format_duration(entry.at)}{lasts}"
    assert entry.after is not None
    delay = f" + {format_duration(entry.after.delay)}" if entry.after.delay else ""
    return f"after {entry.after.milestone or entry.after.entry}{delay}{lasts}"


def _condition(condition: AbortCondition, answer: tuple[bool, str] | None) -> ConditionPreview:
    if condition.unless is not None:
        limit = f"unless {explain(condition.unless.model_dump(mode='json', exclude_unset=True))}"
    else:
        limit = explain(condition.model_dump(mode="json", include=set(TOLERANCES), exclude_unset=True))
    if condition.for_ is not None:
        limit += f" for {format_duration(condition.for_)}"
    if condition.consecutive is not None:
        limit += f", {condition.consecutive} times in a row"
    return ConditionPreview(condition.name, limit, *(answer or (False, "asked when the target is up")))


def _expectation(expectation: Expectation) -> str:
    within = f" within {format_duration(expectation.within)} of {expectation.of}" if expectation.within else ""
    every = f" every {format_duration(expectation.every)}" if expectation.every else ""
    if expectation.alert:
        return f"alert {expectation.alert} fires{within}"
    if expectation.milestone:
        who = " (people)" if expectation.milestone in HUMAN else ""
        return f"{expectation.milestone}{within}{who}"
    if expectation.update:
        return f"status update to {expectation.update}{every}{within}"
    name = expectation.check.name if expectation.check is not None else None
    return f"{expectation.name or name or 'a check'} holds{within}"
