"""The manual's part on what needs torch: pages of activations and remedies, portraits, and a table."""
