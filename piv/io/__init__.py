"""Files in and out: images, results."""
