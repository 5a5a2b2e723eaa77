"""The files of `export/`: the configs, the container, the script, and the README's requests."""

import base64
import io
import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from PIL import Image
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tf_inpaint.config import ExportConfig

EXPORT = Path(__file__).parents[2] / "export"
FLAGS = {
    "port",
    "rest_api_port",
    "rest_api_timeout_in_ms",
    "rest_api_num_threads",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "allow_version_labels_for_unavailable_models",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
}
"""Flags of the server that the files use. Source: tensorflow_serving/model_servers/main.cc."""
DEFINITIONS = {
    "BatchingParameters": {
        "max_batch_size": (1, "google.protobuf.Int64Value", False),
        "batch_timeout_micros": (2, "google.protobuf.Int64Value", False),
        "max_enqueued_batches": (3, "google.protobuf.Int64Value", False),
        "num_batch_threads": (4, "google.protobuf.Int64Value", False),
        "thread_pool_name": (5, "google.protobuf.StringValue", False),
        "allowed_batch_sizes": (6, "int64", True),
        "pad_variable_length_inputs": (7, "bool", False),
    },
    "PrometheusConfig": {"enable": (1, "bool", False), "path": (2, "string", False)},
    "MonitoringConfig": {"prometheus_config": (1, "tensorflow.serving.PrometheusConfig", False)},
}
"""Messages that tensorflow-serving-api lacks: message -> field -> (number, type, repeated).

Source: tensorflow_serving/servables/tensorflow/session_bundle_config.proto and
config/monitoring_config.proto.
"""


