"""The keys of the run screen, in the order in which help lists them. Ids are public: a keymap may move any of them."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding

STAMPS: tuple[tuple[str, str], ...] = (
    ("1", "impact"),
    ("2,d", "detected"),
    ("3,a", "acknowledged"),
    ("4,g", "diagnosed"),
    ("5,m", "mitigated"),
    ("6,r", "resolved"),
)

_KEYS: tuple[Binding, ...] = (
    Binding("ctrl+x,f9", "app.abort", "ABORT", id="run.abort", priority=True, key_display="^X", tooltip="Abort."),
    *(
        Binding(
            keys,
            f"stamp('{milestone}')",
            milestone,
            id=f"run.{milestone}",
            show=False,
            tooltip=f"Stamp “{milestone}” as of this moment.",
        )
        for keys, milestone in STAMPS
    ),
    Binding(
        "M",
        "stamp('mitigated', True)",
        "partly mitigated",
        id="run.partly",
        show=False,
        tooltip="Stamp a partial mitigation (Shift+M).",
    ),
    Binding(
        "minus", "back(60)", "1 min back", id="run.back1", show=False, tooltip="Move the last stamp back by 1 minute."
    ),
    Binding(
        "underscore",
        "back(300)",
        "5 min back",
        id="run.back5",
        show=False,
        tooltip="Move the last stamp back by 5 minutes.",
    ),
    Binding("u", "unstamp", "undo stamp", id="run.unstamp", show=False, tooltip="Take the last stamp back."),
    Binding("n", "note", "note", id="run.note", tooltip="Write a note; its time is this moment. Classify it later."),
    Binding(
        "c", "classify", "classify", id="run.classify", show=False, tooltip="Say what kind of note the last one is."
    ),
    Binding(
        "U", "update", "update", id="run.update", show=False, tooltip="Record a status update that went out (Shift+U)."
    ),
    Binding(
        "i,space",
        "release",
        "release",
        id="run.release",
        key_display="i",
        tooltip="Release the next entry, or the chosen one, now (also Space).",
    ),
    Binding("k", "skip", "skip", id="run.skip", show=False, tooltip="Skip the next or the chosen entry."),
    Binding(
        "o", "improvise", "off script", id="run.improvise", show=False, tooltip="Tell people something off script."
    ),
    Binding("h", "hint", "hint", id="run.hint", tooltip="Give a hint; it is recorded."),
    Binding("w", "role", "role", id="run.role", show=False, tooltip="Say who has taken a role."),
    Binding("x", "undo_fault", "undo fault", id="run.undo", tooltip="Undo one fault now, before its time."),
    Binding("p", "pause", "pause", id="run.pause", tooltip="Pause the script or go on. Safety never pauses."),
    Binding("s", "summary", "summary", id="run.summary", show=False, tooltip="One line for an executive."),
    Binding(
        "l",
        "places",
        "where to look",
        id="run.places",
        show=False,
        tooltip="Where to look: status page, runbook, and every address that the target publishes.",
    ),
    Binding("e", "close", "end", id="run.close", tooltip="End the exercise."),
    Binding(
        "exclamation_mark", "real", "real!", id="run.real", show=False, tooltip="This is real: undo all, tell all."
    ),
    Binding("up", "move(-1)", "up", id="run.up", show=False, tooltip="Choose the entry above, or scroll."),
    Binding("down", "move(1)", "down", id="run.down", show=False, tooltip="Choose the entry below, or scroll."),
    Binding("enter", "whole", "in full", id="run.whole", show=False, tooltip="The next or the chosen entry in full."),
    Binding(
        "escape",
        "follow",
        "follow",
        id="run.follow",
        show=False,
        tooltip="Put away what is said; follow what is next again.",
    ),
    Binding("pageup", "scroll(-1)", "journal up", id="run.pageup", show=False, tooltip="Scroll the journal up."),
    Binding("pagedown", "scroll(1)", "journal down", id="run.pagedown", show=False, tooltip="Scroll the journal down."),
    Binding(
        "tab", "view", "view", id="run.view", show=False, tooltip="Timeline, journal, notes in turn (small screens)."
    ),
    Binding("f", "debrief", "debrief", id="run.debrief", tooltip="After the end: what came of it."),
    Binding("q", "leave", "leave", id="run.leave", tooltip="Leave the console: detach or abort."),
    Binding("question_mark", "help", "keys", id="run.help", tooltip="All keys."),
)

RUN_KEYS: tuple[Binding, ...] = tuple(replace(binding, priority=True) for binding in _KEYS)
"""With priority, so that a key is done with before the next one is looked at: `n` and what is typed right behind it
never get into each other's way. While somebody types, the screen lets all of them go (`Run.check_action`)."""

KEY_NAMES = {
    "minus": "-",
    "underscore": "_",
    "exclamation_mark": "!",
    "question_mark": "?",
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "↑",
    "down": "↓",
    "tab": "Tab",
    "ctrl+x": "Ctrl+X",
    "ctrl+c": "Ctrl+C",
    "ctrl+q": "Ctrl+Q",
    "f8": "F8",
    "f9": "F9",
}


def key_names(keys: str) -> str:
    """`i,space` -> `i Space`."""
    return " ".join(KEY_NAMES.get(key, key) for key in keys.split(","))
