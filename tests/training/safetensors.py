"""Files in the format *safetensors*, written as its description has it and not by our own code."""

import json
import struct

import torch
from torch import Tensor


def safetensors(tensors: dict[str, Tensor]) -> bytes:
    """Return a file as the format's description has it."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, tensor in tensors.items():
        raw = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(content), len(content) + len(raw)],
        }
        content += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content
