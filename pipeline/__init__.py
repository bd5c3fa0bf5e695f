"""The library of the workflow: everything that can be imported and tested without ``data/``."""
