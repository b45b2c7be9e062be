"""What users get → source text."""
