"""What the operations do: generic code by method and path, and the quirks of each resource beside it."""
