"""Random programs, differentiated in all ways, which must agree: ``python -m tests.fuzz --programs 1000 --seed 1``.

`vocabulary` has the steps of which programs are made, `programs` draws, shrinks and prints them, `checks` compares the
ways to differentiate them.
"""
