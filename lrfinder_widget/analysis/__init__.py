"""From a curve of losses to a learning rate: NumPy only, no effects."""
