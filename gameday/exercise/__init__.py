"""What happened: events, the fold over them, timings. Pure."""
