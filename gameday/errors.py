"""Errors that a person is meant to read, and the exit codes of the command.

GamedayError            what happened, where, what to do
├── ScenarioError       a file is wrong                              exit 2
├── UsageError          the command was given something it can't use exit 2
├── RefusedError        policy, preflight or another exercise says no exit 5
├── TargetError         the target can't be reached or resolved       exit 5
└── StoreError          the journal can't be read or written          exit 4, or 2 where no fault can stand
                                                                       because of it (cli/main.py)
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; public, see docs/cli.md."""

    OK = 0
    """Done as hoped. "Not observed" is not a failure."""
    FAILED = 1
    """The hypothesis, or an expectation that could have been met, failed."""
    INVALID = 2
    """Invalid input."""
    ABORTED = 3
    NOT_RECOVERED = 4
    """A fault is not recovered, or nobody can say."""
    REFUSED = 5
    """Refused before anything was touched."""


class GamedayError(Exception):
    """Base of all errors that are shown without a traceback."""

    exit_code = Exit.FAILED


class ScenarioError(GamedayError):
    exit_code = Exit.INVALID


class UsageError(GamedayError):
    exit_code = Exit.INVALID


class RefusedError(GamedayError):
    exit_code = Exit.REFUSED


class TargetError(GamedayError):
    exit_code = Exit.REFUSED


class StoreError(GamedayError):
    exit_code = Exit.NOT_RECOVERED
