"""Warm-up requests, which TensorFlow Serving runs before it calls a model available."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

Requests = Mapping[str, Mapping[str, np.ndarray]]
"""Inputs by name, by signature."""


def require() -> None:
    """Checks that warm-up requests can be written, before any work begins.

    Raises:
        ValueError: tensorflow-serving-api is not installed.
    """
    try:
        import tensorflow_serving.apis.prediction_log_pb2  # noqa: F401
    except ImportError:
        raise ValueError(
            "export must have tensorflow-serving-api, for warm-up requests; it is not installed; "
            "run pip install 'tf_inpaint[serving]'."
        ) from None


def write(path: Path, model: str, requests: Requests) -> None:
    """Writes a TFRecord file with a `PredictionLog` for each signature.

    Args:
        path: `assets.extra/tf_serving_warmup_requests` of the version.
        model: the name of the model on the server.
        requests: the inputs of each signature.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = model, signature
            for name, values in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            log = prediction_log_pb2.PredictLog(request=request)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
