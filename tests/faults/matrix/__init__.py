"""The fault matrix: one row per fault F1 to F26, each on a real instance with a real PostgreSQL. Small rows in `make test`, all by `make faults`."""
