"""What a coordinate check looks like: a screen, a page, and JSON."""
