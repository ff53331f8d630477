"""`gameday run` in a terminal: the console from picking a scenario to its debrief."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cli.ahead import begun_ahead
from gameday.cli.previewing import card, preview_of
from gameday.cli.run import finish_attended, launch_staged, write_debrief_of
from gameday.cli.shipped import shipped_scenarios
from gameday.cli.staging import payload_of, stage
from gameday.cli.watch import afterwards, live_feed, show
from gameday.console.preview_model import PreviewModel, ScenarioCard
from gameday.errors import Exit
from gameday.interchange.files import load_file
from gameday.targets.settings import Settings

SUFFIXES = (".yaml", ".yml")

if TYPE_CHECKING:
    from gameday.console.feed import Feed
    from gameday.console.starting import Starting


def run_in_console(
    first: Path | None,
    *,
    target: str | None,
    parameters: dict[str, str],
    settings: Settings,
    store: str,
    seed: int | None,
    folder: Path,
    confirm: str | None,
    engines: dict[str, str],
    despite_faults: bool,
    no_abort_condition: bool = False,
) -> int:
    """Pick (or `first`), preview, start, respond, debrief; the exit code of the exercise, 0 where none was started."""
    from gameday.console.app import Console

    started: list[str] = []

    def values(path: Path) -> dict[str, str]:
        # What was said with --set was said of the scenario that was named.
        return parameters if path == first else {}

    def confirmed(path: Path) -> str:
        # The preview has the name of a production target typed before it lets anybody start.
        return confirm or target or load_target(path, settings, values(path))

    def cards() -> Sequence[ScenarioCard]:
        return [card(path, settings) for path in scenario_files()]

    def preview(path: Path) -> PreviewModel:
        return preview_of(
            path,
            target=target,
            parameters=values(path),
            settings=settings,
            store=store,
            confirm=confirmed(path),
            engines=engines,
            despite_faults=despite_faults,
            no_abort_condition=no_abort_condition,
            seed=seed,
        )

    def start(path: Path, starting: Starting) -> Feed:
        with begun_ahead() as ahead:
            staged = stage(
                path,
                target=target,
                parameters=values(path),
                settings=settings,
                confirm=confirmed(path),
                engines=engines,
                say=lambda _: None,
                no_abort_condition=no_abort_condition,
                ahead=ahead,
            )
            payload = payload_of(staged, store=store, attended=True, seed=seed)
            launch_staged(staged, payload, despite_faults=despite_faults, ahead=ahead, waiting=starting)
        started.append(payload.exercise)
        return live_feed(payload.exercise, store)

    def report(exercise: str) -> str:
        return str(write_debrief_of(exercise, store, folder) or "")

    console = Console(
        scenarios=cards, preview=preview, start=start, report=report, afterwards=afterwards(store), first=first
    )
    show(console, store)
    return finish_attended(started[-1], store, folder) if started else int(Exit.OK)


def load_target(path: Path, settings: Settings, parameters: dict[str, str]) -> str:
    """The target that the scenario itself names."""
    from gameday.faults.catalogue import catalogue

    found = load_file(path, catalogue=catalogue(), parameters=parameters, preset=settings.severity.preset)
    return found.scenario.target or "none"


def scenario_files() -> list[Path]:
    """What there is to pick from: the scenarios in this folder and below `scenarios`, else those that ship."""
    here = [path for path in Path().iterdir() if path.suffix in SUFFIXES and path.is_file() and _has_timeline(path)]
    below = [path for path in Path("scenarios").rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    if here or below:
        return [*sorted(here), *sorted(below)]
    return sorted(path for path in shipped_scenarios().rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _has_timeline(path: Path) -> bool:
    """Whether a file that may be anything is meant as a scenario, in order or not."""
    try:
        with path.open("rb") as file:
            return any(line.startswith(b"timeline:") for line in file)
    except OSError:
        return False
