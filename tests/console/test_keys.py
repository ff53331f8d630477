"""What each key asks for: the request that reaches the feed, and the moment it speaks of."""

from __future__ import annotations

import pytest
from textual import events

from gameday.console.app import Console
from gameday.console.pump import RequestRefused
from gameday.console.screens.debrief import Debrief
from gameday.console.screens.dialogs import Listing
from gameday.console.screens.run import Run
from gameday.engine import requests as r
from gameday.errors import RefusedError
from gameday.exercise import events as e

from . import states
from .journal import Journal, running
from .stage import SMALL, Held, HeldFeed, flowing, played, post, stage, until, words

UNCLASSIFIED = next(
    record.seq
    for record in running().records
    if isinstance(record.event, e.NoteTaken) and record.event.category == "unclassified"
)
ONE_KEY: list[tuple[tuple[str, ...], list[r.Request]]] = [
    (("1",), [r.Mark("impact")]),
    (("2",), [r.Mark("detected")]),
    (("d",), [r.Mark("detected")]),
    (("3",), [r.Mark("acknowledged")]),
    (("a",), [r.Mark("acknowledged")]),
    (("4",), [r.Mark("diagnosed")]),
    (("g",), [r.Mark("diagnosed")]),
    (("5",), [r.Mark("mitigated")]),
    (("m",), [r.Mark("mitigated")]),
    (("M",), [r.Mark("mitigated", partial=True)]),
    (("6",), [r.Mark("resolved")]),
    (("r",), [r.Mark("resolved")]),
    (("n", *"seen 1", "enter"), [r.TakeNote("seen 1")]),
    (("n", "enter"), []),
    (("U", *"told them", "enter"), [r.TakeNote("told them", "update", "stakeholders")]),
    (("o", *"lights out", "enter"), [r.Improvise("lights out")]),
    (("w", "1", *"sam", "enter"), [r.TakeRole("incident-commander", "sam")]),
    (("w", "escape"), []),
    (("i", "escape"), []),  # next is a fault: asks, Cancel has the focus
    (("i", "enter"), []),
    (("i", "y"), [r.Release("slow-checkout")]),
    (("space", "y"), [r.Release("slow-checkout")]),
    (("down", "i"), [r.Release("vp-asks")]),
    (("down", "down", "i"), [r.Release("double-charges")]),
    (("down", "escape", "i", "y"), [r.Release("slow-checkout")]),
    (("down", "k", "y"), [r.Skip("vp-asks", "by the facilitator")]),
    (("h",), [r.Hint("slow-checkout")]),
    (("down", "h"), [r.Hint("vp-asks")]),
    (("x", "y"), [r.UndoNow("payments-dark")]),
    (("x", "enter"), [r.UndoNow("payments-dark")]),
    (("x", "escape"), []),
    (("p",), [r.Pause()]),
    (("e", "enter"), []),
    (("e", "y"), [r.Close()]),
    (("c", "d"), [r.Classify(UNCLASSIFIED, "decision")]),
    (("c", "escape"), []),
]


@played
@pytest.mark.long
async def test_every_key_asks_for_what_it_says() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        for keys, wanted in ONE_KEY:
            feed.sent.clear()
            await pilot.press(*keys)
            if wanted:
                await until(pilot, lambda: feed.sent)
            await pilot.pause()
            assert feed.sent == wanted, keys
            assert isinstance(app.screen, Run), keys
            # As the journal would after the entry was released: it may be asked for again below.
            app.screen._released.clear()
            await pilot.press("escape")


@played
async def test_a_stamp_is_of_the_moment_of_its_key() -> None:
    journal = running()
    feed, held = HeldFeed(journal.records), Held(130.0)
    app, _ = stage(feed, held)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        feed.locked.set()
        await pilot.press("g")
        held.clock = 137.5
        feed.locked.clear()
        await until(pilot, lambda: feed.sent)
        assert feed.sent == [r.Mark("diagnosed", ago=7.5)]


@played
async def test_a_note_is_of_the_moment_it_was_begun() -> None:
    journal = running()
    feed, held = HeldFeed(journal.records), Held(130.0)
    app, _ = stage(feed, held)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("n", *"slow")
        held.clock = 150.0
        await pilot.press("enter")
        await until(pilot, lambda: feed.sent)
        assert feed.sent == [r.TakeNote("slow", ago=20.0)]


@played
async def test_backdating_waits_for_the_stamp_and_adds_up() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, held = stage(feed, Held(630.0))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("g", "minus", "minus", "underscore")
        await until(pilot, lambda: feed.sent)
        await pilot.pause()
        assert feed.sent == [r.Mark("diagnosed")], "a stamp that is not seen yet can't be moved"
        stamp = journal.stamp("diagnosed", 630.0)
        await post(pilot, journal.records)
        await until(pilot, lambda: len(feed.sent) == 2)
        assert feed.sent[1:] == [r.Move(stamp.seq, 420.0)]
        moved = journal.stamp("diagnosed", 630.1, ago=420.0)
        journal.add(e.MilestoneWithdrawn(stamp.seq), at=630.1)
        await post(pilot, journal.records)
        held.clock = 640.0
        await pilot.press("u")
        await until(pilot, lambda: len(feed.sent) == 3)
        assert feed.sent[2] == r.Withdraw(moved.seq, "undone in the console")
        # The withdrawal is on its way: the next one takes the stamp before, never the same twice.
        await pilot.press("u")
        await until(pilot, lambda: len(feed.sent) == 4)
        before = [record.seq for record in journal.records if isinstance(record.event, e.MilestoneReached)]
        assert feed.sent[3] == r.Withdraw(before[1], "undone in the console")


