"""The autograd graph of one backward pass: its nodes, its structure, its names."""
