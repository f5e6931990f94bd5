"""A pull-wake runner: a client of an agents-server's HTTP API and of nothing else."""
