"""A document → our intermediate form, through openapi-python-client."""
