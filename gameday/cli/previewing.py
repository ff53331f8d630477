"""What a run would touch, resolved now and written nowhere: for `gameday preview` and the console's preview screen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gameday.cli import clusters
from gameday.cli.overlaps import Others, Planned, clashes
from gameday.cli.preflight import missing_evidence, missing_rights, missing_secrets, other_clusters
from gameday.cli.staging import in_use
from gameday.console.preview_model import (
    CheckPreview,
    ConditionPreview,
    FaultPreview,
    InjectPreview,
    LimitPreview,
    PreviewModel,
    ScenarioCard,
)
from gameday.engine.decide import HUMAN
from gameday.engine.plan_request import plan_arguments
from gameday.engine.ports import Answer, Backend, Plan, TargetInfo
from gameday.engine.watching import describe
from gameday.errors import GamedayError
from gameday.faults.catalogue import all_faults, catalogue
from gameday.faults.declaration import FaultDeclaration, Incapable
from gameday.faults.planning import backend_for, plan
from gameday.interchange.files import load_file
from gameday.probes.judge import explain, holds
from gameday.probes.prober import LiveProber
from gameday.sandbox import control as sandbox
from gameday.scenario.duration import format_duration
from gameday.scenario.keys import PROBES, TOLERANCES
from gameday.scenario.models import AbortCondition, Check, Entry, Expectation, Look, Probing, Scenario
from gameday.scenario.problems import ScenarioErrors, listed
from gameday.targets import policy
from gameday.targets.published import known_targets
from gameday.targets.resolving import check_target, resolve
from gameday.targets.settings import Settings

Pairs = dict[str, str]
_SEEDS = range(8)
"""How instances are chosen is tried with these, to see among which, where the plan does not say it."""
_NOT_UP = "asked when the target is up"
_NOT_ASKED = "not asked: the run is refused"
_BY_RUN = "a Chaos Toolkit activity: asked by the run"


def card(path: Path, settings: Settings) -> ScenarioCard:
    """One scenario file as a list shows it."""
    try:
        targets = known_targets(settings)
        found = load_file(path, catalogue=catalogue(), preset=settings.severity.preset, targets=targets).scenario
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
    path: Path,
    *,
    target: str | None,
    parameters: Pairs,
    settings: Settings,
    store: str | None = None,
    confirm: str | None = None,
    engines: Pairs | None = None,
    despite_faults: bool = False,
    no_abort_condition: bool = False,
    seed: int | None = None,
) -> PreviewModel:
    """Everything that a run of the scenario would do, with targets resolved as they are now. Only reads.

    With a `store` it is asked whether something else uses the target, or still stands there. `seed` is the one that the
    run would be given.

    Raises:
        ScenarioErrors: the file is wrong.
        UsageError: there is no such target.
    """
    targets = known_targets(settings, target)
    warnings: list[str] = []
    loaded = load_file(
        path,
        catalogue=catalogue(),
        parameters=parameters,
        preset=settings.severity.preset,
        targets=targets,
        say=warnings.append,
    )
    name = target or loaded.scenario.target or "none"
    info = check_target(name, settings)
    refusals = policy.refusals(
        loaded.scenario,
        info,
        settings,
        confirm=confirm,
        no_abort_condition=no_abort_condition,
        catalogue=all_faults(),
    )
    refusals += missing_secrets(loaded.scenario)
    # A refused run is no reason to reach for a target that policy keeps it from.
    allowed, reachable = not refusals, True
    # Nor to say of a cluster that was not asked what could not be done there.
    planned = allowed or info.kind != "kubernetes"
    if info.kind == "sandbox":
        box = sandbox.find()
        if box is None:
            reachable = False
            warnings.append(
                "the sandbox is not up (a run brings it up); targets are resolved when it is: gameday sandbox up"
            )
        else:
            info = resolve(name, settings, sandbox_info={**box.info, "state_dir": str(box.state_dir)})
    elif info.kind == "kubernetes" and allowed:
        clusters.check_engines(engines or {}, loaded.scenario)
        try:
            info = clusters.resolved(info, engines or {})
        except GamedayError as error:
            reachable = False
            refusals.append(str(error))
    scenario = loaded.scenario
    if reachable:
        scenario, _ = loaded.resolve(info.names)
        if allowed:
            refusals += other_clusters(scenario, info.to_json())
            refusals += missing_rights(scenario, info.to_json())
            warnings += missing_evidence(scenario, info.to_json())
        if store is not None and (reason := in_use(info, store, despite_faults=despite_faults, say=warnings.append)):
            refusals.append(reason)
    asked: list[Probing] = [*scenario.steady_state, *scenario.abort_when]
    answers = asyncio.run(_ask(asked, info)) if reachable and allowed else [None] * len(asked)
    if reachable and allowed:
        warnings += asyncio.run(_alerts(scenario, info))
    why = _NOT_UP if not reachable else _BY_RUN if allowed else _NOT_ASKED
    checks = len(scenario.steady_state)
    return PreviewModel(
        path=path,
        title=scenario.title,
        target=info.name,
        environment=info.environment,
        steady_state=tuple(
            _check(check, index, answer, why)
            for index, (check, answer) in enumerate(zip(scenario.steady_state, answers[:checks], strict=True))
        ),
        faults=tuple(_faults(scenario, info, reachable and planned, [seed] if seed is not None else _SEEDS)),
        injects=tuple(
            InjectPreview(_when(entry), " ".join((entry.inject or "").split()), ", ".join(entry.audience))
            for entry in scenario.timeline
            if entry.inject is not None
        ),
        asked=tuple(
            InjectPreview(_when(entry), _look(entry.check, scenario.entry_id(index)), "")
            for index, entry in enumerate(scenario.timeline)
            if entry.check is not None
        ),
        conditions=tuple(
            _condition(condition, answer, why)
            for condition, answer in zip(scenario.abort_when, answers[checks:], strict=True)
        ),
        expectations=tuple(_expectation(expectation) for expectation in scenario.expect),
        limits=tuple(_limits(scenario, info, settings)),
        refusals=tuple(refusals),
        warnings=tuple(warnings),
    )


async def _ask(probes: Sequence[Probing], info: TargetInfo) -> list[Answer | None]:
    """What each probe answers now; None for activities, which are code that only a run runs, each in its process."""
    prober = LiveProber(info)
    try:
        asked = [
            prober.ask(probe.model_dump(mode="json", include=set(PROBES), exclude_unset=True))
            for probe in probes
            if probe.activity is None
        ]
        answers = iter(await asyncio.gather(*asked))
    finally:
        await prober.close()
    return [next(answers) if probe.activity is None else None for probe in probes]


async def _alerts(scenario: Scenario, info: TargetInfo) -> list[str]:
    """What is in the way of alerts that are expected: whoever is to say so is away, or they fire already."""
    wanted = {expectation.alert for expectation in scenario.expect if expectation.alert}
    if not wanted or "alertmanager" not in info.names:
        return []
    prober = LiveProber(info)
    try:
        found = await prober.alerts(wanted)
    finally:
        await prober.close()
    if found.kind != "value":
        said = f"{found.kind.replace('_', ' ')}: {found.detail}"
        return [f"the alerts can't be read ({said}): nobody will know of {', '.join(sorted(wanted))}"]
    already = sorted({alert.name for alert in found.alerts})
    return [f"firing already, so it would tell nothing of a fault: {', '.join(already)}"] if already else []


def _check(check: Check, index: int, answer: Answer | None, why: str) -> CheckPreview:
    tolerance = check.expect.model_dump(mode="json", exclude_unset=True)
    shown = CheckPreview(check.name or f"check {index + 1}", explain(tolerance), None, value=why)
    if answer is None:
        return shown
    return replace(
        shown,
        answers=answer.kind == "value",
        holds=holds(tolerance, answer.to_json()),
        value=describe(answer),
    )


def _look(check: Look, name: str) -> str:
    wanted = check.expect and explain(check.expect.model_dump(mode="json", exclude_unset=True))
    return f"{check.name or name}{f': {wanted}' if wanted else ''}"


def _faults(scenario: Scenario, info: TargetInfo, reachable: bool, seeds: Sequence[int]) -> list[FaultPreview]:
    found: dict[str, FaultPreview] = {}
    made: dict[str, Planned] = {}
    for index, entry in enumerate(scenario.timeline):
        if entry.fault is None:
            continue
        name = scenario.entry_id(index)
        shown = FaultPreview(_when(entry), entry.fault, _in_words(entry), entry=entry.id or "")
        declaration = all_faults()[entry.fault]
        if info.kind not in declaration.kinds:
            # Policy has refused it with just this.
            found[name] = shown
            continue
        backend = _backend(declaration, info, reachable)
        if backend is not None:
            shown = replace(
                shown,
                engine=_engine(declaration, info, reachable),
                undo="nothing to undo" if declaration.one_shot or entry.one_shot else backend.undone_by,
                effective=backend.effective_when,
                recovered=backend.recovered_when,
            )
        if reachable:
            try:
                plans = _plans(scenario, name, entry, info.to_json(), seeds)
            except (ValueError, RuntimeError, GamedayError, OSError) as error:
                # What would do it is nothing that anybody wants to know of what is not done.
                others = _others(declaration, info) if backend is not None and _by_the_engine(error) else []
                shown = replace(shown, error=str(error), engine="", instead=listed(others) if others else "")
            else:
                made[name] = plans[0].to_json()
                shown = _planned(shown, plans, seeds)
                if backend is not None:
                    shown = _in_this_way(shown, plans[0], backend)
        found[name] = shown
    return list(_together(scenario, info, found, made, seeds[0]).values())


def _together(
    scenario: Scenario, info: TargetInfo, found: Mapping[str, FaultPreview], made: Mapping[str, Planned], seed: int
) -> dict[str, FaultPreview]:
    """`found`, by entry, with what keeps faults from standing at the same time."""
    faults = {scenario.entry_id(index): entry for index, entry in enumerate(scenario.timeline)}

    def again(name: str, others: Others) -> None:
        args = plan_arguments(
            scenario, name, faults[name], info.to_json(), exercise="preview", seed=seed, others=others
        )
        plan(**args)

    shown = dict(found)
    for clash in clashes(scenario, made, again):
        one = shown[clash.entry]
        if clash.certain:
            shown[clash.entry] = replace(one, error=clash.text, engine="", instead="")
        else:
            shown[clash.entry] = replace(one, notes=(*one.notes, clash.text))
    return shown


def _in_this_way(shown: FaultPreview, plan: Plan, backend: Backend) -> FaultPreview:
    """What the plan itself says of its undo and its verifications, where a fault can be done in several ways."""
    undo = plan.undone_by or backend.undone_by if plan.undo is not None else plan.undone_by
    return replace(
        shown,
        undo=undo or "nothing to undo",
        effective=plan.effective_when or backend.effective_when,
        recovered=plan.recovered_when or backend.recovered_when,
    )


def _engine(declaration: FaultDeclaration, info: TargetInfo, reachable: bool) -> str:
    """What does the fault, and what could instead; "" where there is only one way."""
    if not reachable or "" in declaration.engines(info.kind) or not _there(declaration, info):
        return ""
    taken, _ = backend_for(declaration, info.to_json())
    others = _others(declaration, info)
    return f"{taken}{f' (instead: {listed(others)})' if others else ''}"


def _by_the_engine(error: Exception) -> bool:
    """Whether another engine may do what this one can't, or has no right to. What limits or protection forbid stays
    forbidden: to name an engine there would be to show a way round."""
    return isinstance(error, Incapable) or getattr(error, "status", None) == 403


def _others(declaration: FaultDeclaration, info: TargetInfo) -> list[str]:
    """How to have it done by what the target has beside the engine that is taken."""
    there = _there(declaration, info)
    taken = backend_for(declaration, info.to_json())[0] if there else ""
    return [f"--engine {declaration.name}={one}" for one in there if one != taken]


def _there(declaration: FaultDeclaration, info: TargetInfo) -> list[str]:
    """The target's engines that know the fault."""
    return [one for one in info.settings.get("engines", ()) if one in declaration.engines(info.kind)]


