"""Where the probe is called by torch, and how it is taken out again."""
