import collections
import os
import pickle
import zipfile

import pytest
import torch

from pipeline.adapters import checkpoint
from pipeline.errors import InputError
from tests.pipeline.adapters import official_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "adapter.pt"


def refused(path, **changes):
    """The one line that a file is refused with."""
    weights = official_file.state()
    for name, value in changes.items():
        if value is None:
            del weights[name]
        else:
            weights[name] = value
    official_file.write(path, weights)
    return told(path)


def told(path, **options):
    with pytest.raises(InputError) as caught:
        checkpoint.read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


def test_the_authors_shape_has_48_tensors_and_20085504_parameters():
    shapes = checkpoint.shapes(768, 2048)
    assert len(shapes) == 48
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 20_085_504
    with torch.device("meta"):
        pieces = official_file.modules(768, 2048)
    assert {name: tuple(value.shape) for name, value in pieces.state_dict().items()} == shapes


def test_each_tensor_that_is_read_comes_back_under_our_name(path):
    weights = official_file.state()
    sha256 = official_file.write(path, weights)
    found = checkpoint.read(path, sha256=sha256)
    assert (found.width, found.feed_forward_width, found.sha256) == (16, 24, sha256)
    assert len(found.weights) == 34
    theirs = {
        "g.bias": "fc.bias",
        "query.weight": "attention.query_layer.weight",
        "h2.weight": "attention.key_layer.weight",
        "h1.2.bias": "attention.output_layer.2.bias",
        "transformer.layers.1.norm2.weight": "transformer_encoder.layers.1.norm2.weight",
    }
    for ours, name in theirs.items():
        assert torch.equal(found.weights[ours], weights[name])


def test_what_their_network_never_reads_is_counted_and_left_out(path):
    official_file.write(path)
    found = checkpoint.read(path)
    dead = sum(
        value.numel()
        for name, value in official_file.state().items()
        if name.startswith(("encoder_layer", "attention.value_layer"))
    )
    assert (found.dead, found.parameters) == (dead, sum(value.numel() for value in official_file.state().values()))
    assert checkpoint.told(found).startswith(f"48 tensors, {found.parameters:,} parameters; {dead:,} of them")


@pytest.mark.parametrize("form", [{}, {"_use_new_zipfile_serialization": False}])
def test_both_of_pytorchs_file_formats_and_half_precision_are_read(path, form):
    weights = collections.OrderedDict((name, value.half()) for name, value in official_file.state().items())
    official_file.write(path, weights, **form)
    found = checkpoint.read(path)
    assert all(value.dtype == torch.float32 for value in found.weights.values())
    assert torch.equal(found.weights["g.bias"], weights["fc.bias"].float())


def test_a_pickle_with_code_is_refused_and_does_not_run(path, tmp_path):
    ran = tmp_path / "ran"

    class Code:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    for content in (Code(), {**official_file.state(), "fc.bias": Code()}):
        torch.save(content, path)
        assert "asks for code to be run, which was not done" in told(path)
    path.write_bytes(pickle.dumps(Code()))
    assert "asks for code to be run, which was not done" in told(path)
    assert not ran.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_pt_is_one_line(path, content):
    path.write_bytes(content)
    assert "FILE is no PyTorch file of weights alone: it is damaged" in told(path)


def test_a_cut_file_is_one_line(path):
    official_file.write(path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "is no PyTorch file of weights alone" in told(path)


def test_another_zip_is_one_line(path):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a", "b")
    assert "is no PyTorch file of weights alone" in told(path)


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(2)],
        {"state_dict": official_file.state()},
        {"fc.bias": 1.0},
        {"fc.bias": torch.zeros(2, 2).to_sparse()},
    ],
)
def test_what_is_no_state_dict_is_told(path, content):
    torch.save(content, path)
    assert "FILE holds no state dict: the authors' file is 48 named tensors" in told(path)


def test_missing_and_unknown_names_are_told_together(path):
    line = refused(path, **{"fc.bias": None, "fc.weight": None, "more.weight": torch.zeros(1)})
    assert line == (
        "FILE has not the 48 names of the authors' state dict: 2 missing (fc.weight, fc.bias), 1 too much (more.weight)"
    )
    official_file.write(path, {f"module.{name}": value for name, value in official_file.state().items()})
    assert "48 missing (encoder_layer.self_attn.in_proj_weight, " in told(path)
    assert "48 too much (module.encoder_layer" in told(path)


@pytest.mark.parametrize("name", ["attention.value_layer.weight", "encoder_layer.norm1.bias", "fc.weight"])
def test_other_shapes_are_told_also_of_what_is_left_out(path, name):
    assert f"asks for: {name} (3, 3), not (16" in refused(path, **{name: torch.zeros(3, 3)})


def test_a_width_that_the_heads_do_not_divide_is_told(path):
    official_file.HEADS, kept = 4, official_file.HEADS
    try:
        official_file.write(path, official_file.state(width=12))
    finally:
        official_file.HEADS = kept
    assert told(path) == "FILE is for text states of width 12, which the 8 heads of h3 do not divide"


@pytest.mark.parametrize("value", [torch.full((16,), torch.nan), torch.zeros(16, dtype=torch.int64)])
def test_values_that_are_no_numbers_are_told(path, value):
    assert "holds values that are no finite numbers: fc.bias" in refused(path, **{"fc.bias": value})


def test_another_file_than_the_named_one_is_refused(path):
    found = official_file.write(path)
    assert told(path, sha256="0" * 64) == (
        f"FILE has SHA-256 {found}, not {'0' * 64}: name its own, or get the file again"
    )


def test_a_missing_file_is_told(path):
    assert told(path) == "FILE is missing: name the authors' .pt file"
