"""A Python agents-server and its pull-wake runners: demo, test bench, benchmark load.

`server` answers as agents-server 0.6.4 does, `wakes` holds its streams and subscriptions,
`storage` its tables; `runner` is a client of the HTTP API alone; `fleet` and `scenarios` put
runners and troubles on a stage.
"""
