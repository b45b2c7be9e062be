"""What users get of a revision: resources, names, the operation table, the keywords of writes."""
