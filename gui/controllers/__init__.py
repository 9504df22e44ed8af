"""What the window's wishes mean: each module joins the session, the workers and a view."""
