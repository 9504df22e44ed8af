"""What the computing processes can do: one module for each area, one function for each task."""
