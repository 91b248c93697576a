"""The Java and Kotlin of a contract whose inputs and outputs are told apart by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from pipeline.bundle.contract import Contract, Input, Output
from pipeline.bundle.literals import Literals, comment, numbers, string
from pipeline.bundle.source_values import image_values, scaling, tensor

_WHAT = {
    "image": "the pixels of an image that has its channels and size, not scaled yet",
    "audio": "the features of a sound",
    "table": "the numbers of a row, not standardized yet",
    "window": "the numbers of a window, step by step, not scaled yet",
}


def write(contract: Contract, folder: Path, suffix: str, values: dict[str, str]) -> str:
    """The source that holds the contract.

    Args:
        contract: Of any number of inputs and outputs.
        folder: Of the language's templates.
        suffix: `.java` or `.kt`.
        values: `name`, `model_file` and `model_sha256`, ready to be put in.
    """
    return _Source(contract, folder, suffix).write(values)


def identifiers(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By name: as a constant (`LEFT_EYE`) and as the end of a method's name (`LeftEye`), no two the same."""
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for name in names:
        words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word] or ["tensor"]
        constant, number = "_".join(words).upper(), 1
        while constant in taken:
            number += 1
            constant = "_".join([*words, str(number)]).upper()
        taken.add(constant)
        camel = "".join(word[0].upper() + word[1:] for word in words) + ("" if number == 1 else f"_{number}")
        found[name] = constant, camel
    return found


