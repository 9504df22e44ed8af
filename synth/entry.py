"""Where the command ``piv-synth`` begins."""

from __future__ import annotations

from piv.entry import begin


def main() -> int:
    """Run ``piv-synth``; returns the exit status."""
    return begin("piv-synth", "synth.cli")