@played
async def test_a_stamp_does_not_go_back_to_before_the_exercise() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed, Held(137.0))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("g", "minus", "minus", "minus")
        await until(pilot, lambda: "NOT MOVED" in words(app))
        told = " ".join(words(app).split())
        assert "the exercise was only 137 s old then: the stamp stays;" in told
        assert "--ago 1m8s says another time" in told
        stamp = journal.stamp("diagnosed", 137.0)
        await post(pilot, journal.records)
        # What went before the refused key still counts.
        await until(pilot, lambda: len(feed.sent) == 2)
        assert feed.sent == [r.Mark("diagnosed"), r.Move(stamp.seq, 120.0)]
        moved = journal.stamp("diagnosed", 137.1, ago=120.0)
        journal.add(e.MilestoneWithdrawn(stamp.seq), at=137.1)
        await post(pilot, journal.records)
        await pilot.press("escape", "minus")
        await until(pilot, lambda: "only 17 s old" in " ".join(words(app).split()))
        assert "goes back" not in words(app)
        await pilot.press("u")
        await until(pilot, lambda: len(feed.sent) == 3)
        assert feed.sent[2] == r.Withdraw(moved.seq, "undone in the console")


@played
async def test_a_stamp_whose_move_was_refused_can_be_moved_again() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed, Held(630.0))
    async with app.run_test(size=SMALL) as pilot:
        stamp = journal.stamp("diagnosed", 630.0)
        await post(pilot, journal.records)
        await pilot.press("minus")
        await until(pilot, lambda: feed.sent)
        app.post_message(RequestRefused(feed.sent[0], "no"))
        await until(pilot, lambda: "NOT TAKEN" in words(app))
        await pilot.press("minus")
        await until(pilot, lambda: len(feed.sent) == 2)
        assert feed.sent[1] == r.Move(stamp.seq, 60.0)


@played
async def test_stamps_of_machines_are_not_moved() -> None:
    journal = Journal().start().steady()
    journal.add(e.MilestoneReached("impact"), at=31.0, source="engine")
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("minus", "u")
        await pilot.pause()
        assert feed.sent == []
        assert "no stamp of yours" in words(app)


@played
async def test_no_key_does_anything_while_somebody_types() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    typed = "125dagmrMnuUihkpxseq?!-_ cow"
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        # All at once, as a terminal delivers what was typed while the machine was busy.
        for letter in "n" + typed:
            app.post_message(events.Key("space" if letter == " " else letter, letter))
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: feed.sent)
        await pilot.pause()
        assert feed.sent == [r.TakeNote(typed)]
        assert isinstance(app.screen, Run)


@played
async def test_a_draft_is_kept_with_its_time() -> None:
    journal = running()
    feed, held = HeldFeed(journal.records), Held(130.0)
    app, _ = stage(feed, held)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("n", *"half", "escape")
        held.clock = 160.0
        await pilot.press("U", *"sent", "enter")
        await pilot.press("n", *" a note", "enter")
        await until(pilot, lambda: len(feed.sent) == 2)
        assert feed.sent == [r.TakeNote("sent", "update", "stakeholders"), r.TakeNote("half a note", ago=30.0)]


@played
async def test_an_entry_is_released_once() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("down", "i", "down", "i")
        await until(pilot, lambda: feed.sent)
        await pilot.pause()
        assert feed.sent == [r.Release("vp-asks")]


@played
async def test_p_goes_on_after_a_pause_and_after_an_interruption() -> None:
    for journal in (states.paused(), states.interrupted()):
        feed = HeldFeed(journal.records)
        app, _ = stage(feed)
        async with app.run_test(size=SMALL) as pilot:
            await post(pilot, journal.records)
            await pilot.press("p")
            await until(pilot, lambda feed=feed: feed.sent)
            assert feed.sent == [r.Continue()]


@played
async def test_of_two_live_faults_one_is_chosen() -> None:
    journal = states.two_faults()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("x", "2")
        await until(pilot, lambda: feed.sent)
        assert feed.sent == [r.UndoNow("slow-checkout")]


@played
async def test_the_summary_is_shown_whole_and_sent_to_the_clipboard() -> None:
    journal = running()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await post(pilot, journal.records)
        await pilot.press("s")
        await pilot.pause()
        assert app.clipboard == (
            "14:32:10 UTC, EXERCISE “The payment provider goes dark at peak” (sandbox, SEV2): running, 2:10 in; "
            "1 fault live (payments-dark); reached: impact 14:30:31, detected +0:31, acknowledged +1:03; "
            "not yet: diagnosed, mitigated, resolved; headroom to abort 32%; updates to stakeholders next in 18:21."
        )
        told = f"SUMMARY, sent to the terminal's clipboard: {app.clipboard}"
        await until(pilot, lambda: told.replace(" ", "") in flowing(app))
        assert "copied" not in words(app), "nobody can know that it was"


