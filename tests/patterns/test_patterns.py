"""Patterns that are compiled late do what those do that are compiled at once."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest

import gameday
from gameday.patterns import pattern


def test_it_is_compiled_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    real = re.compile

    def compile_it(text: Any, flags: int = 0) -> Any:
        compiled.append(text)
        return real(text, flags)

    monkeypatch.setattr(re, "compile", compile_it)
    word = pattern(r"(?P<first>[a-z])\w*", re.IGNORECASE)
    assert compiled == []
    found = word.match("Word")
    assert found is not None
    assert found["first"] == "W"
    assert word.match("_") is None
    assert compiled == [r"(?P<first>[a-z])\w*"]


def test_it_has_what_a_pattern_has() -> None:
    late, at_once = pattern(r"(\d+)(?P<unit>[a-z]*)", re.MULTILINE), re.compile(r"(\d+)(?P<unit>[a-z]*)", re.MULTILINE)
    assert late.findall("1a 22") == at_once.findall("1a 22")
    assert late.sub("-", "1a 22") == at_once.sub("-", "1a 22")
    assert (late.pattern, late.flags, late.groups, late.groupindex) == (
        at_once.pattern,
        at_once.flags,
        at_once.groups,
        at_once.groupindex,
    )
    with pytest.raises(AttributeError):
        late.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_all_of_ours_can_be_compiled() -> None:
    late = type(pattern(""))
    seen = 0
    for module in pkgutil.walk_packages(gameday.__path__, "gameday."):
        if not module.name.startswith(("gameday.scenario", "gameday.targets", "gameday.probes", "gameday.exercise")):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, late):
                assert value.pattern
                seen += 1
    assert seen > 20
