"""Exports on many machines: saq carries the parts, Redis shares the limits. See docs/exports.md."""