@played
async def test_what_is_said_covers_nothing_and_goes_with_esc() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await post(pilot, journal.records)
        await pilot.press("down", "h", "n", *"typing")
        await until(pilot, lambda: "SAY THIS HINT (vp-asks)" in words(app))
        app.notify("as a toast would", title="Word", severity="error")
        await until(pilot, lambda: "Word: as a toast would" in words(app))
        assert not app.screen.query("Toast"), "a toast would lie over the line that is typed into"
        # Everything that has a place of its own is where it was, above and below.
        shown = words(app).splitlines()
        said = max(index for index, line in enumerate(shown) if line.startswith("█"))
        assert "typing" in shown[said + 1] and "^X ABORT" in shown[said + 2]
        assert "resolved     missing" in words(app) and "EFFECTIVE payments-dark" in words(app)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "as a toast would" not in words(app))


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (("g",), [r.Mark("diagnosed")]),
        (("p",), [r.Pause()]),
        (("x", "y"), [r.UndoNow("payments-dark")]),
        (("n", *"gx", "enter"), [r.TakeNote("gx")]),
    ],
)
@pytest.mark.parametrize("reading", ["question_mark", "l", "enter"])
@played
@pytest.mark.long
async def test_a_key_over_something_to_read_does_what_it_does(
    reading: str, keys: tuple[str, ...], wanted: list[r.Request]
) -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press(reading)
        await until(pilot, lambda: isinstance(app.screen, Listing))
        await pilot.press("down", "up", *keys)
        await until(pilot, lambda: feed.sent)
        assert feed.sent == wanted
        assert isinstance(app.screen, Run)


@played
async def test_a_key_that_a_question_does_not_take_is_not_lost_silently() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        for question in ("x", "e", "c", "q"):
            await pilot.press(question)
            await pilot.press("g")
            await until(pilot, lambda: "“g” was not taken" in words(app))
            await pilot.press("escape")
        assert feed.sent == []


@played
async def test_a_fault_that_is_gone_by_then_is_not_undone() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("x")
        journal.add(e.FaultRecovered("payments-dark", "accepts connections"), at=140.0)
        await post(pilot, journal.records)
        await pilot.press("y")
        await until(pilot, lambda: "payments-dark is not live any more" in words(app))
        assert feed.sent == []


@played
async def test_what_was_refused_is_told_in_words_until_it_is_put_away() -> None:
    class Deaf(HeldFeed):
        def send(self, request: r.Request) -> None:
            raise RefusedError("slow-checkout is not waiting any more")

    journal = running()
    app, _ = stage(Deaf(journal.records))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("i", "y")
        await until(pilot, lambda: "NOT TAKEN: releasing slow-checkout: slow-checkout is not waiting" in words(app))


@played
async def test_read_only_asks_for_nothing() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed, read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        for keys, _ in ONE_KEY:
            await pilot.press(keys[0])
        await pilot.press("ctrl+x", "f8", "exclamation_mark")
        await pilot.pause()
        assert (feed.sent, feed.aborts) == ([], [])
        assert "READ-ONLY" in words(app)
        await pilot.press("q")
    assert app.return_value == "detached"


@played
async def test_leaving() -> None:
    journal = running()
    for keys, left, aborts in (
        (("q", "enter", "q", "escape", "q", "d"), "detached", 0),
        (("ctrl+c", "d"), "detached", 0),
        (("q", "right", "enter"), "detached", 0),
        (("q", "a", "escape", "q", "d"), "detached", 1),
    ):
        feed = HeldFeed(journal.records)
        app, _ = stage(feed)
        async with app.run_test(size=SMALL) as pilot:
            await post(pilot, journal.records)
            await pilot.press(*keys)
            await pilot.pause()
        assert (app.return_value, len(feed.aborts)) == (left, aborts), keys
        assert feed.closed


@pytest.mark.parametrize("key", ["q", "ctrl+c", "enter"])
@played
async def test_after_the_end_nobody_is_asked(key: str) -> None:
    journal = states.aborted()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await until(pilot, lambda: isinstance(app.screen, Debrief))
        await pilot.press(key)
        await pilot.pause()
    assert app.return_value == "ended"


@played
async def test_what_is_said_while_picking_covers_nothing_and_goes_with_esc() -> None:
    app = Console(scenarios=lambda: states.CARDS, who="dana")
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await pilot.press("end", "down", "down", "enter")
        await until(pilot, lambda: "This file can't be run" in words(app) and "unknown key 'timelime'" in words(app))
        assert not app.screen.query("Toast") and "3 of 3 scenarios" in words(app)
        await pilot.press("escape")
        await until(pilot, lambda: "This file can't be run" not in words(app))
