"""What the parameters of all faults have in common, as pydantic models.

Of its own, so that workers, which get what was validated already, need no pydantic: see `asked`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gameday.scenario.alone import Alone

Service = Annotated[str, Field(min_length=1, description="Name of a service that the target publishes.")]


class Parameters(Alone, BaseModel):
    """What stands under `with:`. Frozen, closed to unknown keys; durations are float seconds once they are read."""

    # Built when it is first asked for: most commands never read a parameter.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
