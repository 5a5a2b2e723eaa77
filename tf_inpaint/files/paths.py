"""Paths, and URLs of object stores, which have the methods of paths too.

A path on this machine is a `pathlib.Path`. A URL such as s3://bucket/faces is a `UPath` of the
package universal_pathlib, which reaches any file system of fsspec. A `UPath` is no `os.PathLike`,
so functions that take both tell them apart by that.
"""

import copyreg
import os
import re
import warnings
from pathlib import Path
from typing import Any

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""Beginning of a URL."""


def url_path(text: str, keep_listings: bool = False) -> Any:
    """Returns the path of a URL, or None if the text is no URL.

    A URL of this machine, as file:///photos, is a `pathlib.Path` too.

    Args:
        text: a path or a URL.
        keep_listings: ask the store only once for the files of a folder, their sizes and times.
            This suits files that no other process changes meanwhile.

    Raises:
        ValueError: the scheme is unknown, or a package for it is missing.
    """
    if not URL.match(text):
        return None
    path = opened(text.rstrip("/"), {"use_listings_cache": keep_listings})
    return Path(path.path) if path.protocol in ("file", "local") else path


def opened(url: str, options: dict[str, Any]) -> Any:
    """Returns the `UPath` of a URL, which can be sent to another process; see `url_path`.

    Args:
        url: the URL.
        options: options of the driver.
    """
    try:
        import fsspec
        from upath import UPath

        fsspec.get_filesystem_class(url.partition(":")[0])  # Loads the driver.
        with warnings.catch_warnings():
            # The methods of a path also work with a scheme that UPath does not know well.
            warnings.simplefilter("ignore", UserWarning)
            path = UPath(url, **options)
        _ = path.fs  # Connects.
    except Exception as error:  # A driver may raise nearly any exception.
        raise ValueError(
            f"A URL must be one that fsspec can open; received {url} "
            f"({' '.join(str(error).split())}); check it, and install what is missing: "
            "pip install 'tf_inpaint[urls]' and the driver, such as s3fs or gcsfs."
        ) from None
    # UPath itself can only pickle the paths of schemes that it knows.
    copyreg.pickle(type(path), lambda path: (opened, (str(path), dict(path.storage_options))))
    return path


def to_path(place: Any, keep_listings: bool = False) -> Any:
    """Returns the path of a text; see `url_path`. A path stays as it is."""
    if isinstance(place, str):
        return url_path(place, keep_listings) or Path(place)
    return place


def local_path(name: str, place: Any) -> Path:
    """Returns the path of a setting that must be on this machine.

    Args:
        name: name of the setting.
        place: a path or its text.

    Raises:
        ValueError: it is a URL.
    """
    path = to_path(place)
    if not isinstance(path, os.PathLike):
        raise ValueError(
            f"--{name} must be a folder of this machine; received the URL {path}; choose a path, "
            "and copy the folder when it is finished."
        )
    return Path(path)


def is_dir(place: Any) -> bool:
    """Whether a text, path or path of a URL is that of a folder."""
    return os.path.isdir(place) if isinstance(place, str | os.PathLike) else place.is_dir()


def exists(place: Any) -> bool:
    """Whether there is something at a text, path or path of a URL."""
    return os.path.exists(place) if isinstance(place, str | os.PathLike) else place.exists()


def real(path: Any) -> Any:
    """Returns a path without links. URLs have none."""
    return Path(os.path.realpath(path)) if isinstance(path, str | os.PathLike) else path


def relative(path: Any, folder: Any) -> str | None:
    """Returns the path of a file relative to a folder, with `/`; None: the file is not below it.

    Args:
        path, folder: paths of this machine or of URLs.
    """
    if not isinstance(path, os.PathLike):
        # The paths of one store with other options count as different.
        below = str(path).removeprefix(f"{folder}/")
        return below if below != str(path) else None
    if not isinstance(folder, os.PathLike) or not path.is_relative_to(folder):
        return None
    return path.relative_to(folder).as_posix()
