"""Mechanisms: each makes a match of a book, one file each. `contracts/clearing.py` knows them by name."""
