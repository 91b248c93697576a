"""`python -m pipeline.data.sources.fetch_tfds NAME [FOLDER]`: download and prepare a TensorFlow data set.

A program of its own, because some of the preparations bring TensorFlow along.
"""

from __future__ import annotations

import sys

import tensorflow_datasets as tfds


def main(name: str, folder: str | None = None) -> None:
    """Prepare the data set for random access, in the folder or where tfds keeps them."""
    tfds.builder(name, data_dir=folder, file_format="array_record").download_and_prepare()


if __name__ == "__main__":
    main(*sys.argv[1:])
