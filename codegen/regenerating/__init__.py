"""A revision taken in one command: `python -m codegen regenerate`, which is what `make regenerate` calls."""
