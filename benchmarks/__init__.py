"""Measurements, as ratios against peers in the same run. `make bench` runs them all; RESULTS.md keeps what they gave."""
