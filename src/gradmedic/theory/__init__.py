"""Theory: what a random network does to signals and gradients, from its activations and its weights' sizes."""
