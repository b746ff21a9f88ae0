"""Start a script as Python would, and stay with it to its end."""
