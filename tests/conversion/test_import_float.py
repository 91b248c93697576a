"""Whatever a float model comes as, one import makes the same named float flatbuffer of it, and it answers the same."""

from __future__ import annotations

import os
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.errors import InputError, PipelineError
from pipeline.tensors import OPEN, Signature
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner

CASES = Path(__file__).parents[3] / "shared" / "cases"
KINDS = (
    *("two_inputs", "two_outputs", "autoencoder", "conv1d", "unrolled_lstm", "tokens", "fully_convolutional"),
    *("any_length", "detection_head", "upsampling", "flags"),
)


def examples(signature: Signature, count: int = 3, side: int = 12) -> dict[str, np.ndarray]:
    """Random values for every input; open dimensions get this many entries."""
    rng = np.random.default_rng(0)
    found = {}
    for spec in signature.inputs:
        shape = [count, *(side if own == OPEN else own for own in spec.shape[1:])]
        values = rng.normal(size=shape) if spec.dtype.kind == "f" else rng.integers(0, 2, shape)
        found[spec.name] = values.astype(spec.dtype)
    return found


BATCH_OF_ONE = {"unrolled_lstm", "upsampling"}
"""Kinds whose shapes need the batch's number: an LSTM's first state, a transposed convolution's output."""


def both(content: bytes, model: Any, side: int = 12, batch: int | None = None) -> None:
    """Assert that a flatbuffer has a model's signature, with this batch or the model's, and gives its answers."""
    from pipeline.models.predictor import KerasPredictor

    predictor, runner = KerasPredictor(model), Runner(content)
    expected_inputs = [
        spec if batch is None else replace(spec, shape=(batch, *spec.shape[1:])) for spec in predictor.signature.inputs
    ]
    assert [str(spec) for spec in runner.signature.inputs] == [str(spec) for spec in expected_inputs]
    assert [spec.name for spec in runner.signature.outputs] == [spec.name for spec in predictor.signature.outputs]
    x = examples(predictor.signature, side=side)
    answered, expected = runner(x).real, predictor(x).real
    for name, values in expected.items():
        np.testing.assert_allclose(answered[name], values, atol=1e-5 * max(1, np.abs(values).max()))


def operators(content: bytes) -> set[str]:
    return {operator.name for operator in inspect(content).operators}


@pytest.fixture(scope="session")
def keras2() -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras


@pytest.fixture(scope="session")
def keras3() -> Any:
    from pipeline.models.backend import tf_keras

    assert tf_keras is not None
    import keras

    return keras


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def k(request: pytest.FixtureRequest, keras2: Any, keras3: Any) -> Any:
    return keras2 if request.param == 2 else keras3


@pytest.fixture
def make(k: Any) -> Any:
    """A model of a kind by its name, with weights that are no zeros."""
    from tests.conversion import kinds_of_models

    def made(kind: str) -> Any:
        model = kinds_of_models.KINDS[kind](k)
        rng = np.random.default_rng(1)
        for weight in model.weights:
            if "variance" not in weight.name:
                weight.assign(rng.normal(0, 0.4, weight.shape))
        return model

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_either_keras_keeps_its_names_dtypes_open_dimensions_and_answers(kind: str, make: Any) -> None:
    model = make(kind)
    found = import_float(model)
    assert not found.ranges
    both(found.content, model, batch=1 if kind == "unrolled_lstm" else None)  # the other kind leaves its sizes open


def test_a_detectors_shapes_are_constants(make: Any) -> None:
    content = import_float(make("detection_head")).content
    assert operators(content) == {"CONV_2D", "RESHAPE", "CONCATENATION"}
    assert [output.shape_signature for output in inspect(content).outputs] == [(-1, 80, 4), (-1, 80, 3)]


@pytest.mark.parametrize("side", [5, 16, 31])
def test_what_stays_open_runs_at_several_sizes(side: int, make: Any) -> None:
    for kind in ("fully_convolutional", "any_length", "upsampling"):
        model = make(kind)
        both(import_float(model).content, model, side)


def test_a_size_fixes_what_is_open_and_leaves_the_batch_where_that_can_be(make: Any) -> None:
    from pipeline.models.named_function import named_function

    for kind, size in (("fully_convolutional", (9, 7, 1)), ("upsampling", (9, 7, 2)), ("any_length", (5, 9))):
        model = make(kind)
        content = import_float(model, sizes={"whatever": size}).content
        batch = 1 if kind in BATCH_OF_ONE else OPEN
        assert inspect(content).inputs[0].shape_signature == (batch, *size)
        both(content, named_function(model, {"whatever": size}), batch=batch)