def message_classes():
    """Builds the messages of DEFINITIONS: {name: message class}."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message, members in DEFINITIONS.items():
        descriptor = file.message_type.add(name=message)
        for name, (number, kind, repeated) in members.items():
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            scalar = "." not in kind
            descriptor.field.add(
                name=name,
                number=number,
                label=label,
                type=getattr(field, f"TYPE_{kind.upper()}") if scalar else field.TYPE_MESSAGE,
                type_name=None if scalar else f".{kind}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"tensorflow.serving.{name}")
        )
        for name in DEFINITIONS
    }


MESSAGES = {"models": ModelServerConfig} | {
    name: message_classes()[message]
    for name, message in {
        "batching": "BatchingParameters",
        "monitoring": "MonitoringConfig",
    }.items()
}


def config(name, change=lambda text: text):
    """Parses `NAME.config`, after a change to its text."""
    return text_format.Parse(change((EXPORT / f"{name}.config").read_text()), MESSAGES[name]())


@pytest.fixture(scope="module")
def service():
    """The only service of compose.yaml."""
    (service,) = yaml.safe_load((EXPORT / "compose.yaml").read_text())["services"].values()
    return service


@pytest.mark.parametrize("name", MESSAGES)
def test_every_misspelled_field_fails(name):
    text = re.sub(r"#.*", "", (EXPORT / f"{name}.config").read_text())
    fields = set(re.findall(r"([a-z_]+) *[:{]", text))
    assert len(fields) >= 3
    for field in fields:
        with pytest.raises(text_format.ParseError):
            config(
                name, lambda text, field=field: re.sub(rf"\b{field}( *[:{{])", rf"{field}x\1", text)
            )


def test_models_have_versions_and_labels_that_can_be_served():
    models = {model.name: model for model in config("models").model_config_list.config}
    assert set(models) == {"faces", "digits"}
    for name, model in models.items():
        assert (model.base_path, model.model_platform) == (f"/models/{name}", "tensorflow")
    faces, digits = (models[name] for name in ("faces", "digits"))
    assert set(faces.version_labels) == {"stable", "canary"}
    assert set(faces.version_labels.values()) <= set(faces.model_version_policy.specific.versions)
    assert digits.model_version_policy.latest.num_versions == 1 and not digits.version_labels


def test_batches_are_not_filled_up_with_copies():
    """The model would search for every copy."""
    batching = config("batching")
    assert not batching.allowed_batch_sizes and batching.max_batch_size.value % 8 == 0


def test_metrics_are_where_the_readme_asks():
    prometheus = config("monitoring").prometheus_config
    assert prometheus.enable and f":8501{prometheus.path}\n" in (EXPORT / "README.md").read_text()


def test_compose_mounts_what_the_configs_name(service):
    (volume,) = service["volumes"]
    source, target, mode = volume.split(":")
    assert (EXPORT / source).resolve() == EXPORT and mode == "ro"
    for model in config("models").model_config_list.config:
        assert Path(model.base_path).parent == Path(target)
    flags = dict(argument.removeprefix("--").split("=") for argument in service["command"])
    assert set(flags) <= FLAGS
    files = [value for flag, value in flags.items() if flag.endswith("_file")]
    assert len(files) == 3
    for file in files:
        assert (EXPORT / Path(file).relative_to(target)).is_file()


def test_compose_is_for_this_machine_only_and_limited(service):
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    assert re.fullmatch(
        r"tensorflow/serving:\$\{TF_SERVING_VERSION:-\d+\.\d+\.\d+\}", service["image"]
    )
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_the_largest_images_fit_into_the_containers_memory(service):
    readme = (EXPORT / "README.md").read_text().split("## Memory")[1]
    batching, pixels = config("batching"), ExportConfig().max_pixels
    threads = batching.num_batch_threads.value
    bytes_per_pixel = int(re.search(r"about (\d+) bytes", readme)[1])
    needed = threads * pixels * (bytes_per_pixel + 3 * batching.max_batch_size.value)
    limit = service["deploy"]["resources"]["limits"]["memory"]
    assert (
        f"{threads} x {pixels * bytes_per_pixel / 1e9:.1f} GB" in readme
        and f"{limit.removesuffix('g')} GB" in readme
    )
    assert needed + 1e9 < int(limit.removesuffix("g")) * 2**30


def test_a_client_waits_longer_than_the_queue(service):
    """The queue is as long as the measured times and the deadline allow."""
    readme = (EXPORT / "README.md").read_text().split("## Time")[1].split("## Memory")[0]
    rows = re.findall(r"^\| `.*?\| [\d.]+ \| ([\d.]+) \|", readme, re.MULTILINE)
    seconds = float(re.search(r"up to (\d+) seconds", readme)[1])
    assert len(rows) == 8 and max(map(float, rows)) < seconds
    batching = config("batching")
    waiting, running = batching.max_enqueued_batches.value, batching.num_batch_threads.value
    needed = (waiting + running + 1) * seconds
    deadlines = [
        int(text) / 1000
        for text in (
            *re.findall(r"rest_api_timeout_in_ms=(\d+)", str(service["command"])),
            *re.findall(r"rest_api_timeout_in_ms=(\d+)", (EXPORT / "serve.sh").read_text()),
        )
    ]
    assert len(deadlines) == 2 and needed < min(deadlines)
    assert f"({running} + {waiting} + 1) x {seconds:.0f} = {needed:.0f} seconds" in readme


@pytest.mark.parametrize(
    ("states", "healthy"),
    [
        ({"faces": "AVAILABLE", "digits": "AVAILABLE"}, True),
        ({"faces": "AVAILABLE", "digits": "LOADING"}, False),
        ({"faces": "START", "digits": "AVAILABLE"}, False),
        ({"digits": "AVAILABLE"}, True),
        ({"faces": "AVAILABLE"}, True),
        ({}, False),
        (None, False),
    ],
)
def test_the_health_check_sees_every_model_of_the_config(service, tmp_path, states, healthy):
    """Models without a state are removed from models.config; None: the server does not listen."""

    def remove_models(text):
        for name in {"faces", "digits"} - set(states or ()):
            text = re.sub(rf'  config {{\n    name: "{name}".*?\n  }}\n', "", text, flags=re.DOTALL)
        return text

    assert {
        model.name for model in config("models", remove_models).model_config_list.config
    } == set(states or ())
    models = tmp_path / "models.config"
    models.write_text(remove_models((EXPORT / "models.config").read_text()))

    class Status(BaseHTTPRequestHandler):
        def do_GET(self):
            state = states[self.path.removeprefix("/v1/models/")]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                json.dumps({"model_version_status": [{"version": "1", "state": state}]}).encode()
            )

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Status)
    if states is None:
        server.server_close()
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    kind, *command = service["healthcheck"]["test"]
    for text, replacement in (
        ("$$", "$"),
        ("/8501", f"/{server.server_port}"),
        ("/models/models.config", str(models)),
    ):
        command = [word.replace(text, replacement) for word in command]
    code = subprocess.run(command, timeout=20, capture_output=True).returncode
    if states is not None:
        server.shutdown()
        server.server_close()
    assert kind == "CMD" and (code == 0) == healthy


def test_the_script_is_bash_with_known_flags(service):
    script = EXPORT / "serve.sh"
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -euo pipefail" in script.read_text() and script.stat().st_mode & 0o100
    flags = set(re.findall(r"^ +--([a-z_]+)=", script.read_text(), re.MULTILINE))
    assert flags <= FLAGS
    # The script copies models.config once, so it needs no polling. The image sets its ports itself.
    composed = {argument.removeprefix("--").split("=")[0] for argument in service["command"]}
    assert flags - {"port", "rest_api_port"} == composed - {"model_config_file_poll_wait_seconds"}


def run_script(folder, *programs, export=EXPORT):
    """Runs serve.sh with a PATH of fake programs (name, text) and of the tools that it needs."""
    for name in ("bash", "dirname", "mktemp", "sed", "rm", "cat"):
        path = subprocess.run(
            ["bash", "-c", f"type -P {name}"], capture_output=True, text=True, check=True
        ).stdout
        (folder / name).symlink_to(path.strip())
    for name, text in programs:
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": str(folder), "TMPDIR": str(folder)}
    return subprocess.run(
        [folder / "bash", export / "serve.sh", "--more"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_the_script_names_the_missing_programs_in_one_sentence(tmp_path):
    result = run_script(tmp_path)
    assert result.returncode == 2 and result.stdout == ""
    assert (
        len(result.stderr.splitlines()) == 1
        and "tensorflow_model_server or Docker" in result.stderr
    )


def test_the_script_starts_the_server_on_this_folder(tmp_path):
    program = (
        'for word; do echo "$word"; '
        'case $word in --model_config_file=*) cat "${word#*=}";; esac; done; exit 7'
    )
    result = run_script(tmp_path, ("tensorflow_model_server", program))
    assert result.returncode == 7 and result.stdout.endswith("--more\n")
    text = result.stdout
    assert (
        f'base_path: "{EXPORT}/faces"' in text
        and f"--batching_parameters_file={EXPORT}/batching.config\n" in text
    )
    assert not Path(re.search(r"--model_config_file=(.*)", text)[1]).exists()


def test_the_script_takes_any_folder(tmp_path):
    odd = tmp_path / 'a#b & "c" \\1'
    shutil.copytree(EXPORT, odd, ignore=shutil.ignore_patterns("[0-9]*"))
    program = 'for word; do case $word in --model_config_file=*) cat "${word#*=}";; esac; done'
    (tmp_path / "path").mkdir()
    result = run_script(tmp_path / "path", ("tensorflow_model_server", program), export=odd)
    models = text_format.Parse(result.stdout, ModelServerConfig()).model_config_list.config
    assert [model.base_path for model in models] == [f"{odd}/faces", f"{odd}/digits"]


def test_the_script_falls_back_on_docker(tmp_path):
    result = run_script(tmp_path, ("docker", 'echo "$@"'))
    assert result.stdout == f"compose --file {EXPORT}/compose.yaml up --more\n"


def test_the_readmes_requests_are_json_with_images():
    readme = (EXPORT / "README.md").read_text()
    bodies = [json.loads(body) for body in re.findall(r"(?:curl -d|printf) '(\{.*\})'", readme)]
    assert len(bodies) == 2
    signatures = set(re.findall(r"`(\w+)`", readme.split("## Signatures")[1].split("\n\n* ")[0]))
    assert all(body["signature_name"] in signatures for body in bodies)
    inputs = bodies[1]["inputs"]
    assert set(bodies[0]["instances"][0]) == set(inputs) == {"image_bytes", "mask_bytes", "seeds"}
    assert {len(column) for column in inputs.values()} == {2}
    for value in inputs["image_bytes"] + inputs["mask_bytes"]:
        assert Image.open(io.BytesIO(base64.b64decode(value["b64"], validate=True))).size == (2, 2)


def test_the_readme_names_the_image_of_compose(service):
    version = re.search(r":-([\d.]+)\}", service["image"])[1]
    assert f"tensorflow/serving:{version}\n" in (EXPORT / "README.md").read_text()


def test_the_readmes_paths_are_those_from_the_root():
    """The first command writes where the container of one model looks."""
    readme = (EXPORT / "README.md").read_text()
    folders = re.findall(r'--export_dir=(\S+)|"\$PWD/([^:]+):', readme)
    assert len(folders) == 2 and {written or mounted for written, mounted in folders} == {
        "export/faces"
    }
