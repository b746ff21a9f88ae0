"""What theory expects of a real network: a graph read as a plan, and what follows from it."""
