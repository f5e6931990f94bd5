"""What an agents-server keeps: its tables, in SQLite or PostgreSQL, and the queries on them."""
