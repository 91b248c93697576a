"""What benchmark_model prints: both dialects, old builds and new, whole runs and odd ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device.benchmark_log import canonical, complaint, delegation, parse
from pipeline.errors import PipelineError

LOGS = Path(__file__).parent / "logs"
TFLITE, OLD, LITERT = ((LOGS / f"{name}.txt").read_text() for name in ("tflite", "tflite_old", "litert"))
"""As the sources print them (`benchmark_model.cc`, `benchmark_litert_model.h`), around lines recorded from real
programs: TFLite's of 2025, an old one without percentiles, peak memory and severities, LiteRT's 2.x."""

SUMMARY = "Inference timings in us: Init: 10, First inference: 9, Warmup (avg): 9, Inference (avg): 7"


def test_a_new_build_of_tflites() -> None:
    found = parse(TFLITE)
    assert (found.runs, found.mean_us, found.min_us, found.max_us) == (2112, 464.545, 442, 979)
    assert (found.median_us, found.p95_us, found.init_us, found.first_us) == (462, 478, 5685, 479)
    assert (found.peak_mb, found.rounding_us) == (9.14062, 0)


def test_an_old_build_knows_no_percentiles() -> None:
    found = parse(OLD)
    assert (found.runs, found.mean_us, found.min_us, found.max_us) == (69, 14575.2, 14037, 15402)
    assert (found.median_us, found.p95_us, found.peak_mb) == (None, None, None)
    assert (found.init_us, found.first_us) == (5685, 18535)


def test_litert_rounds_to_hundredths_of_a_millisecond() -> None:
    found = parse(LITERT)
    assert (found.runs, found.mean_us, found.min_us, found.max_us) == (2112, 460, 440, 1310)
    assert (found.init_us, found.first_us, found.peak_mb) == (12200, 1970, 18.62)
    assert (found.median_us, found.rounding_us) == (None, 5)


@pytest.mark.parametrize(
    ("line", "runs"), [("count=1 curr=7", 1), ("count=3 curr=7(all same)", 3), ("curr=7 count=3(all same)", 3)]
)
def test_times_that_are_all_the_same_are_printed_once(line: str, runs: int) -> None:
    found = parse(f"count=4 first=9 curr=8 min=8 max=9 avg=8.5 std=0\n{line}\n{SUMMARY}")
    assert (found.runs, found.min_us, found.max_us, found.median_us, found.mean_us) == (runs, 7, 7, 7, 7)


@pytest.mark.parametrize("nothing", ["nan", "-nan"])
def test_without_a_warm_up_there_is_no_first_inference(nothing: str) -> None:
    summary = f"Init: 10, First inference: 0, Warmup (avg): {nothing}, Inference (avg): 1.23457e+06"
    found = parse(f"count=0\ncount=1 curr=1234567\nInference timings in us: {summary}")
    assert found.first_us is None
    assert found.mean_us == 1_234_570


def test_a_build_that_prints_two_commas_is_read_too() -> None:
    assert parse(f"count=1 curr=7\n{SUMMARY.replace('9, Inf', '9,, Inf')}").mean_us == 7


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (TFLITE[: TFLITE.index("INFO: Inference timings")], "p95=478"),
        (LITERT[: LITERT.index("INFO: [./litert/tools/benchmark_litert_model.h:88]")], "1061 runs"),
        ("count=0\n" + SUMMARY, "Inference"),
        ("sh: something else entirely", "something else"),
        ("", "nothing"),
    ],
    ids=["tflite cut short", "litert cut short", "no runs", "another program", "empty"],
)
def test_a_log_without_a_result_is_an_error_that_shows_its_end(text: str, last: str) -> None:
    with pytest.raises(PipelineError, match=f"holds no timed run.*{last}"):
        parse(text)


def test_the_delegate_and_its_share() -> None:
    found = delegation(TFLITE, "xnnpack")
    assert (found.got, found.delegated_nodes, found.total_nodes, found.partitions) == ("xnnpack", 29, 31, 2)


@pytest.mark.parametrize(
    ("text", "asked", "got", "nodes", "total"),
    [
        ("INFO: Replacing 60 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions.",
         "xnnpack", "xnnpack", 60, None),
        ("Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for",
         "gpu", "gpu", 31, 31),
        ("Replacing 5 out of 9 node(s) with delegate (LITERT_CL) node, yielding 1 partitions\n"
         "Replacing 4 out of 5 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions",
         "gpu", "gpu", 5, 9),
        ("Replacing 31 out of 31 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions",
         "gpu", "xnnpack", 31, 31),
        ("Replacing 7 out of 7 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 1 partitions",
         "none", "TfLiteNnapiDelegate", 7, 7),
        ("Replacing 0 out of 7 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 0 partitions",
         "xnnpack", "none", 0, 7),
        ("INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.",
         "gpu", "gpu", None, None),
        ("INFO: Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.",
         "xnnpack", "none", 0, None),
        ("a release build that says nothing", "xnnpack", "unknown", None, None),
        ("a release build that says nothing", "none", "none", None, None),
    ],
)  # fmt: skip
def test_what_ran_is_read_not_assumed(text: str, asked: str, got: str, nodes: int | None, total: int | None) -> None:
    found = delegation(text, asked)
    assert (found.asked, found.got, found.delegated_nodes, found.total_nodes) == (asked, got, nodes, total)


def test_an_unknown_delegate_keeps_its_name() -> None:
    assert canonical("TfLiteQnnDelegate") == "TfLiteQnnDelegate"


def test_the_first_error_is_what_the_others_follow_from() -> None:
    log = "INFO: STARTING!\nERROR: Failed to load model /x.tflite\nERROR: Benchmarking failed.\n"
    assert complaint(log) == "Failed to load model /x.tflite"
    assert complaint("INFO: STARTING!") is None
