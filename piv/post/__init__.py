"""What follows from a vector field."""

from piv.post.derivatives import vorticity

__all__ = ["vorticity"]
