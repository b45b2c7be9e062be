"""From a call's arguments to a request: checks, the wire form of the query, bodies."""
