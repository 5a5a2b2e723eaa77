"""Warm-up requests are written as TensorFlow Serving reads them."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tf_inpaint.exporting import warm_up


def test_requests_come_back_as_they_were_given(tmp_path):
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    files = np.array([b"\x89PNG", b""], object)
    path = tmp_path / "tf_serving_warmup_requests"
    warm_up.write(path, "digits", {"generate": {"z": z}, "complete_encoded": {"files": files}})
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    requests = [PredictionLog.FromString(record).predict_log.request for record in records]
    assert [request.model_spec.name for request in requests] == ["digits", "digits"]
    names = [request.model_spec.signature_name for request in requests]
    assert names == ["generate", "complete_encoded"]
    np.testing.assert_array_equal(tf.make_ndarray(requests[0].inputs["z"]), z)
    np.testing.assert_array_equal(tf.make_ndarray(requests[1].inputs["files"]), files)


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.prediction_log_pb2", None)
    with pytest.raises(ValueError, match=r"tensorflow-serving-api.*; .*; run pip install"):
        warm_up.require()
