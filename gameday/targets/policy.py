"""What a scenario may do to a target, asked before anything is touched. Pure; each refusal says what to do about it.

Measures are not looked at: they stand in `gameday.toml`, as this policy does, and their author is the one who could
change it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, get_args

from gameday.engine.ports import TargetInfo
from gameday.scenario.models import Activity, Probing, Scenario
from gameday.scenario.problems import listed
from gameday.targets.finding import FILE
from gameday.targets.settings import Settings

PRODUCTION = ("production", "prod", "prd", "live")


class HasKinds(Protocol):
    """Of a fault's declaration, what policy needs: the kinds of target that it can be done on."""

    @property
    def kinds(self) -> Collection[str]: ...


def refusals(
    scenario: Scenario,
    target: TargetInfo,
    settings: Settings,
    *,
    confirm: str | None,
    no_abort_condition: bool = False,
    catalogue: Mapping[str, HasKinds] | None = None,
) -> list[str]:
    """Why this scenario may not run on this target; empty where it may. `confirm` is what `--confirm` named.

    Without a `catalogue` it is not asked whether the faults can be done there at all.
    """
    return [
        *_unconfirmed(target, confirm),
        *_impossible(scenario, target, settings, catalogue or {}),
        *_unguarded(scenario, no_abort_condition),
        *_programs(scenario, settings),
        *_modules(scenario, settings),
    ]


def is_production(target: TargetInfo) -> bool:
    """Whether the target's environment is production, in one of its usual spellings."""
    return target.environment.strip().casefold() in PRODUCTION


def _unconfirmed(target: TargetInfo, confirm: str | None) -> Iterator[str]:
    if confirm is not None and confirm != target.name:
        yield f"--confirm says {confirm!r}, but the target is {target.name!r}: name the one that is meant"
    elif confirm is None and is_production(target):
        yield f"target {target.name!r} is production: if that is what you mean, add --confirm {target.name}"


def _impossible(
    scenario: Scenario, target: TargetInfo, settings: Settings, catalogue: Mapping[str, HasKinds]
) -> Iterator[str]:
    lost: dict[str, list[str]] = {}
    for index, entry in enumerate(scenario.timeline):
        if entry.fault is not None and entry.fault in catalogue and target.kind not in catalogue[entry.fault].kinds:
            lost.setdefault(entry.fault, []).append(scenario.entry_id(index))
    if lost and target.kind == "none":
        entries = [name for names in lost.values() for name in names]
        what = "is a real fault" if len(entries) == 1 else "are real faults"
        yield (
            f"{_some(entries)} {what}, and the target 'none' is for tabletops: add --target sandbox, or one of "
            f'{_file(settings)}, which says what environment it is (kind = "other" for activities alone)'
        )
        return
    for fault, names in lost.items():
        kinds = sorted(catalogue[fault].kinds)
        yield (
            f"{', '.join(names)}: {fault} can't be done on target {target.name!r}, which is of kind {target.kind}: "
            f"choose a target of kind {listed(kinds)}, or take the fault out"
        )


def _unguarded(scenario: Scenario, allowed: bool) -> Iterator[str]:
    """What came from another tool may have faults that nothing would stop; who writes scenarios says what would."""
    faults = [scenario.entry_id(index) for index, entry in enumerate(scenario.timeline) if entry.fault is not None]
    if scenario.imported is not None and faults and not scenario.abort_when and not allowed:
        yield (
            f"imported from {scenario.imported}, with faults ({_some(faults)}) and no abort condition: add abort_when: "
            "with what must never happen (`gameday import` writes the scenario to add it to), or run it with "
            "--no-abort-condition"
        )


def _programs(scenario: Scenario, settings: Settings) -> Iterator[str]:
    if settings.policy.allow_process:
        return
    places = [f"{place} (process probe)" for place, probe in _probes(scenario) if probe.process is not None]
    places += [f"{place} (process)" for place, activity in activities(scenario) if activity.type == "process"]
    if places:
        yield (
            f"the scenario runs programs on this machine: {_some(places)}. To allow that, put into "
            f"{_file(settings)}, under [policy]: allow_process = true"
        )


def _modules(scenario: Scenario, settings: Settings) -> Iterator[str]:
    allowed = settings.policy.allow_modules
    wanted: dict[str, list[str]] = {}
    for place, activity in activities(scenario):
        if activity.type != "python":
            continue
        module = (activity.model_extra or {}).get("module")
        if not isinstance(module, str) or not module:
            yield f"{place}: a python activity without a module: write module: and func:"
        elif not any(module == one or module.startswith(one + ".") for one in allowed):
            wanted.setdefault(module.partition(".")[0], []).append(f"{place} ({module})")
    if wanted:
        line = ", ".join(f'"{module}"' for module in [*allowed, *sorted(wanted)])
        places = [place for found in wanted.values() for place in found]
        yield (
            f"the scenario calls Python modules that are not allowed: {_some(places)}. If you trust them, put into "
            f"{_file(settings)}, under [policy]: allow_modules = [{line}]"
        )


def _probes(scenario: Scenario) -> Iterator[tuple[str, Probing]]:
    """Every probe of the scenario, and where it stands."""
    for number, check in enumerate(scenario.steady_state, 1):
        yield check.name or f"steady state {number}", check
    for index, entry in enumerate(scenario.timeline):
        for key, probe in (("effective", entry.effective), ("recovered", entry.recovered), ("check", entry.check)):
            if probe is not None:
                yield f"{scenario.entry_id(index)}.{key}", probe
    for number, expectation in enumerate(scenario.expect, 1):
        if expectation.check is not None:
            yield expectation.name or expectation.check.name or f"expectation {number}", expectation.check
    for condition in scenario.abort_when:
        yield f"abort condition {condition.name!r}", condition


def activities(scenario: Scenario) -> Iterator[tuple[str, Activity]]:
    """Every Chaos Toolkit activity of the scenario, and where it stands."""
    for index, entry in enumerate(scenario.timeline):
        if entry.activity is not None:
            yield from _with_nested(f"{scenario.entry_id(index)}.activity", entry.activity)
        for undo in entry.undo or ():
            yield from _with_nested(f"{scenario.entry_id(index)}.undo", undo)
    for place, probe in _probes(scenario):
        if probe.activity is not None:
            yield from _with_nested(place, probe.activity)
    yield from _asked_by("configuration", scenario.configuration)


def _with_nested(place: str, activity: Activity) -> Iterator[tuple[str, Activity]]:
    """An activity, and those within it: a tolerance, and values of its configuration, may be activities too."""
    yield place, activity
    extra = activity.model_extra or {}
    yield from _asked_by(place, {key: extra.get(key) for key in ("tolerance",)})
    yield from _asked_by(f"{place}.configuration", extra.get("configuration"))


def _asked_by(place: str, values: Any) -> Iterator[tuple[str, Activity]]:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        provider = value.get("provider") if isinstance(value, Mapping) and value.get("type") == "probe" else None
        if isinstance(provider, Mapping) and provider.get("type") in get_args(Activity.model_fields["type"].annotation):
            yield f"{place}.{name}", Activity.model_validate({**provider, "timeout": None})


def _some(places: Sequence[str]) -> str:
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")


def _file(settings: Settings) -> str:
    return str(settings.path) if settings.path is not None else FILE
