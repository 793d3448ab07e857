class AddressCounts:
    """How many connections each address has."""