def test_a_flatbuffer_of_open_size_gets_one_and_computes_no_shape(keras2: Any) -> None:
    from tests.conversion.kinds_of_models import detection_head, upsampling

    model = upsampling(keras2)
    opened = import_float(model).content
    sized = import_float(opened, sizes={"image": (9, 7, 2)}).content
    assert inspect(sized).outputs[0].shape_signature == (1, 18, 14, 3)
    x = examples(Runner(sized).signature)
    np.testing.assert_allclose(Runner(sized)(x).real["large"], Runner(opened)(x).real["large"], atol=1e-5)
    assert not {"SHAPE", "STRIDED_SLICE", "PACK"} & operators(sized)
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} <= operators(opened)
    content = import_float(detection_head(keras2)).content
    assert import_float(content).content == content


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"imag": (8, 4, 1), "right": (5,)}, "Did you mean"),
        ({"left": (8, 4), "right": (5,)}, r"'left' takes \[8, 4, 1\].*\[8, 4\]"),
        ({"left": (8, 5, 1)}, r"'left' takes \[8, 4, 1\]"),
    ],
    ids=str,
)
def test_a_size_that_does_not_fit_is_refused(sizes: dict[str, Any], reason: str, keras2: Any) -> None:
    from tests.conversion.kinds_of_models import two_inputs

    model = two_inputs(keras2)
    for source in (model, import_float(model).content):
        if "imag" in sizes:
            sizes = {"rigt": (5,), "left": (8, 4, 1)}
        with pytest.raises(InputError, match=reason):
            import_float(source, sizes=sizes)
    with pytest.raises(InputError, match=r"\[0, 4, 1\]"):
        import_float(model, sizes={"left": (0, 4, 1)})


def test_files_of_both_keras_are_taken_as_they_are(make: Any, k: Any, tmp_path: Path) -> None:
    for kind, suffix in (("two_outputs", "keras"), ("two_inputs", "h5")):
        model = make(kind)
        model.save(tmp_path / f"model.{suffix}")
        both(import_float(tmp_path / f"model.{suffix}").content, model)
        both(import_float(str(tmp_path / f"model.{suffix}")).content, model)


def test_layers_that_keras_2_does_not_have_are_converted(keras3: Any, tmp_path: Path) -> None:
    inputs = keras3.Input((6, 5))
    x = keras3.layers.RMSNormalization()(inputs)
    x = keras3.layers.MultiHeadAttention(2, 4)(x, x)
    model = keras3.Model(inputs, keras3.ops.einsum("btc->bc", keras3.activations.silu(x)))
    model.save(tmp_path / "three.keras")
    both(import_float(tmp_path / "three.keras").content, model)


@pytest.mark.parametrize("kind", ["LSTM", "both ways"])
def test_an_lstm_of_keras_3_is_one_operator_as_that_of_keras_2_is(kind: str, keras3: Any, tmp_path: Path) -> None:
    lstm = keras3.layers.LSTM(4)
    layer = keras3.layers.Bidirectional(lstm) if kind == "both ways" else lstm
    model = keras3.Sequential([keras3.Input((6, 3), name="x"), layer, keras3.layers.Dense(2, name="y")])
    model.save(tmp_path / "lstm.keras")
    content = import_float(tmp_path / "lstm.keras").content
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in operators(content)
    assert "WHILE" not in operators(content)
    both(content, model, batch=1)


