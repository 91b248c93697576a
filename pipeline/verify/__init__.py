"""Prove an int8 model before it is on a phone."""
