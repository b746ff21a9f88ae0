"""A training script read as text: what stands where, and how it can be changed."""
