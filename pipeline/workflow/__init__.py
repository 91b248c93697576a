"""The recipe's stages in order, what a command's target is, and what lies in a run folder: above all other packages."""
