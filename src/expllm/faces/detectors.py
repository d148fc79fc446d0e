"""Face detectors: pixels in, boxes with scores out. Two of them behind one protocol.

MediaPipe's short-range BlazeFace comes with the landmark model. SCRFD (Guo et al., 2021) is the
detector that the ExpLLM paper names; its weights are the user's own file.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from expllm.core.errors import MissingDependency, MissingWeights
from expllm.core.records import Rect
from expllm.core.threads import threads
from expllm.files.native import close_at_last, load_mediapipe, native_silence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Detection:
    """One face in pixels of the searched picture.

    Attributes:
        box: x, y, width, height.
        score: The detector's, 0-1.
        points: Middles of the right and left eye (the subject's), tip of the nose, middle of the mouth; empty
            where a detector gives none.
    """

    box: Rect
    score: float
    points: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether a point lies in the box."""
        x, y, width, height = self.box
        return x <= point[0] <= x + width and y <= point[1] <= y + height


class FaceDetector(Protocol):
    """Finds faces in a picture [H, W, 3] uint8 RGB."""

    name: str

    def detect(self, pixels: "NDArray[np.uint8]") -> list[Detection]: ...

    def close(self) -> None: ...


class MediaPipeDetector:
    """BlazeFace (short range), taken out of the landmark model's bundle."""

    name = "mediapipe"

    def __init__(self, bundle: Path, min_score: float = 0.5) -> None:
        self._mediapipe = load_mediapipe()
        vision = self._mediapipe.tasks.vision
        model = zipfile.ZipFile(bundle).read("face_detector.tflite")
        options = vision.FaceDetectorOptions(
            base_options=self._mediapipe.tasks.BaseOptions(model_asset_buffer=model),
            min_detection_confidence=min_score,
        )
        with native_silence():
            self._detector = vision.FaceDetector.create_from_options(options)
        close_at_last(self, self._detector.close)
        self._met_a_face = False

    def detect(self, pixels: "NDArray[np.uint8]") -> list[Detection]:
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=pixels)
        if self._met_a_face:
            found = self._detector.detect(image).detections
        else:  # the first face makes the native code log about its memory
            with native_silence():
                found = self._detector.detect(image).detections
            self._met_a_face = bool(found)
        height, width = pixels.shape[:2]
        return [_detection(face, width, height) for face in found]

    def close(self) -> None:
        with native_silence():
            self._detector.close()


def _detection(face: Any, width: int, height: int) -> Detection:
    """One of MediaPipe's, whose points are parts of the picture's width and height."""
    box, score = face.bounding_box, float(face.categories[0].score)
    points = tuple((point.x * width, point.y * height) for point in face.keypoints[:4])
    return Detection((box.origin_x, box.origin_y, box.width, box.height), min(score, 1.0), points)


class ScrfdDetector:
    """SCRFD from an ONNX file: three strides, two anchors a cell, distances to the four box sides.

    The published weights (InsightFace) are for non-commercial research only; none is shipped.

    Raises:
        MissingDependency: onnxruntime is not installed.
        MissingWeights: the file is missing or is no SCRFD model.
    """

    name = "scrfd"
    SIDE: Final = 640
    STRIDES: Final = (8, 16, 32)
    ANCHORS: Final = 2

    def __init__(self, model: str | os.PathLike[str], min_score: float = 0.5, max_overlap: float = 0.4):
        try:
            import onnxruntime
        except ImportError:
            raise MissingDependency("SCRFD needs onnxruntime: run 'pip install expllm[scrfd]'") from None
        if not Path(model).is_file():
            raise MissingWeights(f"no detector at {model}: give --detector the path of a SCRFD .onnx file")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors arrive as exceptions
        options.intra_op_num_threads = threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own unrelated classes
            reason = str(error).splitlines()[0]
            raise MissingWeights(f"{model} is not a readable ONNX model: {reason}") from None
        if len(self._session.get_outputs()) < 2 * len(self.STRIDES):
            raise MissingWeights(f"{model} is not a SCRFD model: it needs scores and boxes at three strides")
        self._input = self._session.get_inputs()[0].name
        self._min_score = min_score
        self._max_overlap = max_overlap

    def detect(self, pixels: "NDArray[np.uint8]") -> list[Detection]:
        import numpy as np

        canvas, scale = self._letterbox(pixels)
        outputs = self._session.run(None, {self._input: canvas})
        count = len(self.STRIDES)
        levels = [
            self._decode(outputs[i], outputs[i + count], stride) for i, stride in enumerate(self.STRIDES)
        ]
        scores = np.concatenate([level[0] for level in levels])
        boxes = np.concatenate([level[1] for level in levels]).astype(np.float32) / np.float32(scale)
        keep = suppress(boxes, scores, self._max_overlap)
        return [
            Detection((x1, y1, x2 - x1, y2 - y1), score)
            for (x1, y1, x2, y2), score in zip(boxes[keep].tolist(), scores[keep].tolist(), strict=True)
        ]

    def _letterbox(self, pixels: "NDArray[np.uint8]") -> "tuple[NDArray[np.float32], float]":
        """[1, 3, 640, 640] float32 in (x - 127.5) / 128, and the factor the picture was resized by."""
        import numpy as np
        from PIL import Image

        height, width = pixels.shape[:2]
        scale = self.SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.zeros((self.SIDE, self.SIDE, 3), np.uint8)
        resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        canvas[: size[1], : size[0]] = np.asarray(resized)
        planes = (canvas.astype(np.float32) - 127.5) / 128.0
        return planes.transpose(2, 0, 1)[None], scale

    def _decode(
        self, scores: "NDArray[np.float32]", distances: "NDArray[np.float32]", stride: int
    ) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        """Scores [n] and corners [n, 4] of the anchors of one stride that pass the threshold."""
        import numpy as np

        flat = scores.reshape(-1)
        picked = np.flatnonzero(flat >= self._min_score)
        cells = self.SIDE // stride
        cell = picked // self.ANCHORS
        centres = np.stack([cell % cells, cell // cells], axis=1) * stride
        reach = distances.reshape(-1, 4)[picked] * stride  # left, top, right, bottom
        return flat[picked], np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)

    def close(self) -> None:
        """Nothing to free: the session goes with the object."""


def suppress(
    boxes: "NDArray[np.float32]", scores: "NDArray[np.float32]", max_overlap: float
) -> "NDArray[np.int64]":
    """Greedy non-maximum suppression: indices of the boxes [n, 4] (corners) kept, best score first."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[best] + areas[rest] - shared
        order = rest[shared <= max_overlap * np.maximum(union, 1e-9)]
    return np.array(kept, dtype=np.int64)