@pytest.mark.parametrize("kind", ["GRU", "subclassed"])
def test_what_keras_2_has_no_operator_for_is_converted_as_it_is(kind: str, keras3: Any) -> None:
    class Own(keras3.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = keras3.layers.LSTM(4)

        def call(self, x: Any) -> Any:
            return self.lstm(x)

    model = Own() if kind == "subclassed" else keras3.Sequential([keras3.Input((6, 3), name="x"), keras3.layers.GRU(4)])
    model(np.zeros((1, 6, 3), np.float32))
    assert "WHILE" in operators(import_float(model).content)


def test_a_keras_3_model_in_lower_precision_becomes_float32(keras3: Any, tmp_path: Path) -> None:
    inputs = keras3.Input((6,), name="x")
    dense = keras3.layers.Dense(3, dtype="mixed_bfloat16")(inputs)
    keras3.Model(inputs, keras3.layers.Dense(2, dtype="float32", name="y")(dense)).save(tmp_path / "mixed.keras")
    [operator] = operators(import_float(tmp_path / "mixed.keras").content)
    assert operator == "FULLY_CONNECTED"


def test_a_converted_keras_3_model_that_answers_differently_is_refused(
    keras3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.conversion import keras_source
    from pipeline.models.named_function import named_function

    one, two = (keras3.Sequential([keras3.Input((4,), name="x"), keras3.layers.Dense(2, name="y")]) for _ in range(2))
    content = import_float(one).content
    assert keras_source.check_outputs(named_function(one), content) < 1e-6
    with pytest.raises(PipelineError, match=r"differently by .* of the output 'y'"):
        keras_source.check_outputs(named_function(two), content)


class TestSubclassed:
    """Models whose graph is Python code."""

    @pytest.fixture
    def one(self, k: Any) -> Any:
        class One(k.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.convolution, self.dense = k.layers.Conv2D(3, 3), k.layers.Dense(2, activation="softmax")
                self.pool = k.layers.GlobalAveragePooling2D()

            def call(self, image: Any, training: bool = False) -> Any:
                return self.dense(self.pool(self.convolution(image)))

        return One()

    def test_its_argument_names_the_input(self, one: Any) -> None:
        one(np.ones((2, 8, 8, 1), np.float32))
        content = import_float(one).content
        assert Runner(content).signature.inputs[0].name == "image"
        both(content, one)

    def test_one_that_was_never_called_needs_a_size(self, one: Any) -> None:
        with pytest.raises(InputError, match=r"never called.*model\.input_sizes: \{image: "):
            import_float(one)
        both(import_float(one, sizes={"image": (8, 8, 1)}).content, one)

    def test_dicts_in_and_out_give_their_keys(self, k: Any) -> None:
        class Keys(k.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.dense = k.layers.Dense(2)

            def call(self, x: Any) -> Any:
                return {"sum": self.dense(x["a"] + x["b"]), "parts": [self.dense(x["a"]), self.dense(x["b"])]}

        model = Keys()
        model({"a": np.ones((2, 4), np.float32), "b": np.ones((2, 4), np.float32)})
        content = import_float(model).content
        assert [spec.name for spec in Runner(content).signature.outputs] == ["parts_0", "parts_1", "sum"]
        both(content, model)

    def test_several_arguments(self, k: Any) -> None:
        from pipeline.models.named_function import named_function

        class Two(k.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.dense = k.layers.Dense(2)

            def call(self, a: Any, b: Any) -> Any:
                return self.dense(a) + self.dense(b), self.dense(b)

        model = Two()
        sizes = {"a": (4,), "b": (4,)}
        content = import_float(model, sizes=sizes).content
        assert [spec.name for spec in Runner(content).signature.inputs] == ["a", "b"]
        both(content, named_function(model, sizes))


def test_names_that_are_there_twice_are_told_apart(k: Any) -> None:
    dense = k.layers.Dense(3, name="dense")
    inputs = [k.Input((4,), name=name) for name in ("one", "two")]
    model = k.Model(inputs, [dense(x) for x in inputs])
    content = import_float(model).content
    assert [spec.name for spec in Runner(content).signature.outputs] == ["dense", "dense_1"]
    both(content, model)


def test_an_input_that_is_an_output_and_one_that_nothing_reads(k: Any) -> None:
    inputs = [k.Input((4,), name=name) for name in ("one", "two")]
    model = k.Model(inputs, [inputs[0], k.layers.ReLU(name="positive")(inputs[0])])
    both(import_float(model).content, model)


def test_a_batch_that_the_graph_fixes_is_kept(keras3: Any) -> None:
    from pipeline.models.backend import tf

    fixed = keras3.layers.Lambda(lambda x: tf.reshape(x, (4, -1, 2)), output_shape=(3, 2))
    model = keras3.Sequential([keras3.Input(batch_shape=(4, 6)), keras3.layers.Dense(6), fixed])
    content = import_float(model).content
    assert inspect(content).inputs[0].shape_signature == (4, 6)
    both(content, model)


class TestSavedModel:
    """By its signature; the code of its layers is not needed."""

    @pytest.fixture(scope="class")
    def several(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        from pipeline.models.backend import tf

        class Module(tf.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                self.weights = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))

            @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="table")])  # type: ignore[untyped-decorator]
            def classify(self, table: Any) -> Any:
                return {"scores": tf.nn.softmax(table @ self.weights)}

            @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="anything")])  # type: ignore[untyped-decorator]
            def embed(self, anything: Any) -> Any:
                return {"mean": tf.reduce_mean(anything, [1, 2])}

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")])  # type: ignore[untyped-decorator]
            def decode(self, encoded: Any) -> Any:
                return {"length": tf.strings.length(encoded)}

        module = Module()
        folder = tmp_path_factory.mktemp("several")
        signatures = {"classify": module.classify, "embed": module.embed, "decode": module.decode}
        tf.saved_model.save(module, str(folder / "named"), signatures=signatures)
        tf.saved_model.save(module, str(folder / "one"), signatures={"only": module.classify})
        tf.saved_model.save(module, str(folder / "default"), signatures={**signatures, "serving_default": module.embed})
        tf.saved_model.save(module, str(folder / "none"))
        return folder

    def check(self, folder: Path, signature: str | None = None, sizes: Any = None) -> bytes:
        from pipeline.models.load import load_for_conversion

        content = import_float(folder, signature=signature, sizes=sizes).content
        both(content, load_for_conversion(folder, signature, sizes))
        return content

    @pytest.mark.parametrize("kind", ["two_inputs", "two_outputs", "detection_head", "fully_convolutional"])
    def test_what_keras_3_exports(self, kind: str, keras3: Any, tmp_path: Path) -> None:
        from tests.conversion import kinds_of_models

        kinds_of_models.KINDS[kind](keras3).export(str(tmp_path / "exported"), verbose=False)
        self.check(tmp_path / "exported")

    def test_what_keras_2_saves_keeps_its_names(self, keras2: Any, tmp_path: Path) -> None:
        from tests.conversion.kinds_of_models import two_outputs

        two_outputs(keras2).save(tmp_path / "saved")
        outputs = Runner(self.check(tmp_path / "saved")).signature.outputs
        assert {spec.name for spec in outputs} == {"kind", "age"}

    def test_the_signature_that_is_named_the_default_or_the_only_one(self, several: Path) -> None:
        def name(content: bytes) -> str:
            return Runner(content).signature.outputs[0].name

        assert name(self.check(several / "named", "classify")) == "scores"
        assert name(self.check(several / "one")) == "scores"
        assert name(self.check(several / "default", sizes={"anything": (4, 5, 3)})) == "mean"

    @pytest.mark.parametrize(
        ("folder", "signature", "reason"),
        [
            ("named", None, r"several signatures.*'classify', 'embed', 'decode'.*model\.signature=NAME"),
            ("named", "clasify", r"no signature 'clasify'.*Did you mean 'classify'"),
            ("named", "embed", r"does not say the shape of its input 'anything'.*model\.input_sizes=\{anything"),
            ("named", "decode", r"takes strings \('encoded'"),
            ("none", None, r"no signature but several functions: .classify., .decode., .embed."),
        ],
    )
    def test_what_cannot_be_taken_is_said(self, folder: str, signature: str | None, reason: str, several: Path) -> None:
        with pytest.raises(InputError, match=reason):
            import_float(several / folder, signature=signature)

    def test_one_that_is_damaged_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "saved_model.pb").write_bytes(b"nothing of the kind")
        with pytest.raises(InputError, match="broken"):
            import_float(tmp_path / "broken")

    def test_training_needs_the_keras_model(self, several: Path) -> None:
        from pipeline.models.load import load_file

        with pytest.raises(InputError, match=r"can be quantized after training, but training and QAT need the Keras"):
            load_file(several / "one")


