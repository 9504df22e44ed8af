"""The coarse stage: multi-pass FFT cross-correlation of interrogation windows."""

from piv.correlate.multipass import Grid, coarse_field, multipass

__all__ = ["Grid", "coarse_field", "multipass"]
