"""export/kuberay.yaml: a RayJob whose fields exist and whose command is understood."""

import shlex
from pathlib import Path

import pytest
import yaml

from tf_inpaint.config import CompleteConfig
from tf_inpaint.config.flags import parse

EXPORT = Path(__file__).parents[2] / "export"
FIELDS = {
    "RayJob": {"apiVersion", "kind", "metadata", "spec"},
    "RayJobSpec": {
        "activeDeadlineSeconds",
        "backoffLimit",
        "entrypoint",
        "rayClusterSpec",
        "runtimeEnvYAML",
        "shutdownAfterJobFinishes",
        "submissionMode",
        "ttlSecondsAfterFinished",
    },
    "RayClusterSpec": {"headGroupSpec", "rayVersion", "workerGroupSpecs"},
    "HeadGroupSpec": {"rayStartParams", "serviceType", "template"},
    "WorkerGroupSpec": {
        "groupName",
        "maxReplicas",
        "minReplicas",
        "rayStartParams",
        "replicas",
        "template",
    },
    "PodSpec": {"containers", "volumes"},
    "Container": {"image", "name", "resources", "volumeMounts"},
}
"""Fields of the types that the file may use.

Source: rayjob_types.go and raycluster_types.go of ray.io/v1 (KubeRay), core/v1 (Kubernetes).
"""


@pytest.fixture(scope="module")
def job():
    """The content of the file."""
    return yaml.safe_load((EXPORT / "kuberay.yaml").read_text())


def pods(job):
    """Returns the pod of the head, and that of the workers."""
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_every_field_is_one_of_its_type(job):
    """The operator refuses unknown fields."""
    cluster = job["spec"]["rayClusterSpec"]
    objects = [("RayJob", job), ("RayJobSpec", job["spec"]), ("RayClusterSpec", cluster)]
    objects += [("HeadGroupSpec", cluster["headGroupSpec"])]
    objects += [("WorkerGroupSpec", group) for group in cluster["workerGroupSpecs"]]
    for pod in pods(job):
        objects += [("PodSpec", pod), *(("Container", part) for part in pod["containers"])]
    for name, content in objects:
        assert content.keys() <= FIELDS[name], name
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    head = cluster["headGroupSpec"]["rayStartParams"]
    assert all(isinstance(value, str) for value in head.values())


def test_command_is_understood_and_its_paths_are_mounted(job):
    python, option, module, *flags = shlex.split(job["spec"]["entrypoint"])
    assert (python, option, module) == ("python", "-m", "tf_inpaint.complete")
    config = parse(CompleteConfig, flags)
    assert (config.engine, config.ray_address) == ("ray", "auto")
    for pod in pods(job):
        (container,) = pod["containers"]
        (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
        assert mount["name"] == volume["name"]
        for path in (config.run_dir, config.mask, config.out_dir, *config.images):
            assert Path(path).is_relative_to(mount["mountPath"])


def test_all_pods_have_one_image_and_the_version_of_ray_is_that_of_the_text(job):
    images = {container["image"] for pod in pods(job) for container in pod["containers"]}
    assert len(images) == 1
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"FROM rayproject/ray:{version}-py311" in (EXPORT / "cluster.md").read_text()
