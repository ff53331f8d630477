"""One screen for each task; decisions are modal screens."""
