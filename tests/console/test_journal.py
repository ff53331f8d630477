"""The journal's rows: whole sentences at any width, and a place that is kept when the width changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gameday.console.widgets.journal import JournalView, wrapped
from gameday.exercise import events as e

from .journal import Journal
from .stage import HeldFeed, played, post, stage, until, words

LONG = " ".join(f"word{index:02d}" for index in range(40)) + " the-end-of-it"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")) | st.just(" "), max_size=200),
    st.integers(4, 60),
)
def test_rows_fit_and_lose_nothing(text: str, width: int) -> None:
    text = " ".join(text.split())
    rows = wrapped(text, width)
    assert all(cell_len(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")


def test_a_row_is_broken_between_words() -> None:
    assert wrapped("", 20) == [""]
    assert wrapped("the storefront answers again", 14) == ["the storefront", "answers again"]
    assert wrapped("abcdefghij klm", 4) == ["abcd", "efgh", "ij", "klm"]
    assert wrapped("日本語 テスト ok", 6) == ["日本語", "テスト", "ok"]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (140, 40)])
@played
async def test_a_long_sentence_is_shown_whole(size: tuple[int, int]) -> None:
    journal = Journal().start().steady()
    journal.add(e.Warned(LONG))
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=size) as pilot:
        await post(pilot, journal.records)
        await pilot.press("tab")
        await until(pilot, lambda: "the-end-of-it" in words(app))
        shown = words(app)
        for _ in range(8):
            await pilot.press("pageup")
            await pilot.pause()
            shown += words(app)
        assert [word for word in LONG.split() if word not in shown] == []


@played
async def test_whoever_reads_stays_at_the_sentence_when_the_width_changes() -> None:
    journal = Journal().start().steady()
    for index in range(200):
        journal.add(e.Warned(f"number {index} {LONG}"))
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=(140, 40)) as pilot:
        await post(pilot, journal.records)
        await pilot.press(*["pageup"] * 6)
        view = app.screen.query_one(JournalView)
        await pilot.pause()
        read = next(line for line in words(app).splitlines() if "number" in line).split("number ")[1].split()[0]
        assert int(read) < 195
        await pilot.resize_terminal(100, 40)
        await pilot.pause()
        assert any(f"number {number} " in words(app) for number in (int(read), int(read) - 1))
        await pilot.press("escape")
        await pilot.resize_terminal(140, 40)
        await until(pilot, lambda: "number 199" in words(app))
        assert view.max_scroll_y == round(view.scroll_y)
