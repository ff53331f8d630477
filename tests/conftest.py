"""Options of the whole suite."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.support import proofs
from tests.support.proofs import (  # noqa: F401 - pytest finds its hooks here
    pytest_configure,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_sessionfinish,
)

# Most of the suite's time goes to processes that import gameday. Without its bytecode each would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A sandbox's shoppers cost processor time for as long as it is up. Few are enough to be counted.
os.environ.setdefault("GAMEDAY_SANDBOX_RATE", "5")

# A build in the background (`&`, nohup) ignores them, and so would all that it starts; here they are what is tested.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow to draw examples. Where nobody watches, the same ones are drawn each time: what fails there can
# be run again here.
settings.register_profile(
    "gameday", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("gameday")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the long forms: those marked `long`")
    parser.addoption("--kills", type=int, default=None, help="how many kill tests at random moments (default 5)")
    proofs.add_option(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`, unless it is asked for, named by itself, or meant for a real cluster."""
    named = any("::" in argument for argument in config.args)
    _long_ones_first(items)
    if config.getoption("--long") or config.getoption("markexpr") or named or "GAMEDAY_TEST_KUBECONFIG" in os.environ:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)


def _long_ones_first(items: list[pytest.Item]) -> None:
    """The long forms at the beginning of each worker's share, so that at the end nobody waits for one of a minute."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    forms = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for number in range(workers)
        for item in (*forms[number::workers], *others[number * share : (number + 1) * share])
    ]
