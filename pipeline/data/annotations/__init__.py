"""Formats in which people say what is where in images: each module reads one, as somebody else wrote it."""
