"""Second moments of tensors, and what shapes and sums do to them."""