class _Source:
    """One language's templates filled in for one contract."""

    def __init__(self, contract: Contract, folder: Path, suffix: str) -> None:
        self._contract, self._folder, self._suffix = contract, folder, suffix
        self._inputs = identifiers([source.tensor.name for source in contract.inputs])
        self._outputs = identifiers([target.tensor.name for target in contract.outputs])
        self._constants: list[str] = []
        self._methods: list[str] = []
        self._cases: dict[str, list[str]] = {}

    def write(self, values: dict[str, str]) -> str:
        for place, source in enumerate(self._contract.inputs):
            self._input(place, source)
        for place, target in enumerate(self._contract.outputs):
            self._output(place, target)
        groups = (
            *("encode_floats", "encode_integers", "decode_floats", "decode_integers", "probabilities"),
            *("input_tensors", "output_tensors", "image_inputs", "audio_features", "audio_inputs"),
        )
        cases: dict[str, object] = {group: "".join(self._cases.get(group, [])) for group in groups}
        sides = "".join(
            self._fill(f"Sides.{kind}", cases)
            for kind in ("image", "audio")
            if any(source.kind == kind for source in self._contract.inputs)
        )
        sides += self._located()
        usage = "\n".join(f" * {line}" for line in self._usage())
        return self._fill(
            f"Named{self._suffix}",
            {
                **values,
                **cases,
                "sides": sides,
                "usage": usage,
                "constants": "".join(self._constants),
                "methods": "".join(self._methods),
            },
        )

    def _input(self, place: int, source: Input) -> None:
        spec = source.tensor
        constant, camel = self._inputs[spec.name]
        values: dict[str, object] = {
            "constant": constant,
            "camel": camel,
            "shown": f"'{comment(spec.name)}'",
            "place": place,
            "channels": spec.shape[-1] if spec.shape else 1,
            **tensor(spec),
        }
        self._constants.append(self._fill("Input.constants", values))
        self._case("input_tensors", spec.name, f"INPUT_{constant}")
        if source.as_integers:
            self._methods.append(self._fill("Input.integers", values))
            self._case("encode_integers", spec.name, self._spread(f"encode{camel}"))
            return
        values |= scaling(source) | _standard(source) | {"what": _WHAT.get(source.kind, "numbers, not scaled yet")}
        self._constants.append(self._fill("Input.scaling", values))
        self._methods.append(self._fill("Input.floats", values))
        self._case("encode_floats", spec.name, f"encode{camel}(values)")
        if source.kind == "image":
            self._methods.append(self._fill("Input.image", values | image_values(source)))
            self._case("image_inputs", spec.name, f"input{camel}(photo)")
        if source.kind == "audio":
            values |= _audio(source)
            self._constants.append(self._fill("Input.audio.constants", values))
            self._methods.append(self._fill("Input.audio", values))
            self._case("audio_features", spec.name, f"features{camel}(sound)")
            self._case("audio_inputs", spec.name, f"input{camel}(sound)")

    def _output(self, place: int, target: Output) -> None:
        spec = target.tensor
        constant, camel = self._outputs[spec.name]
        values: dict[str, object] = {
            "constant": constant,
            "camel": camel,
            "shown": f"'{comment(spec.name)}'",
            "place": place,
            "activated": "true" if target.ending != "none" else "false",
            **tensor(spec),
        }
        self._constants.append(self._fill("Output.constants", values))
        self._case("output_tensors", spec.name, f"OUTPUT_{constant}")
        if target.as_integers:
            self._methods.append(self._fill("Output.integers", values))
            self._case("decode_integers", spec.name, f"decode{camel}(buffer)")
            return
        self._methods.append(self._fill("Output.floats", values))
        self._case("decode_floats", spec.name, f"decode{camel}(buffer)")
        if target.reading != "values":
            self._methods.append(self._fill(f"Output.{target.reading}", values))
            self._case("probabilities", spec.name, f"probabilities{camel}(buffer)")

    def _located(self) -> str:
        located = self._contract.located
        if located is None or not located.sources:
            return ""
        filled = {"fit": located.fit, "height": located.size[0], "width": located.size[1]}
        return self._fill(located.template, filled | located.values(Literals(self._suffix == ".java"), self._reads))

    def _reads(self, names: Sequence[str]) -> str:
        """An expression that reads some outputs from the map of all."""
        places = {target.tensor.name: place for place, target in enumerate(self._contract.outputs)}
        tensors = ", ".join(f"OUTPUT_{self._outputs[name][0]}" for name in names)
        listed = f"new Tensor[] {{{tensors}}}" if self._suffix == ".java" else f"arrayOf({tensors})"
        return f"Outputs.read(outputs, {listed}, {', '.join(str(places[name]) for name in names)})"

    def _usage(self) -> list[str]:
        java = self._suffix == ".java"
        end, declare = (";", "ByteBuffer ") if java else ("", "val ")
        made = []
        for source in self._contract.inputs:
            _, camel = self._inputs[source.tensor.name]
            given = {"image": "Image.ofArgb(argb, height, width)", "audio": "sound"}.get(source.kind, "values")
            made.append(f"Contract.{'input' if source.kind in ('image', 'audio') else 'encode'}{camel}({given})")
        opening, closing = ("Object[] inputs = {", "}") if java else ("val inputs = arrayOf<Any>(", ")")
        lines = [f"{opening}{', '.join(made)}{closing}{end}"]
        lines.append("Map<Integer, Object> outputs = new HashMap<>();" if java else "val outputs = HashMap<Int, Any>()")
        for target in self._contract.outputs:
            constant, camel = self._outputs[target.tensor.name]
            name = camel[0].lower() + camel[1:]
            lines.append(f"{declare}{name} = Contract.OUTPUT_{constant}.allocate(){end}")
            kept = f"outputs.put(Contract.OUTPUT_{constant}_INDEX, {name})"
            lines.append(f"{kept}{end}" if java else f"outputs[Contract.OUTPUT_{constant}_INDEX] = {name}")
        lines.append(f"interpreter.runForMultipleInputsOutputs(inputs, outputs){end}")
        located = self._contract.located
        if located is not None and located.sources:
            kind, call = located.usage
            return [*lines, f"{kind if java else 'val'} {call}{end}"]
        for target in self._contract.outputs:
            _, camel = self._outputs[target.tensor.name]
            name = camel[0].lower() + camel[1:]
            lines.append(f"Contract.decode{camel}({name}){end}")
        return lines

    def _spread(self, method: str) -> str:
        return f"{method}(values)" if self._suffix == ".java" else f"{method}(*values)"

    def _case(self, group: str, name: str, call: str) -> None:
        self._cases.setdefault(group, []).append(self._fill("Case", {"name": string(name), "call": call}).rstrip("\n"))

    def _fill(self, template: str, values: dict[str, object]) -> str:
        return Template((self._folder / f"{template}.template").read_text(encoding="utf-8")).substitute(values)


def _standard(source: Input) -> dict[str, object]:
    standard = source.standard
    if standard is None:
        return {"standard_mean": "", "standard_std": "", "standard_inner": 1}
    return {
        "standard_mean": numbers(standard.mean),
        "standard_std": numbers(standard.std),
        "standard_inner": standard.inner,
    }


def _audio(source: Input) -> dict[str, object]:
    said = source.preprocessing
    rate, samples = said["sample_rate"], said["samples"]
    if said["features"] == "waveform":
        return {"audio": str(samples), "sample_rate": rate, "preparation": f"{samples} samples of it"}
    mfcc = said["features"] == "mfcc"
    counts = (samples, said["frame"], said["hop"], said["fft"], rate, said["mels"], said["coefficients"] if mfcc else 0)
    values = (
        *counts,
        f"Audio.Mel.{said['mel_scale'].upper()}",
        *map(_double, (said["fmin"], said["fmax"], said["log_floor"])),
    )
    what = f"{said['coefficients']} MFCCs" if mfcc else f"{said['mels']} log-mel energies"
    return {
        "audio": ", ".join(map(str, values)),
        "sample_rate": rate,
        "preparation": f"{what} every {said['hop']} samples",
    }


def _double(value: float) -> str:
    return repr(float(value))