def _backend(declaration: FaultDeclaration, info: TargetInfo, reachable: bool) -> Backend | None:
    """How the target does it; None where it was not asked and has several ways, or where planning says why not."""
    if not reachable:
        ways = list(declaration.engines(info.kind).values())
        return ways[0] if len(ways) == 1 else None
    try:
        return backend_for(declaration, info.to_json())[1]
    except ValueError:
        return None


def _plans(scenario: Scenario, name: str, entry: Entry, target: Mapping[str, Any], seeds: Sequence[int]) -> list[Plan]:
    made: list[Plan] = []
    for seed in seeds:
        asked = plan_arguments(scenario, name, entry, dict(target), exercise="preview", seed=seed)
        made.append(Plan.from_json(plan(**asked)))
        if made[0].among or target["kind"] == "kubernetes":
            break
    return made


def _planned(shown: FaultPreview, plans: Sequence[Plan], seeds: Sequence[int]) -> FaultPreview:
    """`shown` with its targets: those of the plan, or where plans differ by their seeds, all that may be chosen."""
    first = plans[0]
    shown = replace(shown, notes=first.notes)
    if first.among and len(seeds) > 1:
        return replace(shown, targets=first.among, chosen=len(first.targets))
    if all(other.targets == first.targets for other in plans):
        return replace(shown, summary=first.summary, targets=first.targets)
    among = sorted({name for each in plans for name in each.targets})
    return replace(shown, targets=tuple(among), chosen=len(first.targets))


