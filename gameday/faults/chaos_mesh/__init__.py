"""Faults that Chaos Mesh does: the experiment of each, and what they have in common."""
