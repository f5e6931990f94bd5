"""Prometheus exporter for Electric Agents' pull-wake runners."""
