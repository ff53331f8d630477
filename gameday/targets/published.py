"""What each target is known to publish without being reached: for the checks of scenario files. Reads nothing.

The sandbox is the same wherever it runs, so its names are known before it is up; where they lead is known only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.scenario.published import Published, Targets

if TYPE_CHECKING:
    from gameday.targets.settings import Settings, TargetSettings

SANDBOX_SERVICES = ("storefront", "checkout", "payments", "inventory")
SANDBOX_NAMES = (*SANDBOX_SERVICES, "metrics", "alertmanager", "control", "load")
"""What the sandbox publishes addresses for."""
SANDBOX_MEASURES: dict[str, dict[str, Any]] = {
    "error-rate": {"metrics": {"name": "shop_error_rate", "url": "${metrics}"}},
    "latency-p95": {"metrics": {"name": "shop_latency_p95_seconds", "url": "${metrics}"}},
    "request-rate": {"metrics": {"name": "shop_requests_per_second", "url": "${metrics}"}},
}
"""As shoppers see it: the share of purchases that fail (0 to 1), the time they take (s), how many there are (1/s)."""
SANDBOX_ALERTS = ("CheckoutErrors", "CheckoutSlow", "InstanceDown", "StorefrontDown")

_SANDBOX = Published("sandbox", SANDBOX_NAMES, SANDBOX_SERVICES, tuple(SANDBOX_MEASURES), SANDBOX_ALERTS)


def known_targets(settings: Settings | None, chosen: str | None = None) -> Targets:
    """The targets that scenarios can name: the sandbox, and those of `settings` (None: there is no settings file).

    `chosen` is the one named on the command line, where one is.
    """
    published = {"sandbox": _SANDBOX}
    for name, said in settings.targets.items() if settings is not None else ():
        services = None if said.kind == "other" else tuple(said.services)
        published[name] = Published(name, tuple(published_names(said)), services, tuple(said.measures))
    return Targets(published, settings is not None and settings.path is not None, chosen)


def published_names(said: TargetSettings) -> dict[str, str]:
    """What `${name}` stands for on a target of the settings file: its names, and the addresses of its services."""
    addresses = {name: one.address for name, one in said.service_tables.items() if one.address is not None}
    return {**addresses, **said.names}
