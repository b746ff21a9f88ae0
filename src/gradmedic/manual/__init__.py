"""The manual's part on activations: their pages, their portraits, and a table of all."""
