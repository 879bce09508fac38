"""What Spillway costs and what it wins, as ratios measured in one run: `make bench`."""
