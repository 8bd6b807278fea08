"""Code as it is: what stands in the place of NumPy's functions while it runs, and what to write where none does."""
