"""TensorFlow, JAX and Paddle where they are installed; ``datasets`` always."""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys

import numpy as np
import pyarrow as pa
import pytest

from lancenb.data import as_hf, batches, to_jax, to_paddle, to_tf
from lancenb.errors import (
    CorruptInput,
    InvalidArgument,
    MissingDependency,
    UnsupportedFormat,
)
from tests.data.tables import patterns, write


@pytest.fixture(scope="module", autouse=True)
def environment():
    """Paddle sets OMP_NUM_THREADS for all processes that are started later."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def needs(module: str):
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed (an extra of lancenb)")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("frameworks") / "p.lance", 37, max_rows_per_file=10)


def _wanted(table, **options):
    data = batches(table, 8, columns=["path"], shuffle=True, seed=3, **options)
    return [batch["path"].tolist() for batch in data]


@pytest.mark.parametrize(
    ("call", "module", "extra"),
    [
        (to_tf, "tensorflow", "lancenb[tensorflow]"),
        (to_jax, "jax", "lancenb[jax]"),
        (to_paddle, "paddle", "lancenb[paddle]"),
    ],
)
def test_a_missing_framework_is_one_line_of_advice(table, monkeypatch, call, module, extra):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=module)
        return real(name, *rest, **more)

    def missing(name, package=None):
        raise ModuleNotFoundError(f"No module named {name!r}", name=module)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingDependency, match="is not installed") as failure:
        call(table)
    assert failure.value.hint == f"pip install '{extra}'"


def test_as_hf_is_equal_row_by_row(table, tmp_path):
    data = as_hf(table, columns=["image", "label", "path"], cache=tmp_path)
    assert data.features["label"].names == ["circle", "stripe", "dot"]
    (batch,) = batches(table, 37, columns=["image", "label", "path"])
    assert len(data) == 37
    for row in range(37):
        seen = data[row]
        assert np.array_equal(np.asarray(seen["image"]), batch["image"][row])
        assert (seen["label"], seen["path"]) == (batch["label"][row], batch["path"][row])
    some = as_hf(table, columns=["label"], filter=[("label", "=", 2)], streaming=True)
    assert [row["label"] for row in some] == [2] * 12


@pytest.mark.parametrize("call", [to_tf, to_jax, to_paddle])
def test_options_beside_batches_are_refused(table, monkeypatch, call):
    class Framework:
        """Stands for whichever it is: the options are looked at before it is used."""

        process_count = staticmethod(lambda: 1)

    monkeypatch.setattr("lancenb.data.frameworks.optional", lambda *_: Framework)
    with pytest.raises(InvalidArgument, match="shuffle belongs to the batches"):
        call(batches(table, 4), shuffle=True)


@needs("tensorflow")
def test_tensorflow_gives_the_rows_of_batches(table):
    import tensorflow as tf

    data = to_tf(table, 8, columns=["image", "label", "path"], shuffle=True, seed=3)
    assert data.element_spec == {
        "image": tf.TensorSpec((None, 16, 16, 3), tf.uint8, "image"),
        "label": tf.TensorSpec((None,), tf.int64, "label"),
        "path": tf.TensorSpec((None,), tf.string, "path"),
    }
    assert int(data.cardinality()) == 5
    for _ in data.take(2):  # a look does not move the epochs
        pass
    seen = [[p.decode() for p in e["path"].numpy()] for _ in range(2) for e in data]
    assert seen == _wanted(table, epochs=2)
    pixels = next(iter(batches(table, 8, shuffle=True, seed=3, epoch=0)))["image"]
    (first,) = to_tf(table, 8, shuffle=True, seed=3).take(1)
    assert np.array_equal(first["image"].numpy(), pixels)


@needs("tensorflow")
def test_keras_learns_from_to_tf(table):
    import tensorflow as tf

    data = to_tf(table, 8, as_tuple=("image", "label"), shuffle=True, seed=3)
    layers = [
        tf.keras.Input((16, 16, 3)),
        tf.keras.layers.Rescaling(1 / 255),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(3),
    ]
    model = tf.keras.Sequential(layers)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    history = model.fit(data, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["accuracy"][-1] > 0.9


@needs("tensorflow")
def test_tensorflow_resumes_refuses_and_never_ends(table, tmp_path):
    data = batches(table, 8, columns=["path"], shuffle=True, seed=3)
    next(data)
    again = batches(table, 8, columns=["path"], shuffle=True, seed=3)
    again.load_state_dict(data.state_dict())
    seen = [[p.decode() for p in e["path"].numpy()] for e in to_tf(again)]
    assert seen == _wanted(table)[1:]
    data.close()
    endless = to_tf(table, 8, columns=["label"], epochs=None)
    assert int(endless.cardinality()) == -1
    rows = pa.table({"x": pa.array([[1], [1, 2]]), "t": ["a", None]})
    uri = write(rows, tmp_path / "r.lance")
    with pytest.raises(UnsupportedFormat, match="no type for the column 'x'"):
        to_tf(uri)
    with pytest.raises(Exception, match="no value in column 't'"):
        list(to_tf(uri, columns=["t"]))


@needs("jax")
def test_jax_gives_the_rows_of_batches(table):
    import jax
    import jax.numpy as jnp

    data = to_jax(table, 8, columns=["image", "label", "path"], shuffle=True, seed=3)
    seen = []
    for batch in data:
        assert isinstance(batch["image"], jax.Array)
        assert batch["image"].dtype == jnp.uint8
        assert batch["image"].shape[1:] == (16, 16, 3)
        assert batch["label"].dtype == jnp.int32  # JAX's own rule without x64
        seen.append(batch["path"].tolist())
    assert seen == _wanted(table)
    first = next(iter(to_jax(table, 8, as_tuple=("image", "label"), shuffle=True, seed=3)))
    plain = next(iter(batches(table, 8, shuffle=True, seed=3)))
    assert np.array_equal(np.asarray(first[0]), plain["image"])
    assert np.array_equal(np.asarray(first[1]), plain["label"])


@needs("jax")
def test_jax_resumes_and_shards(table):
    import jax

    data = to_jax(table, 8, columns=["path"], shuffle=True, seed=3)
    next(data)
    again = to_jax(table, 8, columns=["path"], shuffle=True, seed=3)
    again.load_state_dict(data.state_dict())
    assert len(again) == 4
    assert [batch["path"].tolist() for batch in again] == _wanted(table)[1:]
    data.close()
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("rows",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    with to_jax(table, 8, sharding=spread, drop_last=True) as placed:
        batch = next(placed)
        assert batch["image"].sharding == spread
        assert "JaxBatches" in repr(placed)
    with pytest.raises(InvalidArgument, match="not both"):
        to_jax(table, sharding=spread, device=jax.devices()[0])


@needs("jax")
def test_jax_refuses_integers_that_would_change(tmp_path):
    uri = write(pa.table({"id": pa.array([1, 2**40], pa.int64())}), tmp_path / "i.lance")
    with pytest.raises(InvalidArgument, match="'id' holds int64 numbers that int32 does not hold"):
        next(to_jax(uri, 2))


@needs("paddle")
def test_paddle_data_sets_are_real_ones(table):
    import paddle

    rows = to_paddle(table)
    assert isinstance(rows, paddle.io.Dataset)
    assert len(rows) == 37
    image, label = rows[5]
    assert image.shape == (3, 16, 16)
    assert (image.dtype, int(label)) == (np.uint8, 2)
    stream = to_paddle(table, 8, columns=["image", "label"], shuffle=True, seed=3)
    assert isinstance(stream, paddle.io.IterableDataset)
    plain = batches(table, 8, shuffle=True, seed=3, layout="NCHW")
    loaded = paddle.io.DataLoader(stream, batch_size=None)
    for (images, labels), wanted in zip(loaded, plain, strict=True):
        assert np.array_equal(images.numpy(), wanted["image"])
        assert np.array_equal(labels.numpy(), wanted["label"])


@needs("paddle")
def test_w57_paddle_model_wraps_a_layer(table):
    """``paddle.Model`` is no base class of networks: a Layer is wrapped, and then learns."""
    import paddle

    class Network(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.flatten = paddle.nn.Flatten()
            self.linear = paddle.nn.Linear(3 * 16 * 16, 3)

        def forward(self, images):
            return self.linear(self.flatten(images))

    def scaled(picture):
        return picture.astype("float32") / 255

    paddle.seed(0)
    model = paddle.Model(Network())
    model.prepare(
        paddle.optimizer.Adam(0.01, parameters=model.parameters()),
        paddle.nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )
    rows = to_paddle(table, transform=scaled)
    model.fit(rows, batch_size=8, epochs=6, verbose=0)
    assert model.evaluate(rows, batch_size=37, verbose=0)["acc"] > 0.9


@needs("paddle")
def test_paddle_trains_on_batches_too(table):
    import paddle

    network = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(3 * 16 * 16, 3))
    model = paddle.Model(network)
    model.prepare(
        paddle.optimizer.Adam(0.01, parameters=model.parameters()), paddle.nn.CrossEntropyLoss()
    )
    stream = to_paddle(table, 8, shuffle=True, transform=lambda p: p.astype("float32") / 255)
    loaded = paddle.io.DataLoader(stream, batch_size=None)
    before = model.evaluate(loaded, verbose=0)["loss"][0]
    model.fit(loaded, epochs=6, verbose=0)
    assert model.evaluate(loaded, verbose=0)["loss"][0] < before


def test_a_row_without_text_is_named(tmp_path):
    pytest.importorskip("paddle", reason="paddle is not installed (an extra of lancenb)")
    uri = write(pa.table({"t": ["a", None]}), tmp_path / "t.lance")
    with pytest.raises(CorruptInput, match="no value in column 't'") as caught:
        list(to_paddle(uri, 2))
    assert caught.value.hint == "leave such rows out: filter=[('t', 'is not', None)]"
