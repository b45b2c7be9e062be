"""The specs and the overrides that go with them, read as one document for each revision."""
