"""From a scenario's path to everything a start needs: the scenario checked, the target resolved, policy asked.

Shared by run, preview and demo, so that a preview shows what a run would do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gameday import __version__
from gameday.cli import clusters
from gameday.cli.launching import HEARTBEAT, preload_for, target_held
from gameday.cli.payload import Payload
from gameday.cli.preflight import obstacles
from gameday.engine.plan_request import plan_arguments
from gameday.engine.ports import TargetInfo
from gameday.errors import RefusedError, StoreError, TargetError
from gameday.faults import planning
from gameday.faults.catalogue import all_faults, catalogue
from gameday.frozen import frozen
from gameday.interchange.files import load_file
from gameday.probes import needed
from gameday.sandbox import control as sandbox
from gameday.scenario.configuring import dynamic
from gameday.scenario.loading import Loaded
from gameday.scenario.models import Scenario
from gameday.scenario.taken_up import handed_over
from gameday.store import default_url, new_exercise_id, open_store, quick
from gameday.store.address import read_address
from gameday.store.errors import StoreMissing
from gameday.targets import policy
from gameday.targets.published import known_targets
from gameday.targets.resolving import check_target, resolve
from gameday.targets.settings import Settings

if TYPE_CHECKING:
    from gameday.cli.ahead import Ahead
    from gameday.store.store import Store
    from gameday.store.summaries import Summary

Say = Callable[[str], None]


@frozen
class Staged:
    """A scenario ready to start on a target."""

    loaded: Loaded
    scenario: Scenario
    document: dict[str, Any]
    target: TargetInfo
    settings: Settings
    brought_up: bool
    """The sandbox was started for this."""
    exercise: str
    """The id of the exercise that this is to become."""

    def take_down(self) -> None:
        """Take down what was brought up, after a start that did not come about."""
        if self.brought_up:
            sandbox.down(Path(self.target.settings["state_dir"]))

    def after(self, exercise: str) -> dict[str, Any] | None:
        """What the guardian does when the exercise is over, as a `Call` in JSON."""
        if not self.brought_up:
            return clusters.given_back(self.target.to_json(), exercise)
        args = {"state_dir": self.target.settings["state_dir"]}
        return {"name": "gameday.sandbox.control:down", "args": args, "timeout": 20.0}


def stage(
    path: Path,
    *,
    target: str | None,
    parameters: dict[str, str],
    settings: Settings,
    confirm: str | None,
    say: Say,
    engines: dict[str, str] | None = None,
    no_abort_condition: bool = False,
    ahead: Ahead | None = None,
) -> Staged:
    """Check the scenario, ask policy, bring the sandbox up where it is the target, fill in names.

    What workers will need is imported meanwhile by those who were started `ahead`.

    `path` may lead to a file of another tool, which is imported; what of it can't be carried over is said.

    Raises:
        ScenarioErrors: the file is wrong, or names what the target does not publish (exit 2).
        RefusedError, TargetError: policy or the target says no; nothing was touched (exit 5).
    """
    faults = catalogue()
    targets = known_targets(settings, target)
    loaded = load_file(
        path, catalogue=faults, parameters=parameters, preset=settings.severity.preset, targets=targets, say=say
    )
    name = target or loaded.scenario.target or "none"
    kind = check_target(name, settings)
    refusals = policy.refusals(
        loaded.scenario,
        kind,
        settings,
        confirm=confirm,
        no_abort_condition=no_abort_condition,
        catalogue=all_faults(),
    )
    _refuse(refusals)
    clusters.check_engines(engines or {}, loaded.scenario)
    exercise = ahead.exercise if ahead is not None else new_exercise_id(time.time())
    if ahead is not None:
        likely = replace(kind, settings={**kind.settings, "chosen": engines or {}})
        ahead.preload(preload_for(likely.to_json(), loaded.document), needed(loaded.document))
    started, info = False, None
    if kind.kind == "sandbox":
        try:
            running, started = sandbox.up(on_progress=say)
        except sandbox.SandboxError as error:
            raise TargetError(f"the sandbox does not come up: {error}") from None
        info = {**running.info, "state_dir": str(running.state_dir)}
    try:
        resolved = clusters.resolved(resolve(name, settings, sandbox_info=info), engines or {})
        scenario, document = loaded.resolve(resolved.names, _asked(loaded, resolved))
        _refuse(obstacles(scenario, resolved.to_json()))
    except Exception:
        if started and info is not None:
            sandbox.down(Path(info["state_dir"]))
        raise
    return Staged(loaded, scenario, document, resolved, settings, started, exercise)


def _asked(loaded: Loaded, target: TargetInfo) -> dict[str, Any]:
    """The values of the configuration that probes have to be asked for; once, so that all activities have the same."""
    named, _ = loaded.resolve(target.names)
    if not dynamic(named.configuration):
        return {}
    from gameday.faults.dynamic import DynamicError, find

    try:
        return find(named.configuration, target.settings.get("cluster"))
    except DynamicError as error:
        raise RefusedError(f"refused before anything was touched: {error}") from None


def _refuse(reasons: Sequence[str]) -> None:
    if reasons:
        raise RefusedError("\n".join(["refused before anything was touched:", *(f"  - {line}" for line in reasons)]))


def refuse_a_target_in_use(staged: Staged, store: str, *, despite_faults: bool) -> None:
    """One exercise at a time on a target: two would undo each other's faults and mistake them for their own.

    `despite_faults`: start also where faults of an exercise that is over stand.

    Raises:
        RefusedError: another one runs there, or left faults there, by the journals in `store`.
    """
    if staged.target.kind == "none":
        return
    address = read_address(store)
    if address.path is not None and address.path.is_file() and quick.idle(address.path):
        return
    with open_store(store) as opened:
        reason = _in_use(opened, staged.target, despite_faults=despite_faults)
    if reason:
        raise RefusedError(reason)


def in_use(target: TargetInfo, store: str, *, despite_faults: bool, say: Say | None = None) -> str:
    """Why a run on `target` would be refused now although policy allows it: what uses it, or stands there, else "".

    Writes nothing into the store. Like a run it waits a moment for an exercise that is just ending. `say` hears what a
    run would wait for.
    """
    if target.kind == "none":
        return ""
    try:
        with open_store(store, create=False) as opened:
            reason = _in_use(opened, target, despite_faults=despite_faults)
    except StoreMissing:
        reason = ""
    except StoreError as error:
        return str(error)
    reason = reason or clusters.held(target.to_json(), say)
    if reason:
        return reason
    claim = Payload("new", "preview", store, HEARTBEAT, attended=False, target=target.to_json())
    try:
        with target_held(claim):
            return ""
    except RefusedError as error:
        return str(error)


def _in_use(opened: Store, target: TargetInfo, *, despite_faults: bool) -> str:
    from gameday.exercise.events import ExerciseStarted

    def ours(summary: Summary) -> bool:
        if summary.target != target.name and target.kind != "kubernetes":
            return False
        first = opened.records(summary.id, limit=1)[0].event
        return isinstance(first, ExerciseStarted) and clusters.same(first.target, target.to_json())

    for summary in opened.running():
        if summary.engine_alive and ours(summary):
            return (
                f"exercise {summary.id} runs on {summary.target} already: wait for it, watch it "
                f"(`gameday watch {summary.id}`) or stop it (`gameday abort {summary.id}`)"
            )
    for summary in () if despite_faults else opened.unrecovered():
        if ours(summary):
            standing = ", ".join(opened.unrecovered_entries(summary.id))
            return (
                f"faults of exercise {summary.id} stand on {summary.target}: {standing}. Undo them with "
                f"`gameday recover {summary.id}`; where that can't tell that they are gone, look for yourself and "
                "start with --despite-faults"
            )
    return ""


def payload_of(staged: Staged, *, store: str | None, attended: bool, seed: int | None = None) -> Payload:
    """What the engine gets to run `staged` as a new exercise."""
    exercise = staged.exercise
    started = {
        "exercise": exercise,
        "name": staged.loaded.name,
        "path": str(staged.loaded.path),
        "scenario": staged.document,
        "scenario_hash": staged.loaded.sha256,
        "target": staged.target.to_json(),
        "attended": attended,
        "seed": random.SystemRandom().randrange(2**31) if seed is None else seed,
        "parameters": staged.loaded.parameters,
        "version": __version__,
        "after": staged.after(exercise),
    }
    return Payload(
        mode="new",
        exercise=exercise,
        store=store or staged.settings.store.url or default_url(),
        heartbeat=HEARTBEAT,
        attended=attended,
        target=staged.target.to_json(),
        started=started,
        touched=clusters.touched(staged.target.to_json(), staged.scenario),
        validated=_validated(staged, exercise),
        scripted=handed_over(staged.scenario),
    )


def _validated(staged: Staged, exercise: str) -> dict[str, dict[str, Any]]:
    """What planning needs to know of each fault: its worker has neither pydantic nor the declarations."""
    found: dict[str, dict[str, Any]] = {}
    target = staged.target.to_json()
    for index, entry in enumerate(staged.scenario.timeline):
        if entry.fault is None:
            continue
        name = staged.scenario.entry_id(index)
        asked = plan_arguments(staged.scenario, name, entry, target, exercise=exercise, seed=0)
        # What can't be done on the target was refused before: see `obstacles`.
        found[name] = planning.validated(asked["fault"], target, asked["params"])
    return found


def say(text: str) -> None:
    """Talk, as opposed to data: stderr."""
    click.echo(text, err=True)
