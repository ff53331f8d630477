"""The linter suggests where a text blames, and keeps quiet where somebody is quoted or nothing is wrong."""

from __future__ import annotations

import pytest

from gameday.debrief.build import build_debrief
from gameday.debrief.lint import lint_action, lint_text
from tests.debrief.journals import payment_outage


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He forgot to page the backup.", "He forgot"),
        ("It was human error.", "human error"),
        ("The team failed to notice.", "failed to"),
        ("We should have rolled back.", "should have"),
        ("We shouldn't have waited.", "shouldn't have"),
        ("It could have been worse.", "could have"),
        ("The root cause was a typo.", "The root cause"),
        ("Ada broke the build.", "Ada broke"),
    ],
)
def test_suggests(text: str, found: str) -> None:
    assert found in [words for words, _ in lint_text(text, ["Ada"])]


@pytest.mark.parametrize(
    "text",
    [
        "Checkout answered with errors for six minutes.",
        "A customer wrote: “you should have told us”.",
        'Support quoted "he failed to answer".',
        "> they should have known",
        "The connection failed after two seconds.",
        "",
    ],
)
def test_keeps_quiet(text: str) -> None:
    assert lint_text(text, ["Ada"]) == []


@pytest.mark.parametrize(
    "what",
    [
        "Be more careful with deploys",
        "Improve monitoring",
        "Train the team",
        "Look into the leak",
        "Double-check the flag",
    ],
)
def test_weak_actions(what: str) -> None:
    assert lint_action(what)


@pytest.mark.parametrize(
    "what", ["Alert fires within one minute of the first refused payment", "Checkout retries twice"]
)
def test_strong_actions(what: str) -> None:
    assert lint_action(what) == []


def test_the_debrief_carries_suggestions_and_changes_no_text() -> None:
    view = build_debrief(payment_outage())
    assert [(s.where, s.found) for s in view.language] == [("note #470", "should have"), ("action A2", "Improve")]
    assert any(note.text == "He should have looked at the status page first." for note in view.notes)


def test_a_crowd_of_strange_names_is_harmless() -> None:
    assert lint_text("x" * 5000 + " forgot", ["(", "a+" * 20, "[", "\\"]) == []
