"""From a snapshot to the exposition: one table of rows, and the bytes made of it."""
