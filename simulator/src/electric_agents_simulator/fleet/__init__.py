"""Runners on a stage: real ones, puppets, and crowds, led through a scenario."""
