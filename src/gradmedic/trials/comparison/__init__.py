"""Activations compared: every swap, seed by seed, and who is ahead."""
