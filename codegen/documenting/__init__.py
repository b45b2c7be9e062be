"""The package → the pages of its documentation site: what `python -m codegen docs` does."""
