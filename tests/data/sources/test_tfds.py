from __future__ import annotations

import importlib.util
import io
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.tensors import only

installed = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_datasets") is None, reason="tensorflow-datasets is not installed"
)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"pip install 'keras-int8-pipeline\[tfds\]'"):
        open_source(Data(source="tfds:mnist"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A small data set as tfds leaves it, without the code that made it."""
    import tensorflow_datasets as tfds

    def png(colour: int) -> io.BytesIO:
        file = io.BytesIO()
        Image.fromarray(np.full((6, 5, 3), colour, np.uint8)).save(file, "PNG")
        file.seek(0)
        return file

    class TinyColours(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(6, 5, 3)),
                        "label": tfds.features.ClassLabel(names=["even", "odd"]),
                    }
                ),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(40), "test": self._generate_examples(8)}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, {"image": png(number), "label": number % 2}

    folder = tmp_path_factory.mktemp("tfds")
    TinyColours(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@installed
def test_a_prepared_data_set_is_read_without_tensorflow(prepared):
    loaded_before = "tensorflow" in sys.modules
    data = load(Data(source="tfds:tiny_colours", path=prepared))
    assert data.class_names == ("even", "odd")
    assert data.inputs["x"].shape[1:] == (6, 5, 3)
    assert data.size("test") == 8
    for split in data.splits:
        for batch in data.batches(split, 4):
            assert (only(batch.inputs)[:, 0, 0, 0] % 2 == only(batch.targets)).all()
    assert ("tensorflow" in sys.modules) == loaded_before


@installed
def test_an_unknown_data_set_gets_a_hint(prepared):
    with pytest.raises(InputError, match=r"'tfds:mnits'.*Did you mean 'mnist'"):
        open_source(Data(source="tfds:mnits", path=prepared))
