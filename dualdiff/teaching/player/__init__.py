"""The player: a run of f, forwards and backwards, as one page of HTML that needs neither a server nor a network."""
