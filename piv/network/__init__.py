"""The network that turns a pair and its coarse field into a vector at every pixel."""
