"""Object detection: read any detector's outputs, judge them by COCO's average precision, and train towards boxes.

A decoder (`decoder.py`) turns outputs into candidates, `candidates.py` these into answers, `coco_matching.py` compares
the answers with an image's objects, and `average_precision.py` sums that up over images.
"""

from pipeline.tasks.detection.choice import DECODERS, make_detection
from pipeline.tasks.detection.detection_task import Detection

__all__ = ["DECODERS", "Detection", "make_detection"]
