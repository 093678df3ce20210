"""Which neighbour to ask for which blind cells: perception matrices, relevance, helper choice, descriptors, short list."""
