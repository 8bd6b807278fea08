"""."""
def register(): pass
