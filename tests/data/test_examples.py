from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.columns import ArrayColumn, SequenceColumn
from pipeline.data.examples import CorruptExampleError, Examples
from pipeline.data.file_columns import ImageColumn
from pipeline.errors import InputError


def file_example(path: Path, mode: str = "RGB") -> np.ndarray:
    return ImageColumn(path.parent, [path.name], mode)[0]


def test_an_array_is_read_by_its_first_axis():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    examples = ArrayColumn(x, "x_test")
    assert len(examples) == 4
    assert examples[2].tolist() == [6, 7, 8]
    assert examples.where(2) == "x_test[2]"


def test_grey_uint8_images_get_a_channel_and_other_arrays_keep_their_rank():
    assert ArrayColumn(np.zeros((1, 5, 4), np.uint8), "x")[0].shape == (5, 4, 1)
    assert ArrayColumn(np.zeros((1, 5, 4), np.float32), "x")[0].shape == (5, 4)
    assert SequenceColumn([np.zeros((5, 4), np.uint8)], "x")[0].shape == (5, 4, 1)


def test_what_someone_elses_sequence_raises_is_a_broken_example():
    class Broken:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> np.ndarray:
            raise KeyError("no such record")

    with pytest.raises(CorruptExampleError, match=r"x_train\[0\] cannot be read: KeyError: 'no such record'"):
        SequenceColumn(Broken(), "x_train")[0]


def test_someone_elses_sequence_is_read_by_one_thread_at_a_time():
    class Counting:
        inside = 0

        def __len__(self) -> int:
            return 64

        def __getitem__(self, index: int) -> np.ndarray:
            self.inside += 1
            together = self.inside
            sum(range(2000))
            self.inside -= 1
            return np.array([together])

    examples = SequenceColumn(Counting(), "x")
    with ThreadPoolExecutor(8) as pool:
        assert {int(example[0]) for example in pool.map(examples.__getitem__, range(64))} == {1}


def test_an_example_that_is_no_number_is_broken():
    with pytest.raises(CorruptExampleError, match="not an array of numbers"):
        SequenceColumn(["a word"], "x")[0]


@pytest.mark.parametrize(("mode", "shape"), [("RGB", (6, 6, 3)), ("L", (6, 6, 1))])
def test_a_file_is_decoded_to_the_mode_asked_for(tmp_path, make_image, mode, shape):
    example = file_example(make_image(tmp_path / "a.png", colour=9), mode)
    assert example.dtype == np.uint8
    assert example.shape == shape
    assert (example == 9).all()


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° for viewing
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert file_example(tmp_path / "a.jpg").shape == (8, 4, 3)


def test_a_truncated_file_is_a_broken_example_named_by_its_path(tmp_path, make_image):
    path = make_image(tmp_path / "a.jpg", size=(64, 64))
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CorruptExampleError, match="truncated") as raised:
        file_example(path)
    assert raised.value.where == str(path)
    assert "--set data.on_corrupt=skip" in str(raised.value)


def test_a_subset_keeps_targets_groups_and_names_with_their_examples():
    values = np.arange(5.0)
    examples = Examples(
        {"left": ArrayColumn(values, "left"), "right": ArrayColumn(-values, "right")},
        {"score": ArrayColumn(10 * values, "score")},
        classes=np.arange(5),
        groups=np.arange(5) // 2,
        spans=np.stack([np.arange(5), np.arange(5) + 2], axis=1),
    )
    subset = examples.subset(np.array([4, 2, 0])).subset(np.array([1, 2]))
    assert [subset[i] for i in range(len(subset))] == [{"left": 2, "right": -2}, {"left": 0, "right": 0}]
    assert [float(subset.targets["score"][i]) for i in range(2)] == [20, 0]
    assert subset.labels.tolist() == [2, 0]
    assert subset.groups.tolist() == [1, 0]
    assert subset.spans.tolist() == [[2, 4], [0, 2]]
    assert [subset.where(i) for i in range(2)] == ["left[2]", "left[0]"]


def test_examples_without_classes_have_no_labels():
    with pytest.raises(InputError, match="no target of classes"):
        _ = Examples({"x": ArrayColumn(np.zeros(2), "x")}).labels
