import threading

import cpp_loader
import numpy as np
import pytest
import tensorflow as tf


class Arithmetic(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[1.0, -2.0], [0.5, 3.0], [2.0, 0.25]])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, "values"),
            tf.TensorSpec([None], tf.int32, "counts"),
            tf.TensorSpec([None], tf.string, "names"),
        ]
    )
    def mix(self, values, counts, names):
        tf.debugging.assert_less(counts, 100, "counts must be below 100")
        return {
            "products": tf.tanh(values @ self.weights) * tf.cast(counts, tf.float32)[:, None],
            "totals": tf.cast(counts, tf.int64) * 2**40,
            "greetings": tf.strings.join(["a", names, "\0z"]),
            "names": names,
        }

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.string, "pairs")])
    def swap(self, pairs):
        return {"pairs": pairs[:, ::-1]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    module, path = Arithmetic(), str(tmp_path_factory.mktemp("arithmetic") / "1")
    tf.saved_model.save(module, path, signatures={"mix": module.mix, "swap": module.swap})
    return path


@pytest.fixture(scope="module")
def model(path):
    with cpp_loader.process(path) as model:
        yield model


def request(count, seed=0):
    random = np.random.default_rng(seed)
    return {
        "values": random.normal(size=(count, 3)).astype(np.float32),
        "counts": random.integers(-5, 99, count).astype(np.int32),
        "names": [random.bytes(int(size)) for size in random.integers(0, 3000, count)],
    }


def test_signatures_are_the_saved_ones(model):
    assert set(model.signatures) == {"mix", "swap"}
    inputs, outputs = model.signatures["mix"]
    assert {name: info[1:] for name, info in inputs.items()} == {
        "values": ("float32", (-1, 3)),
        "counts": ("int32", (-1,)),
        "names": ("string", (-1,)),
    }
    assert {name: info[1:] for name, info in outputs.items()} == {
        "products": ("float32", (-1, 2)),
        "totals": ("int64", (-1,)),
        "greetings": ("string", (-1,)),
        "names": ("string", (-1,)),
    }
    assert all(name.partition(":")[2].isdigit() for name, _, _ in inputs.values())


@pytest.mark.parametrize("count", [0, 1, 3, 17])
def test_answers_are_tensorflow_pythons(path, model, count):
    inputs = request(count)
    tensors = {
        key: tf.constant(value, model.signatures["mix"][0][key][1]) for key, value in inputs.items()
    }
    expected = tf.saved_model.load(path).signatures["mix"](**tensors)
    received = model.run("mix", inputs)
    assert received["names"] == inputs["names"]
    assert received["greetings"] == list(expected["greetings"].numpy())
    np.testing.assert_array_equal(received["totals"], expected["totals"].numpy(), strict=True)
    np.testing.assert_allclose(
        received["products"], expected["products"].numpy(), rtol=1e-6, strict=True
    )


def test_strings_of_two_axes(model):
    pairs = np.array([[b"a", b""], [b"\0" * 40, b"c"]], object)
    assert model.run("swap", {"pairs": pairs})["pairs"] == [[b"", b"a"], [b"c", b"\0" * 40]]


def test_errors_have_the_runtimes_words_and_do_no_harm(model):
    good = model.run("mix", request(2))
    bad = request(2) | {"counts": np.array([1, 100], np.int32)}
    with pytest.raises(ValueError, match="counts must be below 100"):
        model.run("mix", bad)
    for dtype in (np.int64, np.float64):
        with pytest.raises(ValueError, match="to be float but"):
            model.run("mix", request(2) | {"values": np.ones((2, 3), dtype)})
    with pytest.raises(ValueError, match="Matrix size-incompatible"):
        model.run("mix", request(2) | {"values": np.ones((2, 4), np.float32)})
    with pytest.raises(ValueError, match="takes the inputs"):
        model.run("mix", {"values": np.ones((2, 3), np.float32)})
    with pytest.raises(ValueError, match="must be one of"):
        model.run("mixed", request(2))
    again = model.run("mix", request(2))
    assert again["names"] == good["names"] and np.array_equal(again["products"], good["products"])


def test_many_threads_get_their_own_answers(model):
    requests = [("mix", request(1 + seed % 5, seed)) for seed in range(60)]
    requests[7][1]["counts"][:] = 100
    answers = model.run_many(requests, threads=8)
    assert isinstance(answers[7], ValueError) and "below 100" in str(answers[7])
    for index, ((_, inputs), answer) in enumerate(zip(requests, answers, strict=True)):
        if index != 7:
            assert answer["names"] == inputs["names"]
            np.testing.assert_array_equal(answer["products"], model.run("mix", inputs)["products"])


def test_callers_threads_take_turns(model):
    received = {}

    def ask(seed):
        received[seed] = model.run("mix", request(3, seed))["names"]

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert received == {seed: request(3, seed)["names"] for seed in range(6)}


def test_memory_stays_flat(model):
    """240 MB of strings pass, half of them in requests that fail; none stays."""
    inputs = request(4) | {"names": [bytes(1 << 20)] * 4}
    bad = inputs | {"counts": np.full(4, 100, np.int32)}

    def pass_strings(times):
        for _ in range(times):
            model.run("mix", inputs)
            with pytest.raises(ValueError, match="below 100"):
                model.run("mix", bad)
        return model.memory()

    before, after = pass_strings(5), pass_strings(30)
    assert 0 < before["now"] <= before["peak"] <= after["peak"]
    assert after["now"] - before["now"] < 60 << 20


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="Could not find SavedModel"), cpp_loader.process(tmp_path):
        pass


def test_tensorflow_python_is_refused(path):
    with pytest.raises(RuntimeError, match="process without TensorFlow's Python"):
        cpp_loader.Model(path)
