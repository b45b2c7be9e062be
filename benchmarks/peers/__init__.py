"""One module a client: `python -m benchmarks.peers.NAME WORK URL COUNT` does the work and prints what it took as JSON."""
