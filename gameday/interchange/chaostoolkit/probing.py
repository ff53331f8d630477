"""A scenario's check as a probe of Chaos Toolkit, where that tool has no words of its own for what is asked.

Exported experiments name this function; it is run by `chaos`, beside which `gameday` has to be installed then.
"""

from __future__ import annotations

from typing import Any


def holds(check: dict[str, Any]) -> bool:
    """Whether `check`, as a scenario has it, holds now. Its addresses are written out, its secrets are places.

    Raises:
        RuntimeError: it does not, and why. Chaos Toolkit shows that; of a plain false it would show nothing.
    """
    from gameday.probes.sync import check as ask

    nothing = {"name": "none", "kind": "none", "environment": "", "names": {}, "measures": {}, "settings": {}}
    verdict = ask(check, nothing)
    if not verdict["holds"]:
        raise RuntimeError(f"{check.get('name') or 'the check'} does not hold: {verdict['evidence']}")
    return True
