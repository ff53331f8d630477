"""`gameday validate`: all problems of all files in one run. Finds the files and prints; judges nothing itself."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli.options import config_option, parse_assignments
from gameday.errors import Exit, UsageError

if TYPE_CHECKING:
    from gameday.scenario.published import Targets
    from gameday.targets.settings import Settings

_SUFFIXES = (".yaml", ".yml")
_MANY = 100
"""Files from which on progress is shown on a terminal."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenario.")
@click.option("--target", metavar="NAME", help="Check what is named of this target, whatever the files say.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print an array on stdout, an object for each file.")
@click.option("--quiet", is_flag=True, help="Print problems only.")
def validate(
    paths: tuple[str, ...],
    assignments: tuple[str, ...],
    target: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check scenario files; say what is wrong, where, and the right word.

    A directory is searched for *.yaml and *.yml; a Chaos Toolkit experiment, in JSON too, and manifests of Chaos Mesh
    are judged as the scenario that they become. Files that are right are listed on stdout, problems go to stderr as
    file:line:column: message. Services, measures, alerts and ${names} are held against what the target publishes, as
    far as that is known without reaching it. Exit code 0 where all are right, 2 where anything is wrong.
    """
    from gameday.faults.catalogue import catalogue
    from gameday.interchange.files import load_file
    from gameday.scenario.problems import Problem, ScenarioErrors

    faults = catalogue()
    settings = _settings(config)
    preset = settings.severity.preset if settings is not None else None
    targets = _targets(settings, target)
    parameters = parse_assignments(assignments)
    # Loading makes no reference cycles worth mentioning; looking for them among thousands of files takes a third of
    # the time.
    gc.freeze()
    gc.disable()
    files, barren = _find(paths)
    reports: list[dict[str, object]] = []
    wrong = 0
    say = _Lines()
    for path in _with_progress(files, sys.stderr.isatty() and len(files) >= _MANY):
        problems: list[Problem] = []
        title = digest = None
        notes: list[str] = []
        try:
            if path in barren:
                raise ScenarioErrors([Problem(path, None, None, f"no {' or '.join(_SUFFIXES)} file is in here")])
            loaded = load_file(
                path, catalogue=faults, parameters=parameters, preset=preset, targets=targets, say=notes.append
            )
            title, digest = loaded.scenario.title, loaded.sha256
        except ScenarioErrors as errors:
            problems = errors.problems
            wrong += 1
        if as_json:
            reports.append(
                {
                    "path": path,
                    "ok": not problems,
                    "title": title,
                    "sha256": digest,
                    "problems": [problem.to_json() for problem in problems],
                    "notes": notes,
                }
            )
        elif problems:
            say.err("".join(f"{problem}\n" for problem in problems))
        elif not quiet:
            # Of a file of another tool: what of it can't be carried over.
            if notes:
                say.err("".join(f"{note}\n" for note in notes))
            say.out(f"ok  {path}  ({title})\n")
    say.flush()
    if as_json:
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    elif wrong:
        click.echo(f"{wrong} of {len(files)} {'file' if len(files) == 1 else 'files'} wrong.", err=True)
    return Exit.INVALID if wrong else Exit.OK


def _settings(config: Path | None) -> Settings | None:
    """What `config` or gameday.toml says; None, any levels and any targets will do, where there is no such file."""
    from gameday.targets.finding import find_settings
    from gameday.targets.settings import load_settings

    path = config or find_settings()
    return load_settings(explicit=path) if path is not None else None


def _targets(settings: Settings | None, chosen: str | None) -> Targets:
    from gameday.scenario.problems import nearest_or_all
    from gameday.targets.published import known_targets

    found = known_targets(settings, chosen)
    known = ["none", *found.published]
    if chosen is not None and chosen not in known:
        raise UsageError(f"--target {chosen}: there is no target of this name; {nearest_or_all(chosen, known)}")
    return found


def _find(paths: Iterable[str]) -> tuple[list[str], set[str]]:
    """The files that `paths` lead to, each once, and the directories among them in which there is none."""
    files: dict[str, None] = {}
    barren = set()
    for path in paths:
        if not Path(path).is_dir():
            files[path] = None
            continue
        found = sorted(_scenarios_in(path))
        if not found:
            barren.add(path)
        files.update(dict.fromkeys(found or [path]))
    return list(files), barren


def _scenarios_in(directory: str) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield os.path.join(folder, name)  # noqa: PTH118 (a Path for each of thousands of files costs)


def _with_progress(files: list[str], show: bool) -> Iterator[str]:
    """`files` one by one; with `show`, how far it is on stderr ten times a second."""
    if not show:
        yield from files
        return
    last = time.monotonic()
    for index, path in enumerate(files):
        if (now := time.monotonic()) - last > 0.1:
            last = now
            click.echo(f"\r{index:,} of {len(files):,} files", nl=False, err=True)
        yield path
    click.echo("\r" + " " * 40 + "\r", nl=False, err=True)


class _Lines:
    """Lines for stdout and stderr, written in large pieces, in the right order where both are the same terminal."""

    def __init__(self) -> None:
        self._pending: list[str] = []

    def out(self, text: str) -> None:
        self._pending.append(text)
        if len(self._pending) >= 100:
            self.flush()

    def err(self, text: str) -> None:
        self.flush()
        click.echo(text, nl=False, err=True)

    def flush(self) -> None:
        if self._pending:
            click.echo("".join(self._pending), nl=False)
            self._pending.clear()
