"""Recurrent layers: what is kept of their calls, and gradients at each time step."""
