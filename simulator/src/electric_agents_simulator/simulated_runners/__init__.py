"""Runners that a scenario starts, stops and kills.

`base` says what every one of them can do. `working` runs the real pull-wake runner and sends it
messages; `scripted` sends heartbeats that say what they are told to; `batch` keeps thousands in
one loop, without a connection or a task of their own.
"""
