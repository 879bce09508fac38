"""What Spillway costs and wins, measured against others in the same run."""
