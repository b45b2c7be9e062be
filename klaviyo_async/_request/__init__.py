"""A call's arguments → a request: checks, the wire form of the query, bodies."""
