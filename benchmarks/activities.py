"""Python actions that an exercise or an experiment calls. (`time.sleep` takes no keyword: it can't be one.)"""

from __future__ import annotations

import time


def sleep(seconds: float) -> None:
    time.sleep(seconds)
