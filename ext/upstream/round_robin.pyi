def spread(weights: list[int]) -> list[int]:
    """Indexes, each as often as its weight, as far from its own kind as possible."""
