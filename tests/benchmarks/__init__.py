"""How fast dualdiff is, beside its peers: `python -m tests.benchmarks` prints the table.

The peers come with `pip install -e '.[bench]'`; one that is not installed leaves a dash in its row.

Each theme is a file with a list `WORKS`.  To add a work, write one small function for each contender, which
imports what it needs and returns the call to be timed, and list them there; `harness` does the rest.
"""
