"""Manifests of Chaos Mesh as scenarios: faults, Schedules and simple Workflows."""
