"""`gameday sandbox down` under a live exercise, and a run whose reader goes away: what was broken is undone."""

from __future__ import annotations

import subprocess
import sys

from gameday.sandbox import control
from gameday.sandbox.ledger import read, standing
from tests.support.runs import Place

OUTAGE = """
version: 1
title: Payments are slow
target: sandbox
timeline:
  - id: slow
    at: 0s
    fault: latency
    with: {service: payments, delay: 300ms}
    for: 1m
abort_when:
  - name: the storefront is down
    http: {url: "${storefront}/health"}
    unless: {status: 200}
    for: 30s
limits: {percent: 100}
"""
SHORT = OUTAGE.replace("1m", "1s")


def test_it_is_not_taken_down_under_an_exercise(place: Place) -> None:
    place.write("slow.yaml", OUTAGE)
    process = place.start("run", "slow.yaml", "--unattended")
    state = place.wait_until("the fault is in", lambda x: x.faults and x.faults["slow"].effective)
    # Whatever the store of whoever asks.
    elsewhere = {"GAMEDAY_STORE": str(place.folder / "other.db")}
    refused = subprocess.run(
        [sys.executable, "-m", "gameday", "sandbox", "down"],
        env=place.environment | elsewhere,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (refused.returncode, refused.stdout) == (5, "")
    assert f"exercise {state.id} (store {place.store}) uses this sandbox" in refused.stderr
    assert f"gameday abort {state.id}" in refused.stderr
    assert "--force" in refused.stderr
    folder = place.folder / "sandbox"
    assert control.find(folder) is not None
    assert standing(read(folder)), "nobody has touched its fault"

    assert place.call("abort").returncode == 0, place.said()
    assert process.wait(30) == 3, place.said()
    place.gone()
    assert standing(read(folder)) == []
    assert place.call("sandbox", "down").returncode == 0
