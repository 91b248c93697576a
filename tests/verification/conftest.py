from tests.verification.digits_run import run, written  # noqa: F401  # pytest finds fixtures by name
