"""Code as it is: NumPy's creation functions, work arrays and SciPy calls that take duals while a function runs."""
