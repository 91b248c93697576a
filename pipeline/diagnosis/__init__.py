"""What is wrong with what a run was given, and what that will do to the model."""
