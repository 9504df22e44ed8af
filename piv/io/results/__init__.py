"""The results of an analysis or of a whole run, in one HDF5 file; docs/results.md."""