def _in_words(entry: Entry) -> str:
    """The fault as the script says it, for as long as nobody can say what that is on the target."""
    if entry.activity is not None:
        extra = entry.activity.model_extra or {}
        what = ".".join(str(extra[key]) for key in ("module", "func", "url", "path") if isinstance(extra.get(key), str))
        return f"{entry.activity.type} activity {what}".strip()
    said = ", ".join(f"{name} {_said(value)}" for name, value in entry.with_.items())
    return f"{entry.fault} ({said})" if said else str(entry.fault)


def _said(value: Any) -> str:
    """A parameter as the script writes it, or nearly."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _when(entry: Entry) -> str:
    lasts = f" for {format_duration(entry.for_)}" if entry.for_ is not None else ""
    if entry.manual:
        return f"by hand{lasts}"
    if entry.at is not None:
        return f"at {format_duration(entry.at)}{lasts}"
    assert entry.after is not None
    delay = f" + {format_duration(entry.after.delay)}" if entry.after.delay else ""
    waits = entry.after.milestone or entry.after.entry or f"{entry.after.effective} takes hold"
    return f"after {waits}{delay}{lasts}"


def _condition(condition: AbortCondition, answer: Answer | None, why: str) -> ConditionPreview:
    if condition.unless is not None:
        limit = f"unless {explain(condition.unless.model_dump(mode='json', exclude_unset=True))}"
    else:
        limit = explain(condition.model_dump(mode="json", include=set(TOLERANCES), exclude_unset=True))
    if condition.for_ is not None:
        limit += f" for {format_duration(condition.for_)}"
    if condition.consecutive is not None:
        limit += f", {condition.consecutive} times in a row"
    if answer is None:
        return ConditionPreview(condition.name, limit, None, why)
    return ConditionPreview(condition.name, limit, answer.kind == "value", describe(answer))


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


def _limits(scenario: Scenario, info: TargetInfo, settings: Settings) -> list[LimitPreview]:
    """The limits that mean something for this scenario, with those that it leaves to their defaults."""
    limits, faults = scenario.limits, any(entry.fault is not None for entry in scenario.timeline)
    rows = [("duration", format_duration(limits.duration), "then the exercise is aborted")]
    if faults:
        whom = "faults, with what is out already" if info.kind == "kubernetes" else "one fault"
        percent = f"{limits.percent:g} %" if limits.percent is not None else "any share"
        rows += [
            ("recovery", format_duration(limits.recovery), "an undo is tried for this long, then the fault is leaked"),
            ("unattended", format_duration(limits.unattended), "a live fault without any console is undone after this"),
            ("pods", str(limits.pods or "any number"), f"at most so many instances are touched by {whom}"),
            ("percent", percent, f"at most this share of a workload is touched by {whom}"),
        ]
    found = [LimitPreview(name, value, why, name not in limits.model_fields_set) for name, value, why in rows]
    if faults and info.kind == "kubernetes":
        share = f"{info.settings['namespace_percent']:g} %"
        unsaid = settings.targets[info.name].namespace_percent is None
        why = "at most this share of a namespace's pods is touched, by namespace_percent of the target"
        found.append(LimitPreview("namespace", share, why, unsaid))
    return found
