"""What we know of every runner now, and what changed: the only mutable state of the exporter."""
