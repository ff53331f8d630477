"""What the shop is made of: its services and the processes around them, versions, feature flags and patience. Data
only.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A service of the shop, or a process that the shop stands on; `module` is the one of this package that it runs."""

    name: str
    module: str
    replicas: int
    version: str
    previous: str
    is_service: bool


SERVICES = (
    Part("storefront", "storefront", 1, "v1", "v1", True),
    Part("checkout", "checkout", 2, "v1", "v1", True),
    Part("payments", "payments", 1, "v2", "v1", True),
    Part("inventory", "inventory", 1, "v1", "v1", True),
)
PLATFORM = (
    Part("proxy", "proxy", 1, "v1", "v1", False),
    Part("load", "load", 1, "v1", "v1", False),
    Part("alerts", "alerts", 1, "v1", "v1", False),
)
PARTS = {part.name: part for part in (*SERVICES, *PLATFORM)}
SERVICE_NAMES = tuple(part.name for part in SERVICES)

FLAGS = {
    "payments-fallback": "checkout takes the order and queues the payment when payments does not answer",
    "inventory-cache": "checkout sells from its last known stock when inventory does not answer",
}

MOST_REPLICAS = 10

# What it means for shoppers when a service has no instance at all.
WITHOUT = {
    "storefront": "nobody can enter the shop",
    "checkout": "nobody can buy anything",
    "payments": "no order can be paid, unless the flag payments-fallback is on",
    "inventory": "no order can be placed, unless the flag inventory-cache is on",
}

# Deploys that happened before the sandbox came up: (service, version, seconds ago). The last one of payments is recent
# enough to be suspected.
EARLIER_DEPLOYS = (
    ("storefront", "v1", 6 * 86_400.0),
    ("inventory", "v1", 5 * 86_400.0),
    ("payments", "v1", 4 * 86_400.0),
    ("checkout", "v1", 2 * 86_400.0),
    ("payments", "v2", 25 * 60.0),
)

# How long who waits for whom, in seconds: each caller outwaits what it calls, so that the cause reaches the shopper.
BACKEND_PATIENCE = 1.0
CHECKOUT_PATIENCE = 1.5
SHOPPER_PATIENCE = 2.5
FALLBACK_PATIENCE = 0.25

DEFAULT_RATE = 20.0
