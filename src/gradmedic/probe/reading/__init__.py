"""What is read at the nodes of a graph, and the columns of a capture that it becomes."""
