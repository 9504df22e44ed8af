"""All computing of the desktop program, in processes of its own; nothing here knows Qt."""
