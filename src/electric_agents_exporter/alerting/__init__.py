"""What a single exporter alerts on by itself, straight to Alertmanager."""
