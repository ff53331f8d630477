"""Makes the README's pictures from the example in reports/: the console as it stood at one moment, the debrief's top.

python -m docs.pictures [SECONDS]    (the moment on the exercise's clock; needs Chromium for the second picture)
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from gameday.console.app import Console
from gameday.console.clocks import Clocks
from gameday.engine.requests import Request
from gameday.exercise.events import ExerciseStarted
from gameday.exercise.record import Record, from_json

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "reports" / "example-payment-outage"
PICTURES = ROOT / "docs" / "pictures"


class Standstill:
    """A feed that gives out the records up to one moment and then nothing more."""

    def __init__(self, records: list[Record]) -> None:
        self.exercise = "example"
        self._records = records

    def poll(self) -> list[Record]:
        given, self._records = self._records, []
        return given

    def send(self, request: Request) -> None:
        raise OSError(f"a picture takes no requests: {request}")

    def abort(self, reason: str, by: str) -> str:
        return "a picture has nothing to abort"

    def engine_alive(self) -> bool:
        return True

    def close(self) -> None:
        return


async def console(moment: float) -> str:
    """The run screen at `moment` (seconds on the exercise's clock) as SVG."""
    journal = json.loads(EXAMPLE.with_suffix(".json").read_text())["journal"]
    records = [record for record in map(from_json, journal) if record.clock <= moment]
    first = records[0]
    assert isinstance(first.event, ExerciseStarted)
    records[0] = replace(first, event=replace(first.event, boot_id=""))
    wall = first.wall + moment
    app = Console(
        Standstill(records), clocks=Clocks(wall=lambda: wall, boot=lambda: 0.0, boot_id="-"), who="facilitator"
    )
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.snapshot.exercise.id:
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        return app.export_screenshot(title="gameday", simplify=True)


def main() -> int:
    moment = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "console.svg").write_text(asyncio.run(console(moment)))
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("no Chromium: the picture of the debrief was not made\n")
        return 1
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--window-size=1100,1180",
            f"--screenshot={PICTURES / 'debrief.png'}",
            EXAMPLE.with_suffix(".html").as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
