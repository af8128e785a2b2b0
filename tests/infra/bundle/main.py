# Stands for the entry point of the bundle.
