"""Widgets: they show, and emit what the user wishes; they compute nothing."""
