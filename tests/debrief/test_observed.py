"""What a target said of itself, in the debrief: few rows, and when what a fault touched was whole again."""

from __future__ import annotations

from dataclasses import replace

from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from gameday.debrief.phrases import key_numbers
from gameday.exercise import events as ev
from gameday.exercise.record import Record

from .journals import pod_kill


def rows(records: list[Record]) -> list[str]:
    return [row.text for row in build_debrief(records).timeline if row.kind == "target_observed"]


def test_single_pods_and_events_are_told_together() -> None:
    assert rows(pod_kill()) == [
        "checkout: pods 1 new, 1 gone",
        "deployment shop/checkout is not whole: 2 of 3 pods ready",
        "checkout: events FailedScheduling, BackOff, within 1.1 s",
        "pod shop/checkout-7d9c-b: container app restarted: OOMKilled, exit code 137; 1 in all, "
        "at 18:59:30 by the target's clock",
        "deployment shop/checkout: rollout begun: image shop/checkout:1.4 → shop/checkout:1.5",
        "checkout: pods 3 new, 3 ready, 3 gone, within 2.6 s",
        "deployment shop/checkout: rollout is through after 4.5 s, revision 13",
        "deployment shop/checkout: whole again after 9.1 s, at worst 2 of 3 pods ready",
    ]


def test_a_row_stands_for_a_limited_time() -> None:
    records = pod_kill()
    first = records[-1]
    many = [
        replace(
            first, seq=1000 + n, clock=20.0 + n, event=ev.TargetObserved("event", "pod shop/a", "BackOff", None, ["x"])
        )
        for n in range(40)
    ]
    assert [text for text in rows([*records, *many]) if text.startswith("x:")] == [
        "x: events BackOff, within 30 s",
        "x: events BackOff, within 8 s",
    ]


def test_the_page_says_when_it_was_whole_again_and_what_was_rolled_out_before() -> None:
    view = build_debrief(pod_kill())
    (whole,) = view.faults[0].whole
    assert (whole.state, whole.seconds) == ("whole again", 9.1)
    assert ("to whole again", "9.1 s", "checkout, after it was first not whole") in key_numbers(view)
    page = render_html(view)
    assert "✓ checkout whole again 9.1 s after it was first not whole" in page
    assert "rolled out 34 min ago: revision 12, image shop/checkout:1.4" in page
    assert 'class="bar broken"' in page


def test_what_is_not_whole_at_the_end_is_a_finding() -> None:
    records = [one for one in pod_kill() if getattr(one.event, "text", "").startswith("whole again") is False]
    view = build_debrief(records)
    (finding,) = [one for one in view.findings if one.rule == "not-whole"]
    assert finding.title == "checkout was not whole again by the end"
    assert finding.detail == "deployment shop/checkout: 2 of 3 pods ready"
    assert "✗ checkout not whole again by the end" in render_html(view)
