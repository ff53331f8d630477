"""Imported once by whoever forks workers for a cluster, so that they find everything there.

And told to keep the kubeconfig in memory, from which they log in where its file is gone by then.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - by which every name of a server goes, also one that is an address
import ssl  # noqa: F401

from gameday.cluster import evidence, lease, marks, official  # noqa: F401

official.load()

from gameday.cluster.logins import keep  # noqa: E402, F401
