"""Two small scenarios to start from. Each is right as it stands, says in comments what to change, and runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

_TABLETOP = """\
# yaml-language-server: $schema=@SCHEMA@
#
# A tabletop: people, a story, no system. Change the story to one of yours; `gameday validate` says what is wrong.
version: 1
title: @TITLE@
description: >
  What happens, in three sentences, and what makes it hard.
category: infrastructure        # infrastructure, dependency, cascading, security or communication
severity: SEV2                  # what a good room would set ...
severity_why: Customers notice, and there is a way around.   # ... and why
roles: [incident-commander, technical-lead, communications-lead]
objectives:
  - What the team should be able to do afterwards. Two or three of these, that one can see.

target: none                    # nothing is touched

timeline:
  - id: first-sign
    at: 0s
    inject: The first thing that people see, an alert or a message, word for word.
    notes: For the facilitator only. What a good answer looks like, and what to watch.
    hint: What to say when the room is stuck. That it was given is recorded.
  - id: it-gets-worse
    after: {entry: first-sign, delay: 5m}
    inject: What turns up next.
    audience: [technical-lead]  # everybody, where this line is missing
  - id: status-please
    after: {milestone: acknowledged, delay: 3m}
    inject: A manager joins and asks when it will be over.
    audience: [incident-commander]
    notes: Good answer. A range, and the time of the next update.
  - id: another-one
    manual: true                # the facilitator releases it when the room goes too smoothly
    inject: A second thing goes wrong at the same time.

expect:                         # within counts from impact, here the first inject, unless `of` says otherwise
  - {milestone: acknowledged, within: 5m}
  - {milestone: diagnosed, within: 20m, of: detected}
  - {milestone: resolved, within: 45m, of: detected}
  - {update: stakeholders, every: 20m}

limits: {duration: 90m}
runbook: https://runbooks.example.com/change-me
"""

_SANDBOX = """\
# yaml-language-server: $schema=@SCHEMA@
#
# A real fault on the sandbox, the small shop that comes with gameday. Run it: gameday run @PATH@
version: 1
title: @TITLE@
description: >
  What breaks, what shoppers notice, and what the room can do about it.
category: dependency            # infrastructure, dependency, cascading, security or communication
severity: SEV2                  # what a good room would set ...
severity_why: Shoppers notice, and there is a way around.   # ... and why
roles: [incident-commander, technical-lead]
objectives:
  - What the team should be able to do afterwards. Two or three of these, that one can see.

parameters:                     # gameday run ... --set outage=10m
  outage: {default: 20s, description: How long the fault stays.}

target: sandbox

steady_state:                   # must hold before, and again afterwards
  - name: shoppers can check out
    measure: error-rate
    expect: {below: 0.05}

timeline:
  - id: background
    at: 0s
    inject: What everybody knows when it begins.
    notes: For the facilitator only.
  - id: outage
    at: 5s
    fault: dependency-outage    # or error-rate, latency, pod-freeze, pod-kill
    with: {service: payments, mode: refused}
    for: ${outage}
  - id: pressure
    after: {milestone: acknowledged, delay: 2m}
    inject: A manager joins and asks when it will be over.
    audience: [incident-commander]
    notes: Good answer. A range, and the time of the next update.
  - id: afterwards
    after: {entry: outage, delay: 10s}
    inject: It works again. Who says that it is over, and on what evidence?

expect:
  - {alert: CheckoutErrors, within: 20s}   # a machine's job, judged unattended too
  - {milestone: acknowledged, within: 5m, of: detected}
  - {milestone: mitigated, within: 15m}

abort_when:                     # what must never happen; then every fault is undone at once
  - name: the storefront itself does not answer
    http: {url: "${storefront}/health", timeout: 2s}
    unless: {status: 200}
    every: 1s
    consecutive: 5

limits: {duration: 30m, recovery: 30s, pods: 1, percent: 50}
runbook: https://runbooks.example.com/change-me
"""

TEMPLATES: Mapping[str, str] = MappingProxyType({"tabletop": _TABLETOP, "sandbox": _SANDBOX})


def filled(template: str, *, title: str, path: str, schema: str) -> str:
    """The text of a new scenario file. `schema` is where editors find the schema, relative to the file at `path`."""
    quoted = json.dumps(" ".join(title.split()), ensure_ascii=False)
    one_line = " ".join(path.split())
    # The title last: it may have any text in it.
    return TEMPLATES[template].replace("@SCHEMA@", schema).replace("@PATH@", one_line).replace("@TITLE@", quoted)
