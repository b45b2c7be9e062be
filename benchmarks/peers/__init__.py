"""One module a client: `python -m benchmarks.peers.NAME WORK URL COUNT` does the work and prints what it took as JSON."""

REVISION = "2026-07-15"
"""What the peers send. The server of the benchmarks takes any, and reading ours would be part of their cold start."""
