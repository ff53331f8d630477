"""Tests on Kubernetes: over real HTTP, against the double or a real cluster."""
