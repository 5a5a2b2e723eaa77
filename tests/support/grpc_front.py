"""Serves the test double of `serving_double` by gRPC.

The service and its messages are those of tensorflow-serving-api. The refusals are those of the
server's predict_util.cc and get_model_metadata_impl.cc.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import grpc
import tensorflow as tf
from serving_double import TYPES, VERSION, Refusal
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    PredictionServiceStub,
    add_PredictionServiceServicer_to_server,
)

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    412: grpc.StatusCode.FAILED_PRECONDITION,
}
"""Code of gRPC for each status of a `Refusal`."""


class PredictionService(PredictionServiceServicer):
    """The service of a `ServerDouble`, without its delays and failures."""

    def __init__(self, double):
        self.double = double

    def Predict(self, request, context):
        """Returns the outputs of a signature."""
        spec = request.model_spec
        name = spec.signature_name or "serving_default"
        with refuse(context):
            self.double.check_model(spec.name, spec.version.value, spec.version_label)
            if name not in self.double.signatures:
                raise Refusal(412, f'Serving signature key "{name}" not found.')
            inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
            outputs = self.double.run(name, inputs)
        answer = predict_pb2.PredictResponse(
            outputs={key: tf.make_tensor_proto(value) for key, value in outputs.items()}
        )
        answer.model_spec.name, answer.model_spec.signature_name = spec.name, name
        answer.model_spec.version.value = VERSION
        return answer

    def GetModelMetadata(self, request, context):
        """Returns the description of the signatures."""
        with refuse(context):
            self.double.check_model(request.model_spec.name, request.model_spec.version.value, "")
            if list(request.metadata_field) != ["signature_def"]:
                raise Refusal(
                    400, "GetModelMetadataRequest must specify at least one metadata_field"
                )
        answer = get_model_metadata_pb2.GetModelMetadataResponse(
            model_spec={"name": self.double.model}
        )
        answer.model_spec.version.value = VERSION
        answer.metadata["signature_def"].Pack(signature_def_map(self.double.signatures))
        return answer


def signature_def_map(signatures):
    """Returns the description of signatures as a message."""

    def infos(tensors):
        return {
            key: meta_graph_pb2.TensorInfo(
                name=name,
                dtype=types_pb2.DataType.Value(TYPES[dtype]),
                tensor_shape=tf.TensorShape(
                    [None if size < 0 else size for size in shape]
                ).as_proto(),
            )
            for key, (name, dtype, shape) in tensors.items()
        }

    return get_model_metadata_pb2.SignatureDefMap(
        signature_def={
            name: meta_graph_pb2.SignatureDef(
                inputs=infos(inputs),
                outputs=infos(outputs),
                method_name="tensorflow/serving/predict",
            )
            for name, (inputs, outputs) in signatures.items()
        }
    )


@contextlib.contextmanager
def refuse(context):
    """Answers a `Refusal` with its code of gRPC."""
    try:
        yield
    except Refusal as refusal:
        context.abort(CODES[refusal.status], refusal.reason)


@contextlib.contextmanager
def connected(double):
    """Runs the service on this machine, and gives a stub of the service."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_PredictionServiceServicer_to_server(PredictionService(double), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield PredictionServiceStub(channel)
    finally:
        server.stop(None).wait()
