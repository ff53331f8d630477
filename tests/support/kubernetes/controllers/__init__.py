"""What makes the double move: the controllers of a cluster as far as gameday can see their work."""
