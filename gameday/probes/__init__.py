"""Asking: http, prometheus, metrics, tcp, process, activities. Decides nothing about what the answers mean."""

import sys

# Where Rich is installed, httpx brings its command line along: a third of what importing it costs, for nothing here.
# A module that is None can't be imported, and httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
