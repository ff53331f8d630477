"""Debriefs to files: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gameday.debrief.build import build_debrief
from gameday.debrief.view import Debrief, PreviousAction
from gameday.debrief.words import day, slug
from gameday.errors import UsageError
from gameday.exercise import events as ev
from gameday.exercise.record import Record

FORMATS = ("md", "html", "json")


def write_debrief(
    records: Sequence[Record],
    directory: Path,
    formats: Sequence[str] = FORMATS,
    stem: str | None = None,
    previous: Sequence[PreviousAction] = (),
) -> list[Path]:
    """Write the debrief of `records` into `directory` (made if it isn't there), one file for each of `formats`.

    Each file appears complete or not at all; one that was there is replaced. `stem` is the name without its ending,
    by default `stem_of(records)`. `previous`: what `previous_actions` found.

    Raises:
        UsageError: an unknown format, no records, or a directory that can't be written.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"unknown format {', '.join(map(repr, unknown))}: choose from {', '.join(FORMATS)}")
    if not records:
        raise UsageError("the journal is empty: there is nothing to write a debrief of")
    view = build_debrief(records, previous)
    name = stem or stem_of(records)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return [_write(directory / f"{name}.{ending}", _renderer(ending)(view)) for ending in dict.fromkeys(formats)]
    except OSError as error:
        raise UsageError(
            f"the debrief can't be written to {directory}: {error.strerror or error}; name another with --output"
        ) from error


def stem_of(records: Sequence[Record]) -> str:
    """`2026-11-20-payment-outage-1015-7f3a`: day of the start (UTC), scenario, id without the day in it."""
    first = records[0]
    start = first.event
    if not isinstance(start, ev.ExerciseStarted):
        return f"{day(first.wall)}-exercise"
    date = day(first.wall)
    ident = slug(start.exercise, 40).removeprefix(f"{date.replace('-', '')}-")
    parts = (date, slug(start.name) or "exercise", ident)
    return "-".join(part for part in parts if part)


def _renderer(ending: str) -> Callable[[Debrief], str]:
    if ending == "md":
        from gameday.debrief.markdown import render_markdown

        return render_markdown
    if ending == "html":
        from gameday.debrief.html import render_html

        return render_html
    from gameday.debrief.json import render_json

    return render_json


def _write(path: Path, text: str) -> Path:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
