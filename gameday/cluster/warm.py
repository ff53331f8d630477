"""Imported once by whoever forks workers for a cluster, so that they find everything there; does nothing else."""

from __future__ import annotations

import ssl  # noqa: F401

from gameday.cluster import evidence, lease, marks, official  # noqa: F401

official.load()
