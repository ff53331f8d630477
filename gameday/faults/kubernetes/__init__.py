"""Faults by the plain Kubernetes API, one file each. Declarations stand with the portable faults, one folder up."""
