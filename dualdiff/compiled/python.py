"""Python objects."""
