"""Attacks on a running exporter, and what each does to its polls, its scrapes and its memory."""
