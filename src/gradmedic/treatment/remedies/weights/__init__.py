"""Remedies that change the weights that training starts from."""
