"""A network as plain data: its steps, how they hang together, how its weights start."""
