"""Chaos Toolkit's experiments, both ways. Nothing here runs, imports or asks anything that an experiment names."""