def test_one_of_several_graphs_in_a_flatbuffer_becomes_its_only_one(keras2: Any, tmp_path: Path) -> None:
    from pipeline.models.backend import quiet_tensorflow, tf

    class Module(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def double(self, x: Any) -> Any:
            return {"doubled": 2.0 * x}

        @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def total(self, x: Any) -> Any:
            return {"sum": tf.reduce_sum(x, axis=1)}

    module = Module()
    signatures = {"double": module.double, "total": module.total}
    with quiet_tensorflow():
        tf.saved_model.save(module, str(tmp_path / "two"), signatures=signatures)
        content = tf.lite.TFLiteConverter.from_saved_model(
            str(tmp_path / "two"), signature_keys=[*signatures]
        ).convert()
    x = np.arange(4, dtype=np.float32)[None]
    for name, output, expected in (("double", "doubled", 2 * x), ("total", "sum", [6.0])):
        alone = import_float(content, signature=name).content
        np.testing.assert_array_equal(Runner(alone)({"x": x}).real[output], expected)
        assert [one.key for one in inspect(alone).signatures] == [name]
    with pytest.raises(InputError, match=r"several signatures.*'double', 'total'"):
        import_float(content)


def test_what_qat_learned_is_read_off(keras2: Any, tmp_path: Path) -> None:
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.calibrated_start import calibrate
    from tests.tiny_keras import model

    aware = quantize_aware(model())
    calibrate(aware, [np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 1)).astype(np.float32)])
    aware.save(tmp_path / "qat.h5")
    found = import_float(aware)
    assert found.ranges.method == "learned by QAT"
    assert not {"QUANTIZE", "DEQUANTIZE"} & operators(found.content)
    assert {"MEAN", "SOFTMAX"} <= operators(found.content)
    again = import_float(tmp_path / "qat.h5")
    assert dict(again.ranges) == dict(found.ranges)
    x = examples(Runner(found.content).signature)
    first, second = (Runner(each.content)(x).stored for each in (found, again))
    for name, answers in first.items():
        np.testing.assert_array_equal(second[name], answers)


