"""Speaks to Kubernetes API servers: requests, objects, marks, claims, evidence. Knows no fault and no scenario."""
