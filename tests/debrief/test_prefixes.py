"""A debrief can be made of any prefix of any journal: nobody is left without a report because something went wrong."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings

from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from gameday.debrief.json import render_json
from gameday.debrief.markdown import render_markdown
from gameday.exercise.record import Record
from tests.debrief.journals import leaked, payment_outage, started, tabletop
from tests.debrief.strategies import journals


def _rendered(records: list[Record]) -> None:
    view = build_debrief(records)
    json.loads(render_json(view))
    assert render_markdown(view).startswith("# Debrief")
    page = render_html(view)
    assert page.endswith("</html>")
    for number in (value for row in view.timings for value in (row.wall, row.running) if value is not None):
        assert math.isfinite(number)


@given(journals())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_journal(records: list[Record]) -> None:
    _rendered(records)


@pytest.mark.parametrize("make", [payment_outage, leaked, tabletop])
def test_every_prefix_of_a_real_one(make: object) -> None:
    assert callable(make)
    records = make()
    turning = [i for i, record in enumerate(records) if record.kind != "condition_sampled"]
    for end in turning[:: max(1, len(turning) // 20)]:
        _rendered(records[: end + 1])


def test_a_journal_whose_beginning_is_missing() -> None:
    _rendered(payment_outage()[40:])


def test_a_scenario_that_this_version_cannot_read() -> None:
    records = leaked()
    event = dataclasses.replace(started(attended=False), scenario={"version": 99})
    broken = dataclasses.replace(records[0], event=event)
    view = build_debrief([broken, *records[1:]])
    assert "can't be read by this version" in view.unknown[0]
    assert view.faults[0].stage == "leaked"
    _rendered([broken, *records[1:]])
