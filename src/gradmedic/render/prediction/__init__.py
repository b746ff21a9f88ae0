"""What a prediction looks like: a screen, a page, and JSON."""