def test_a_float_flatbuffer_needs_no_more_than_itself(tiny_flatbuffer: bytes, tmp_path: Path) -> None:
    from pipeline.tflite import metadata

    described = metadata.write(tiny_flatbuffer, metadata.Metadata(name="tiny"))
    (tmp_path / "model.tflite").write_bytes(described)
    (tmp_path / "model.bin").write_bytes(described)
    assert metadata.read(described) is not None
    for source in (tmp_path / "model.tflite", tmp_path / "model.bin", described, tiny_flatbuffer):
        found = import_float(source)
        assert metadata.read(found.content) is None
        assert not found.ranges
        assert found.content == import_float(tiny_flatbuffer).content


def test_what_is_no_float_model_is_refused(tiny_flatbuffer: bytes, keras2: Any, tmp_path: Path) -> None:
    from pipeline.quantization.formats import write
    from pipeline.quantization.ranges import Ranges
    from pipeline.tflite.activations import listed
    from tests.tiny_keras import model

    ranges = Ranges({activation.name: (-1.0, 1.0) for activation in listed(tiny_flatbuffer)})
    with pytest.raises(InputError, match="quantized already"):
        import_float(write(tiny_flatbuffer, "int8", ranges))
    with pytest.raises(InputError, match="no model at"):
        import_float(tmp_path / "missing.keras")
    with pytest.raises(InputError, match=r"no file .*missing\.tflite"):
        import_float(tmp_path / "missing.tflite")
    with pytest.raises(InputError, match=r"Keras model is needed here, not builtins\.int"):
        import_float(5)
    with pytest.raises(InputError, match=r"signature 'other' is asked for.*Keras model"):
        import_float(model(), signature="other")
    with pytest.raises(InputError, match=r"no signature 'other', it has 'serving_default'"):
        import_float(tiny_flatbuffer, signature="other")


class TestReportedModels:
    """What users' models of ../shared/cases hold, untrained."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory, keras3: Any) -> Path:
        if not CASES.is_dir():
            pytest.skip(f"{CASES} is not there")
        folder, before = tmp_path_factory.mktemp("cases"), Path.cwd()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras3.Model, "fit", lambda self, *args, **how: type("History", (), {"history": {}}))
            patch.setattr("sys.argv", ["small_models.py"])
            os.chdir(folder)
            try:
                for name in ("fcn", "roll", "ssd", "small_models"):
                    runpy.run_path(str(CASES / f"{name}.py"))
            finally:
                os.chdir(before)
        return folder

    @pytest.mark.parametrize(
        "name",
        [
            *("fcn.h5", "varlen.h5", "lstm_roll.h5", "ssd.h5", "ssd1.h5"),
            *(
                f"{name}/model.keras"
                for name in (
                    *("convt", "prelu", "binary", "uint8in", "dynhw", "six", "timedist", "conv3d", "conv1d"),
                    *("group", "bilstm"),
                )
            ),
        ],
    )
    def test_it_answers_the_same(self, name: str, folder: Path) -> None:
        from pipeline.models.load import load_for_conversion
        from pipeline.models.predictor import KerasPredictor

        predictor = KerasPredictor(load_for_conversion(folder / name))
        runner = Runner(import_float(folder / name).content)
        x = examples(predictor.signature, side=24)
        answered, expected = runner(x).real, predictor(x).real
        assert list(answered) == list(expected)
        for output, values in expected.items():
            np.testing.assert_allclose(answered[output], values, atol=1e-5 * max(1, np.abs(values).max()))

    def test_mixed_precision_becomes_float32(self, folder: Path) -> None:
        found = inspect(import_float(folder / "mixed" / "model.keras").content)
        assert {operator.name for operator in found.operators} == {"CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"}
