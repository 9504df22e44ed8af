"""Many pairs, one store: processes that compute, one that writes, and going on where it stopped."""
