"""Which alerts fire, from Alertmanager's API version 2 (`GET /api/v2/alerts`).

Silenced and inhibited alerts are left out: nobody is told of them, and an expectation is about being told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import AnswerKind
from gameday.frozen import frozen
from gameday.probes.answers import NoAnswer, clean, excerpt
from gameday.probes.fetching import fetch
from gameday.probes.http import document_of

if TYPE_CHECKING:
    import httpx

MOST = 1000
"""Alerts that are looked at; a storm beyond that is the target's trouble, not the exercise's."""


@frozen
class Alert:
    """One firing alert. `starts_at` is in unix seconds, None where the server gave no time that can be read."""

    name: str
    starts_at: float | None
    summary: str
    labels: dict[str, str] = field(default_factory=dict)


@frozen
class AlertsAnswer:
    """The alerts, with kind `value` (an empty list is one too), or why there are none to be had."""

    kind: AnswerKind
    alerts: list[Alert] = field(default_factory=list)
    detail: str = ""


async def alerts(client: httpx.AsyncClient, url: str, timeout: float, names: Collection[str] = ()) -> AlertsAnswer:
    """The firing alerts, of `names` if given, at the Alertmanager with base address `url`; within `timeout` seconds."""
    params = {"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "true"}
    if names:
        pattern = "|".join(re.escape(name) for name in sorted(names))
        # Anchored by Alertmanager itself. A server that takes no filters is filtered here, below.
        params["filter"] = 'alertname=~"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        reply = await fetch(client, url.rstrip("/") + "/api/v2/alerts", within=timeout, params=params)
        if reply.status != 200:
            raise NoAnswer("error", f"status {reply.status} where alerts were due: {reply.excerpt}")
        document = document_of(reply)
        if not isinstance(document, list):
            raise NoAnswer("error", f"JSON, but no list of alerts: {reply.excerpt}")
        found = [alert for alert in map(_alert, document[:MOST]) if alert and (not names or alert.name in names)]
    except NoAnswer as none:
        return AlertsAnswer(none.kind, detail=none.detail)
    return AlertsAnswer("value", found)


def _alert(raw: Any) -> Alert | None:
    """One element of the reply; None where it isn't an alert, or not one that fires."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("labels"), Mapping):
        return None
    status = raw.get("status")
    if isinstance(status, Mapping) and status.get("state", "active") not in ("active", "unprocessed"):
        return None
    labels = {excerpt(str(key)): excerpt(str(value)) for key, value in raw["labels"].items()}
    annotations = raw.get("annotations")
    notes = annotations if isinstance(annotations, Mapping) else {}
    summary = excerpt(str(notes.get("summary") or notes.get("description") or ""))
    return Alert(str(clean(labels.get("alertname", ""))), unix_seconds(raw.get("startsAt")), summary, labels)


def unix_seconds(text: Any) -> float | None:
    """Of an RFC 3339 time; None where it is none."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
