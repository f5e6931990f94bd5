"""A Python agents-server and its pull-wake runners, for demos, tests and benchmarks.

`server` answers as agents-server 0.6.4 does. `wakes` holds its streams and subscriptions, and
`storage` its tables. `runner` is a pull-wake runner; it knows the server by its HTTP API alone.
`simulated_runners` starts, stops and kills many of them, and `scenarios` says when.
"""
