"""Base of all generated models (under construction: see docs/design/decoding.md)."""
