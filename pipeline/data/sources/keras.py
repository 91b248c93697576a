"""`keras:NAME`: the image data sets that tf_keras can download, kept as memory-mapped arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.data.cache import cache_folder, filled
from pipeline.data.sources.arrays import pair, source_of_arrays
from pipeline.data.sources.fetch import run_module
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data
from pipeline.tensors import TARGET

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
    dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
    leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
    otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
    road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
    sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": CIFAR10,
    "cifar100": tuple(CIFAR100.split()),
}


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The data set's train and test split, uint8 [H, W, C], downloaded the first time.

    Raises:
        InputError: Keras has no such image data set.
        PipelineError: it could not be downloaded.
    """
    name = data.source.partition(":")[2]
    if name not in CLASS_NAMES:
        raise InputError(f"data.source: there is no 'keras:{name}'.{did_you_mean(name, CLASS_NAMES)}")
    folder = _fetched(name)
    arrays = {
        split: (np.load(folder / f"x_{split}.npy", mmap_mode="r"), np.load(folder / f"y_{split}.npy"))
        for split in ("train", "test")
    }
    known = {TARGET: KnownTarget("class", CLASS_NAMES[name])}
    return source_of_arrays({split: pair(*both) for split, both in arrays.items()}, data, names, known)


def _fetched(name: str) -> Path:
    folder = cache_folder() / "keras" / name
    if not folder.is_dir():
        with filled(folder) as temporary:
            run_module(
                "pipeline.data.sources.fetch_keras",
                name,
                str(temporary),
                what=f"keras:{name}",
                instead=f"Without a network, put x_train.npy, y_train.npy, x_test.npy and y_test.npy into "
                f"{folder}, or use `--set data.source=digits`.",
            )
    return folder
