"""Proofs of the local Hub: what it does on the wire, and the real clients against it."""
