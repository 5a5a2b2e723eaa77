"""Examples of the data sets of TensorFlow Datasets (TFDS), with encoded images."""

import contextlib
import difflib
from collections.abc import Sequence
from typing import Any


def prepared_builder(name: str, data_dir: str | None) -> Any:
    """Returns the builder of a data set that is on disk. A missing data set is downloaded.

    Args:
        name: NAME or NAME/CONFIG, perhaps with :VERSION behind it.
        data_dir: directory of the TFDS data sets. Default: the default of TFDS.

    Raises:
        ValueError: the name is unknown, or the data set cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.is_prepared():
            # TFDS itself would download mnist for the name MNIST.
            if _unknown_part(name)[1]:
                raise LookupError
            # TFRecord, the default, has no random access.
            builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
            builder.download_and_prepare()
    # TFDS has no common class for its errors: unknown name, no network, quota, full disk, ...
    except Exception as error:
        remedy = "correct the name, prepare it elsewhere, or unpack its images and use folder:DIR."
        received = " ".join(str(error).split())[:300] or type(error).__name__
        unknown, similar = _unknown_part(name)
        if unknown:
            received = f"the unknown name {unknown}"
        if similar:
            remedy = f"did you mean tfds:{similar}?"
        raise ValueError(
            f"tfds:{name} must be on disk or a download; received: {received}; {remedy}"
        ) from error
    return builder


def _unknown_part(name: str) -> tuple[str, str]:
    # The name of the data set or configuration if it is unknown, and the most similar known name.
    import tensorflow_datasets as tfds

    unknown, _, config = name.partition(":")[0].partition("/")
    known, prefix = tfds.list_builders(with_community_datasets=False), ""
    if unknown in known:
        # Some data sets cannot be imported without their own libraries.
        configs: list[str] = []
        with contextlib.suppress(Exception):
            configs = list(tfds.builder_cls(unknown).builder_configs)
        known, prefix, unknown = configs, f"{unknown}/", config
    if not known or unknown in ("", *known):
        return "", ""
    similar = difflib.get_close_matches(unknown.lower(), known, n=1)
    return unknown, prefix + similar[0] if similar else ""


def image_and_label_keys(builder: Any, name: str) -> tuple[str, str | None]:
    """Returns the key of the images in an example, and the key of the labels or None.

    Args:
        builder: result of `prepared_builder`.
        name: name of the data set, for errors.

    Raises:
        ValueError: there is no image feature, or none of several is named `image`.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = [key for key, feature in features.items() if type(feature) is tfds.features.Image]
    if len(keys) != 1 and "image" not in keys:
        received = ", ".join(keys) or "none"
        raise ValueError(
            f"tfds:{name} must have one image feature; received {received}; "
            "choose another data set."
        )
    classes = [
        key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    image_key = "image" if "image" in keys else keys[0]
    label_key = classes[0] if len(classes) == 1 else "label" if "label" in classes else None
    return image_key, label_key


def read_examples(
    builder: Any, name: str, part: str, image_key: str, label_key: str | None, max_bytes: int
) -> Sequence[dict]:
    """Returns the examples of a split. All images are encoded: read them like files.

    Args:
        builder: result of `prepared_builder`.
        name: name of the data set, for errors.
        part: split of TFDS, such as `train` or `test`.
        image_key: key of the images.
        label_key: key of the labels, or None.
        max_bytes: maximum size in memory of a data set that is prepared as TFRecord, which has no
            random access.

    Raises:
        ValueError: such a data set is larger.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    encoded = {
        key: tfds.decode.SkipDecoding()
        for key, feature in features.items()
        if type(feature) is tfds.features.Image
    }
    # A data set that is prepared as TFRecord raises NotImplementedError.
    with contextlib.suppress(NotImplementedError):
        return builder.as_data_source(part, decoders=encoded)
    size = builder.info.splits[part].num_bytes
    if size > max_bytes:
        remedy = 'prepare it in another --data_dir with file_format="array_record"'
        raise ValueError(
            f"tfds:{name} must fit in memory; received {size:,} bytes of TFRecord; {remedy}."
        )
    keys = [image_key, label_key] if label_key else [image_key]
    stream = builder.as_dataset(part, decoders=encoded, shuffle_files=False)
    return [{key: example[key] for key in keys} for example in stream.as_numpy_iterator()]
