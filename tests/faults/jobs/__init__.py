"""Job updates under faults: what was acknowledged is written, nothing moves backwards, the ledger adds up. Small here, full by `make faults`."""
