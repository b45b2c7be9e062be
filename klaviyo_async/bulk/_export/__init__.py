"""Exports: a collection read in parallel, to a loop or to a file."""
