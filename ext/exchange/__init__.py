"""The exchange: contracts, states, pipe and replies."""
