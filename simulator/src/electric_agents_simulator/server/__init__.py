"""The HTTP surface of agents-server 0.6.4, in memory or on a socket."""
