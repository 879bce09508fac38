"""The console before a sick server, and under a crowd, in real time: minutes each, so by `python -m tests.faults.console` only."""
