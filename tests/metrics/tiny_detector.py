"""An ONNX file with the inputs and outputs of the YuNet face detector, which takes red patches for faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STRIDES = (8, 16, 32)
_FLOAT, _INT64 = 1, 7


def write_detector(path: Path) -> Path:
    """Score of a patch = how red it is, 0 to 1; every box is as large as its patch and centred on its corner."""
    nodes, constants, outputs = [], [], []
    for stride in STRIDES:
        redness = np.zeros((1, 3, stride, stride), np.float32)
        redness[:, 2] = 1 / (255 * stride * stride)  # frames arrive as BGR
        redness[:, :2] = -1 / (255 * stride * stride)
        for name, channels, weight in (
            ("cls", 1, redness),
            ("obj", 1, redness),
            ("bbox", 4, np.zeros((4, 3, stride, stride), np.float32)),
            ("kps", 10, np.zeros((10, 3, stride, stride), np.float32)),
        ):
            label = f"{name}_{stride}"
            constants += [
                _tensor(f"w_{label}", weight),
                _tensor(f"s_{label}", np.array([1, -1, channels], np.int64)),
            ]
            nodes += [
                _node("Conv", ["input", f"w_{label}"], f"c_{label}", kernel_shape=[stride] * 2, strides=[stride] * 2),
                _node("Transpose", [f"c_{label}"], f"t_{label}", perm=[0, 2, 3, 1]),
                _node("Reshape", [f"t_{label}", f"s_{label}"], label),
            ]
            outputs.append(_value(label, [1, "n", channels]))
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"detector"),
            *(_field(5, constant) for constant in constants),
            _field(11, _value("input", [1, 3, "h", "w"])),
            *(_field(12, output) for output in outputs),
        ]
    )
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13)))
    return path


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = _FLOAT if values.dtype == np.float32 else _INT64
    dimensions = b"".join(_number(1, size) for size in values.shape)
    return dimensions + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _node(operation: str, inputs: list[str], output: str, **attributes: list[int]) -> bytes:
    encoded = b"".join(
        _field(5, _field(1, name.encode()) + b"".join(_number(8, value) for value in values) + _number(20, 7))
        for name, values in attributes.items()
    )
    named = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    return named + _field(3, output.encode()) + _field(4, operation.encode()) + encoded


def _value(name: str, shape: list[int | str]) -> bytes:
    sizes = b"".join(
        _field(1, _number(1, size) if isinstance(size, int) else _field(2, size.encode())) for size in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT) + _field(2, sizes)))
