"""What every benchmark shares: interleaved rounds, tables, facts about the machine, a PostgreSQL, the results on disk."""
