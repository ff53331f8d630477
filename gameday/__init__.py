"""Rehearse a bad day: game days and chaos exercises from one scenario file."""

__version__ = "0.1.0"
