"""The deployment contract: a model with all that an app needs to use it right, and vectors that prove it."""
