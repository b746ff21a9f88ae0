"""What a treatment looks like: a screen and a page."""
