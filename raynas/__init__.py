"""raynas searches neural architectures in parallel, from a laptop to a Ray cluster."""
