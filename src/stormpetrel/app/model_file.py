"""One file of model state: plain arrays in NumPy's own archive format, with a manifest and checksums.

A file is an uncompressed zip of `.npy` members, which `numpy.load` opens too. `manifest.json` names every
part with its version and every array with its type, shape and checksum (xxh3, 128 bits). Nothing in it
is ever unpickled.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from stormpetrel.errors import ModelStateError

FORMAT = 1
_MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 64 << 20
_KINDS = frozenset("biuf")  # bool, int, uint, float: nothing that could hold an object
# What zipfile and NumPy raise over damaged bytes; NotImplementedError is a compression that zipfile lacks.
_UNREADABLE = (
    zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError,
    RuntimeError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """The state of one detector, policy or gate.

    Attributes:
        name: unique in a file, for example `bank:robust`.
        version: of the code that made it; another version does not understand it.
        arrays: numbers only; by series along the first axis unless its reader knows better.
        notes: what is no array, as JSON: open findings, names.
    """

    name: str
    version: int
    arrays: Mapping[str, NDArray[Any]]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelState:
    """All parts as they were at one moment of event time; `settings` are those that give arrays meaning."""

    taken_unix_nano: int
    program: str
    settings: Mapping[str, Any]
    parts: tuple[Part, ...]

    def part(self, name: str) -> Part | None:
        """A part by name."""
        return next((part for part in self.parts if part.name == name), None)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for part in self.parts for array in part.arrays.values())


def write(path: Path, state: ModelState) -> None:
    """Write a file so that it is there whole or not at all, also after a loss of power.

    Raises:
        OSError: the device is full, or the folder is not ours to write.
    """
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            archive.writestr(_MANIFEST, orjson.dumps(_manifest(state)))
            for number, part in enumerate(state.parts):
                for name, array in part.arrays.items():
                    with archive.open(_member(number, name), "w", force_zip64=True) as member:
                        _write_array(member, array)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def _member(number: int, name: str) -> str:
    return f"{number}/{name}.npy"


def _write_array(member: IO[bytes], array: NDArray[Any]) -> None:
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(whole))
    member.write(whole.reshape(-1).view(np.uint8).data)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(state: ModelState) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "program": state.program,
        "taken_unix_nano": state.taken_unix_nano,
        "settings": dict(state.settings),
        "parts": [
            {
                "name": part.name,
                "version": part.version,
                "notes": dict(part.notes),
                "arrays": {name: _described(array) for name, array in part.arrays.items()},
            }
            for part in state.parts
        ],
    }


def _described(array: NDArray[Any]) -> dict[str, Any]:
    if array.dtype.kind not in _KINDS:
        raise ValueError(f"model state holds numbers only, not {array.dtype}")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "xxh3_128": _checksum(array)}


def _checksum(array: NDArray[Any]) -> str:
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read(path: Path) -> ModelState:
    """Read a file whole and check all of it; memory: about what the file takes.

    Raises:
        ModelStateError: it is damaged, is no such file, or was written in another format; says which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except ModelStateError:
        raise
    except _UNREADABLE as error:
        raise ModelStateError(
            f"{path.name} is damaged: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _read(archive: zipfile.ZipFile, path: Path) -> ModelState:
    members = {one.filename: one for one in archive.infolist()}
    if any(one.compress_type != zipfile.ZIP_STORED for one in members.values()):
        raise ModelStateError(f"{path.name} is damaged: a member is compressed, which we never write")
    if members[_MANIFEST].file_size > _MOST_MANIFEST_BYTES:
        raise ModelStateError(f"{path.name} is damaged: its manifest is too large")
    manifest = orjson.loads(archive.read(_MANIFEST))
    if manifest["format"] != FORMAT:
        age = "newer" if manifest["format"] > FORMAT else "older"
        raise ModelStateError(
            f"{path.name} has the {age} format {manifest['format']}, written by Storm Petrel"
            f" {str(manifest.get('program'))[:40]}; this program reads format {FORMAT}"
        )
    parts = tuple(
        Part(
            str(part["name"]),
            int(part["version"]),
            {name: _array(archive, _member(number, name), said) for name, said in part["arrays"].items()},
            part["notes"],
        )
        for number, part in enumerate(manifest["parts"])
    )
    return ModelState(int(manifest["taken_unix_nano"]), str(manifest["program"]), manifest["settings"], parts)


def _array(archive: zipfile.ZipFile, member: str, said: Mapping[str, Any]) -> NDArray[Any]:
    dtype, shape = np.dtype(said["dtype"]), tuple(int(size) for size in said["shape"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"{member} is said to hold {dtype}")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member} is no array of version 1.0")
        found_shape, fortran, found_dtype = np.lib.format.read_array_header_1_0(file)
        if (found_shape, fortran, found_dtype) != (shape, False, dtype):
            raise ValueError(f"{member} is {found_dtype} {found_shape}, not {dtype} {shape}")
        # The archive knows how long a member is: no shape can ask for more memory than the file has.
        raw = file.read()
    array = np.frombuffer(bytearray(raw), dtype).reshape(shape)
    if _checksum(array) != said["xxh3_128"]:
        raise ValueError(f"{member} does not match its checksum")
    return array
