"""Are the files still there that the model's metadata names?"""

from __future__ import annotations

from pipeline.finding import Finding
from pipeline.tflite.audit.subject import Subject

CHECK = "packed files"


def check(subject: Subject) -> list[Finding]:
    lost = subject.lost_file
    if lost is None:
        return []
    name, why = lost
    return [
        Finding(
            CHECK,
            "warning",
            f"The metadata names the packed file '{name}', and it is not there ({why}).",
            "Android's Task Library and MediaPipe read class names there and refuse the model. It computes as before.",
            "The file was cut at its end, or rewritten by a tool that drops what is packed behind a model: copy it "
            "again, or write its metadata anew.",
            {"file": name, "reason": why},
        )
    ]
