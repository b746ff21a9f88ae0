"""What one activation does to Gaussian inputs: moments, correlations, critical points."""
