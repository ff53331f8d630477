"""Scenarios in whatever format they are written: `gameday`'s own, or another tool's, which is imported in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gameday.interchange.losses import Loss, Losses
from gameday.interchange.yaml_text import commented, dumped
from gameday.scenario.catalogue import Catalogue
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.problems import Problem, ScenarioErrors
from gameday.scenario.published import Targets
from gameday.scenario.reading import decode, read

Say = Callable[[str], None]


class Imported(NamedTuple):
    """What became of a file of another tool."""

    text: str
    """The scenario."""
    losses: list[Loss]
    """What is not in it, or not quite so."""
    services: tuple[str, ...] = ()
    """Lines of TOML: the tables of the services that it names, which its target has to have."""

    @property
    def unguarded(self) -> bool:
        """There are faults in it, and nothing that would stop them."""
        return f"\n{_ABORT_WHEN[0]}\n" in self.text


def load_file(
    path: Path | str,
    *,
    catalogue: Catalogue,
    parameters: Mapping[str, str] | None = None,
    preset: str | None = None,
    targets: Targets | None = None,
    say: Say = lambda _: None,
) -> Loaded:
    """`scenario.loading.load` for files of any format; `say` is told what of an import could not be carried over.

    The path and the hash of what was imported are those of the file itself.

    Raises:
        ScenarioErrors: with every problem of the file.
    """
    name = os.fspath(path)
    content = read(name)
    text = decode(content, name)
    found = imported(content, text, name)
    options: dict[str, Any] = {"catalogue": catalogue, "preset": preset, "targets": targets}
    if found is None:
        digest = hashlib.sha256(content).hexdigest()
        return load_text(text, path=name, sha256=digest, parameters=parameters, **options)
    made = found.text
    for loss in found.losses:
        say(loss.located(name))
    try:
        loaded = load_text(
            made, path=name, sha256=hashlib.sha256(content).hexdigest(), parameters=parameters, **options
        )
    except ScenarioErrors as errors:
        # Its lines are those of a text that nobody has seen.
        where = f"{name} (as `gameday import` writes it)"
        tables = f"`gameday import {name}` prints the tables of its services for gameday.toml"
        raise ScenarioErrors(
            [
                replace(problem, path=where, hint=tables)
                if found.services and "publishes no service" in problem.message
                else replace(problem, path=where)
                for problem in errors.problems
            ]
        ) from None
    return replace(loaded, path=Path(path))


def imported(content: bytes, text: str, path: str) -> Imported | None:
    """A scenario's text, made from a file of another format, and what is not in it; None for a scenario file.

    Raises:
        ScenarioErrors: the file is of another format, and wrong.
    """
    from gameday.interchange.chaos_mesh.reading import is_manifest
    from gameday.interchange.chaostoolkit.reading import is_experiment

    if is_manifest(content, path):
        return from_chaos_mesh(content, text, path)
    if is_experiment(content, path):
        return Imported(*from_chaostoolkit(content, text, path))
    return None


def from_chaos_mesh(content: bytes, text: str, path: str) -> Imported:
    """The scenario that manifests of Chaos Mesh are.

    Raises:
        ScenarioErrors: nothing in the file can be carried over, or it can't be read.
    """
    from gameday.interchange.chaos_mesh.importing import imported as document_of
    from gameday.interchange.chaos_mesh.reading import read_manifests

    manifests = read_manifests(content, text, path)
    document, services = document_of(manifests)
    head = commented(f"Imported from {Path(path).name} (Chaos Mesh), sha256 {manifests.sha256[:16]}.")
    head += commented(
        "Faults begin at once, as when the file is applied, those of a Workflow at its times; change at: where not."
    )
    head += [*_listed(manifests.losses), "#", *(f"# {line}".rstrip() for line in told(services)), ""]
    made = "\n".join([*head, dumped(document)])
    if unguarded(document):
        made += "\n".join(("", *_ABORT_WHEN, ""))
    _must_be_valid(made, path, "these manifests can't be made a scenario")
    return Imported(made, list(manifests.losses), tuple(services))


def told(services: Sequence[str]) -> list[str]:
    """What to do with the tables of services."""
    return (
        ["The services have to be in gameday.toml, under the target that it is run on:", *services] if services else []
    )


def from_chaostoolkit(content: bytes, text: str, path: str) -> tuple[str, list[Loss]]:
    """The scenario that an experiment is, as the text of a file, and what is not in it."""
    from gameday.interchange.chaostoolkit.importing import imported as document_of
    from gameday.interchange.chaostoolkit.reading import read_experiment

    try:
        experiment = read_experiment(content, text, path)
        document = document_of(experiment)
    except ScenarioErrors as errors:
        raise ScenarioErrors([replace(problem, path=problem.path or path) for problem in errors.problems]) from None
    made = "\n".join([*_head(path, experiment.sha256, experiment.losses), dumped(document)])
    if unguarded(document):
        made += "\n".join(("", *_ABORT_WHEN, ""))
    _must_be_valid(made, path)
    return made, list(experiment.losses)


def unguarded(document: Mapping[str, Any]) -> bool:
    """There are faults, and nothing that would stop them."""
    entries = [getattr(entry, "value", entry) for entry in document.get("timeline", ())]
    return any("fault" in entry for entry in entries) and not document.get("abort_when")


_ABORT_WHEN = (
    "# Nothing here says what must never happen, so this is not run (but with --no-abort-condition). Add, for example:",
    "# abort_when:",
    "#   - name: people can't reach us",
    "#     http: {url: https://www.example.com/health}",
    "#     unless: {status: 200}",
    "#     for: 10s",
)


def _head(path: str, digest: str, losses: Losses) -> list[str]:
    lines = commented(f"Imported from {Path(path).name} (Chaos Toolkit), sha256 {digest[:16]}.")
    lines += commented(
        "An HTTP answer of 400 or more and an exit code other than 0 are failures here. An undo may be sent several "
        "times: look that this does no harm."
    )
    return [*lines, *_listed(losses), ""]


def _listed(losses: Losses) -> list[str]:
    """What is not in a scenario, as comments."""
    lines: list[str] = []
    for title, lost in (("Not carried over:", True), ("Carried over, but not quite the same:", False)):
        found = [loss for loss in losses if loss.lost is lost]
        if found:
            lines += ["#", f"# {title}"]
        for loss in found:
            line = f" (line {loss.at[0]})" if loss.at is not None else ""
            lines += commented(f"- {loss.what}{line}: {loss.why}")
    return lines


def _must_be_valid(text: str, path: str, message: str = "this experiment can't be made a scenario") -> None:
    """What is written is a scenario. Where a file has something in it that none can have, that is said."""
    from gameday.faults.catalogue import catalogue

    try:
        load_text(text, path=path, catalogue=catalogue())
    except ScenarioErrors as errors:
        problems = [Problem(path, None, None, f"{message}: {each.message}", each.hint) for each in errors.problems]
        raise ScenarioErrors(problems) from None
