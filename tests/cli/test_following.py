"""Following an exercise whose guardian was killed: until its engine is gone, and not whoever has its pid since."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gameday.cli import following
from gameday.exercise import events as ev
from gameday.store import Holder
from tests.cli.test_history import DONE, events_of, record_all


def journal(tmp_path: Path, holder: Holder) -> following.Follower:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    started, _, *rest = events_of(DONE, "t")
    record_all(url, DONE, time.time() - 60, [started, ev.EngineStarted(holder.pid, 1, holder.host), *rest], holder)
    return following.Follower(url, DONE)


def waited(follower: following.Follower, within: float) -> bool:
    waiting = threading.Thread(target=following._after_the_guardian, args=(follower,), daemon=True)
    waiting.start()
    waiting.join(within)
    over = not waiting.is_alive()
    follower.close()
    return over


def test_a_pid_that_is_used_again_is_not_the_engine(tmp_path: Path) -> None:
    mine = Holder.mine()
    assert waited(journal(tmp_path, replace(mine, start_ticks=mine.start_ticks - 1)), within=10.0)


def test_the_engine_itself_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "AFTERMATH", 1.5)
    began = time.monotonic()
    assert waited(journal(tmp_path, Holder.mine()), within=20.0)
    assert time.monotonic() - began >= 1.5
