"""One file for each kind of change in a script's text."""
