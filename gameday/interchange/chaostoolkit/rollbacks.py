"""Which action each rollback undoes, as far as that is clear from what both say.

Chaos Toolkit plays its rollbacks after everything else and knows nothing of what they belong to. Here an undo belongs
to a fault, is held by the guardian from before that fault is injected, and is sent whatever happens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

Json = Any

_WORDS = """
start stop begin end enable disable add remove create delete cordon uncordon block unblock allow deny attach detach
suspend resume pause unpause open close set unset reset restore scale apply revert rollback inject clear install
uninstall kill terminate shutdown reboot drain undrain freeze unfreeze isolate connect disconnect rejoin throttle
unthrottle fail recover taint untaint lock unlock mount unmount increase decrease change swap toggle launch activate
deactivate authorize revoke grant break fix simulate cancel abort
"""
_VERBS = frozenset(_WORDS.split())


def matched(actions: Sequence[Json], rollbacks: Sequence[Json]) -> list[list[int]] | None:
    """For each action the rollbacks that undo it, by index, in order; None where that is not clear for all of them."""
    if len(actions) == 1:
        return [list(range(len(rollbacks)))]
    found: list[list[int]] = [[] for _ in actions]
    for index, rollback in enumerate(rollbacks):
        likeness = [alike(action["provider"], rollback["provider"]) for action in actions]
        best = max(likeness, default=0)
        if best == 0 or likeness.count(best) > 1:
            return None
        found[likeness.index(best)].append(index)
    return found


def alike(action: dict[str, Json], rollback: dict[str, Json]) -> int:
    """How much speaks for it that `rollback` undoes `action`; 0: nothing that could be relied on."""
    if action["type"] != rollback["type"] or action["type"] == "process":
        return 0  # a program's name says nothing: all of a method may be kubectl's
    if action["type"] == "http":
        same = urlsplit(action["url"])[:3] == urlsplit(rollback["url"])[:3]
        return (1 + (action.get("arguments") == rollback.get("arguments"))) if same else 0
    if action["module"].partition(".")[0] != rollback["module"].partition(".")[0]:
        return 0
    if _object_of(action["func"]) != _object_of(rollback["func"]):
        return 0
    ours, theirs = action.get("arguments") or {}, rollback.get("arguments") or {}
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return 1
    shared = [key for key in ours if key in theirs]
    # Of one thing and another the same is done: the second is not undone by what undoes the first.
    return 1 + 2 * sum(bool(ours[key] == theirs[key]) for key in shared)


def _object_of(func: str) -> frozenset[str]:
    """What a function is about: `stop_chaos` and `start_chaos` are about chaos."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", func).lower())
    return frozenset(word.removesuffix("s") for word in words if word not in _VERBS)
