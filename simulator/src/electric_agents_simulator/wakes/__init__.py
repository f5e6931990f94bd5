"""How work reaches a runner: durable streams, and the subscriptions that wake and are claimed.

All in memory, as the real server's embedded streams server holds its subscriptions.
"""
