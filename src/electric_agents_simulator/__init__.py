"""A Python agents-server and its pull-wake runners: demo, test bench, benchmark load."""
