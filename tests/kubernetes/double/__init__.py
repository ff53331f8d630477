"""Tests of the double itself; those without the mark run against a real cluster too."""
