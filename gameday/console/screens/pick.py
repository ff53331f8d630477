"""Pick a scenario: the files that were found, filtered by typing; a broken one shows what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Footer, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from gameday.console.preview_model import ScenarioCard
from gameday.console.screens.base import ConsoleScreen
from gameday.console.times import clean, count_text
from gameday.scenario.duration import format_duration


class Pick(ConsoleScreen):
    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding(
            "enter", "pick", "preview", id="pick.preview", tooltip="See what the scenario would touch.", priority=True
        ),
        Binding("up", "move(-1)", "up", show=False, id="pick.up"),
        Binding("down", "move(1)", "down", show=False, id="pick.down"),
        Binding("escape", "clear", "clear the filter", id="pick.clear"),
    ]

    ESC_HUSHES = True

    def __init__(self, cards: Sequence[ScenarioCard]) -> None:
        super().__init__()
        self._cards = cards
        self._shown: list[ScenarioCard] = []

    def compose(self) -> ComposeResult:
        yield Static("gameday: pick a scenario", classes="heading")
        yield Input(placeholder="type to filter", id="filter", compact=True)
        yield OptionList(id="cards", markup=False)
        yield Label("", id="pick-foot", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._list("")
        self.query_one(Input).focus()

    def on_resize(self) -> None:
        self._list(self.query_one(Input).value)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def _list(self, wanted: str) -> None:
        words = wanted.casefold().split()
        self._shown = [card for card in self._cards if all(word in _searched(card) for word in words)]
        listing = self.query_one(OptionList)
        here = listing.highlighted or 0
        width = max(40, self.size.width - 6)
        listing.clear_options()
        listing.add_options([Option(_drawn(card, width)) for card in self._shown])
        if self._shown:
            listing.highlighted = min(here, len(self._shown) - 1)
        found = f"{len(self._shown)} of {count_text(len(self._cards), 'scenario')}"
        hint = "" if self._cards else ": `gameday new` writes one"
        self.query_one("#pick-foot", Label).update(found + hint)

    def action_move(self, step: int) -> None:
        listing = self.query_one(OptionList)
        if self._shown:
            listing.highlighted = max(0, min(len(self._shown) - 1, (listing.highlighted or 0) + step))

    def action_clear(self) -> None:
        self.hush()
        self.query_one(Input).value = ""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_pick()

    def action_pick(self) -> None:
        index = self.query_one(OptionList).highlighted
        if index is None or index >= len(self._shown):
            return
        card = self._shown[index]
        if card.error:
            self.notify(card.error, title="This file can't be run", severity="error", markup=False)
        else:
            self.console.preview(card.path)


def _searched(card: ScenarioCard) -> str:
    return " ".join((str(card.path), card.title, card.category, card.severity, card.target, card.error)).casefold()


def _drawn(card: ScenarioCard, width: int) -> Content:
    if card.error:
        return Content("\n").join(
            [
                Content.assemble(("INVALID ", "bold $text-error"), (card.path.name, "bold")).truncate(
                    width, ellipsis=True
                ),
                Content.styled(f"  {clean(card.error)}", "$text-error").truncate(width, ellipsis=True),
            ]
        )
    facts = [
        card.category,
        card.severity,
        f"target {card.target or 'none'}",
        count_text(card.faults, "fault") if card.faults else "no faults",
        f"at most {format_duration(card.duration)}" if card.duration is not None else "",
    ]
    return Content("\n").join(
        [
            Content.styled(clean(card.title) or card.path.name, "bold").truncate(width, ellipsis=True),
            Content.styled(
                f"  {', '.join(fact for fact in facts if fact)}  {card.path}", "$foreground-darken-3"
            ).truncate(width, ellipsis=True),
        ]
    )
