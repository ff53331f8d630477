"""Measures what `gameday` promises about time, beside a limit or a peer. See docs/benchmarks.md."""
