"""Two runs side by side: on a screen, as a page and as JSON."""
