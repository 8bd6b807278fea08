"""Bridges to other libraries, each loaded by those who use it."""
