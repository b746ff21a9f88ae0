"""What rules ask of a recording: its layers, depth and time, and where values came from."""
