"""What an agents-server says and means.

Pure: no I/O, no clock, no state. Every rule here restates a fact of agents-server 0.6.4
(`packages/agents-server` of electric-sql/electric), named where it is used.
"""
