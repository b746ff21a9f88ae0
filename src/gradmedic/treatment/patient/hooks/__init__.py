"""Where remedies are called by torch, and how it is put back."""
