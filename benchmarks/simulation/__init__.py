"""Time that costs nothing, and a server whose pool is arithmetic: what the pace is measured on."""
