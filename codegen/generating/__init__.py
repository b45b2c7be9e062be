"""Specs → source: what `python -m codegen generate` and `check` do, with openapi-python-client as the parser."""
