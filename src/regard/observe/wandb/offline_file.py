"""Read the .wandb file of an offline W&B run.

The file has a header of 7 bytes, followed by the LevelDB log format: blocks of 32 KiB, and records split into chunks
with a header of 7 bytes (checksum, length, type). The records are W&B's protobuf messages. wandb no longer has a reader
in Python.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32 * 1024
HEADER = struct.Struct("<IHB")
WHOLE, LAST = 1, 4


def records(path: Path) -> Iterator[Record]:
    """Yield the records of a .wandb file up to the first incomplete one (its writer may have been killed)."""
    content, position, parts = path.read_bytes(), HEADER.size, b""
    while position + HEADER.size <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER.size:
            position += left
            continue
        _, length, kind = HEADER.unpack_from(content, position)
        begin = position + HEADER.size
        if begin + length > len(content):
            return
        parts += content[begin : begin + length]
        position = begin + length
        if kind in (WHOLE, LAST):
            record = Record()
            try:
                record.ParseFromString(parts)
            except DecodeError:
                return
            parts = b""
            yield record


def history(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the values of each call that logged metrics; nested names are joined by slashes."""
    for record in records(path):
        if record.HasField("history"):
            yield {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
