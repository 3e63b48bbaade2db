"""A file of model state: exact both ways, and never believed when it is damaged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stormpetrel.app import model_file
from stormpetrel.app.model_file import ModelState, Part
from stormpetrel.app.model_folder import KEPT, ModelFolder
from stormpetrel.errors import ModelStateError

T0 = 1_700_000_000_000_000_000
NUMBERS = st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.uint32, np.bool_])


def state(at: int = T0, **arrays: NDArray[Any]) -> ModelState:
    given_arrays = arrays or {"a": np.arange(6.0).reshape(3, 2), "b": np.zeros((0, 4), np.int64)}
    parts = (Part("bank:x", 3, given_arrays, {"open": [{"p": "NaN"}]}), Part("empty", 1, {}))
    return ModelState(at, "0.1", {"season_seconds": 86400.0}, parts)


@given(hnp.arrays(NUMBERS.flatmap(st.just), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_arrays_come_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any]) -> None:
    path = tmp_path_factory.mktemp("models") / "models-1.npz"
    model_file.write(path, state(a=array, turned=array.T))
    read = model_file.read(path)
    assert (read.taken_unix_nano, read.program, dict(read.settings)) == (
        T0,
        "0.1",
        {"season_seconds": 86400.0},
    )
    part = read.part("bank:x")
    assert part is not None
    assert (part.version, dict(part.notes)) == (3, {"open": [{"p": "NaN"}]})
    for name, wanted in (("a", array), ("turned", array.T)):
        found = part.arrays[name]
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert found.tobytes() == wanted.tobytes()
        found[...] = 0  # a bank may write into what it was given
    with np.load(path, allow_pickle=False) as plain:
        assert plain["0/a"].tobytes() == array.tobytes(), "NumPy reads it too"


@given(st.data())
def test_a_flipped_bit_is_noticed_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("models") / "models-1.npz"
    model_file.write(path, state())
    whole = bytearray(path.read_bytes())
    place = draw.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << draw.draw(st.integers(0, 7))
    path.write_bytes(whole)
    try:
        read = model_file.read(path)
    except ModelStateError:
        return
    part, wanted = read.part("bank:x"), state().part("bank:x")
    assert part is not None
    assert wanted is not None
    assert all(part.arrays[name].tobytes() == wanted.arrays[name].tobytes() for name in wanted.arrays)


@given(st.integers(0, 2000))
def test_a_file_cut_short_is_damaged(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("models") / "models-1.npz"
    model_file.write(path, state())
    whole = path.read_bytes()
    path.write_bytes(whole[: min(length, len(whole) - 1)])
    with pytest.raises(ModelStateError, match="damaged"):
        model_file.read(path)


@pytest.mark.parametrize(("change", "word"), [(1, "newer"), (-1, "older")])
def test_another_format_is_named(tmp_path: Path, change: int, word: str) -> None:
    path = tmp_path / "models-1.npz"
    model_file.write(path, state())
    _with_manifest(path, {"format": model_file.FORMAT + change})
    with pytest.raises(ModelStateError, match=f"the {word} format {model_file.FORMAT + change}"):
        model_file.read(path)


def test_a_shape_that_asks_for_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models-1.npz"
    model_file.write(path, state())
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    manifest["parts"][0]["arrays"]["a"]["shape"] = [1 << 40, 2]
    _with_manifest(path, manifest)
    with pytest.raises(ModelStateError, match="damaged"):
        model_file.read(path)


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="numbers only"):
        model_file.write(tmp_path / "models-1.npz", state(a=np.array([object()], object)))


def _with_manifest(path: Path, changes: dict[str, Any]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_the_last_two_are_kept_and_a_damaged_one_gives_way(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models")
    assert folder.newest() == (None, [])
    for at in (1, 2, 3):
        folder.write(state(at))
    assert [path.name[-8:] for path in folder.files()] == ["0003.npz", "0002.npz"]
    assert len(folder.files()) == KEPT
    newest = folder.files()[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / "models" / "models-9.part").write_bytes(b"half")
    found, refused = folder.newest()
    assert found is not None
    assert found.taken_unix_nano == 2
    assert [one.file for one in refused] == [newest.name]
    assert "damaged" in refused[0].why
    assert not list((tmp_path / "models").glob("*.part"))


def test_what_cannot_be_written_leaves_the_older_ones(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models")
    folder.write(state(1))
    with pytest.raises(ValueError, match="numbers only"):
        folder.write(state(2, a=np.array(["text"])))
    assert [path.name[-8:] for path in (tmp_path / "models").iterdir()] == ["0001.npz"]
