"""Tasks for the tests of the computing processes."""
