"""The sandbox's alert rules, and when an alert fires: pure functions of what was sampled.

An alert fires when its condition has held for some seconds, and is gone with the first sample in which it doesn't.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

FOR = 3.0


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment. A number that can't be had is NaN and breaches nothing."""

    error_rate: float
    p95: float
    storefront_answers: bool
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """`breaches` says of a sample for which services the condition holds, and the value or state in words."""

    name: str
    severity: str
    breaches: Callable[[Sample], dict[str, str]]


@dataclass(frozen=True)
class Alert:
    """A condition that holds since `since`, and since `fired` (unix seconds) for long enough."""

    name: str
    severity: str
    service: str
    summary: str
    since: float
    fired: float | None = None


def _errors(sample: Sample) -> dict[str, str]:
    if not sample.error_rate > 0.2:
        return {}
    return {"checkout": f"{sample.error_rate:.0%} of purchases fail"}


def _slow(sample: Sample) -> dict[str, str]:
    if not sample.p95 > 0.8:
        return {}
    return {"checkout": f"A purchase takes {sample.p95:.2f} s (95th percentile)"}


def _missing(sample: Sample) -> dict[str, str]:
    return sample.missing


def _storefront(sample: Sample) -> dict[str, str]:
    return {} if sample.storefront_answers else {"storefront": "The storefront does not answer its health check"}


RULES = (
    Rule("CheckoutErrors", "critical", _errors),
    Rule("CheckoutSlow", "warning", _slow),
    Rule("InstanceDown", "warning", _missing),
    Rule("StorefrontDown", "critical", _storefront),
)

Alerts = dict[tuple[str, str], Alert]


def evaluate(known: Alerts, sample: Sample, now: float) -> Alerts:
    """The alerts after a sample taken at `now` (unix seconds), firing or not, by alert name and service."""
    alerts = {}
    for rule in RULES:
        for service, summary in rule.breaches(sample).items():
            before = known.get((rule.name, service))
            since = before.since if before else now
            fired = before.fired if before else None
            if fired is None and now - since >= FOR:
                fired = now
            alerts[rule.name, service] = Alert(rule.name, rule.severity, service, summary, since, fired)
    return alerts


def firing(alerts: Alerts) -> list[Alert]:
    """Those that fire, first fired first."""
    return sorted((alert for alert in alerts.values() if alert.fired is not None), key=lambda alert: alert.fired or 0)
