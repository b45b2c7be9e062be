"""What changed between two revisions: `python -m codegen diff`."""
