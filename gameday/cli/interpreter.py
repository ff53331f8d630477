"""How our own processes are started. By itself, since the first of them is started before anything else is imported."""

from __future__ import annotations

import sys

PYTHON = (sys.executable, "-P")
"""Never with the current folder on the path, where anybody's `random.py` may lie."""
