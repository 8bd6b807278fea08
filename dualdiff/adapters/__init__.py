"""Exact derivatives in the forms that other libraries for fitting, optimisation and learning expect.

A module for each library, under its name: ``from dualdiff.adapters.lmfit import residual_jacobian``.  None of the
libraries is a dependency; a module is imported only by those who use its library.
"""
