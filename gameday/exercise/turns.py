"""How the evidence of a turn begins, of a fault that strikes again and again (`FaultRepeated`).

By itself, since a guardian and its workers need these words and no event.
"""

from __future__ import annotations

NOT_THIS_TIME = "not this time: "
"""How the evidence of a turn begins that a fault which goes on let pass."""
MAY_HAVE = "may have struck: "
"""How that of a strike begins of which nobody knows whether it came through."""
CALLED_OFF = "called off: "
"""How that of a strike begins that was announced, and stopped before anything was touched. It is no turn at all."""
