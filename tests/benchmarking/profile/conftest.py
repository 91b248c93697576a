from tests.tflite.conftest import variant, variants

__all__ = ["variant", "variants"]
