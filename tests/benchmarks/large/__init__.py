"""Benchmarks of large problems: reverse mode, sparse Jacobians, and several workers."""
