"""Asking: http, prometheus, metrics, tcp, process, activities. Decides nothing about what the answers mean."""

import sys
from collections.abc import Mapping
from typing import Any

# Where Rich is installed, httpx brings its command line along: a third of what importing it costs, for nothing here.
# A module that is None can't be imported, and httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

HTTP = frozenset({"http", "prometheus", "metrics", "measure"})
"""Kinds of probes for which a client is needed, or may be."""


def needed(found: Any) -> list[str]:
    """What has to be imported before a scenario (or a part of one, as JSON) can ask and judge, as `module:function` to
    call; nothing where it is quick to import."""
    asks = over_http(found)
    return [
        *(["gameday.probes.fetching:prepare"] if asks else []),
        *(["gameday.probes.judge:prepare"] if asks or _says(found, {"matches"}) else []),
    ]


def over_http(found: Any) -> bool:
    """Whether a scenario (or a part of one, as JSON) may ask over HTTP; else nobody need wait for a client."""
    return _says(found, HTTP)


def _says(found: Any, keys: frozenset[str] | set[str]) -> bool:
    if isinstance(found, Mapping):
        return any((key in keys and each is not None) or _says(each, keys) for key, each in found.items())
    return isinstance(found, list) and any(_says(each, keys) for each in found)
