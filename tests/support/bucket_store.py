"""A file system of fsspec for URLs such as bucket:///folder/file, which behaves like a bucket.

The files are on this machine. But no file can be renamed, nothing can be appended to a file, and
nobody makes folders. The metadata beside this module tell fsspec its name in every process.
"""

from fsspec.implementations.local import LocalFileSystem


class BucketStore(LocalFileSystem):
    """Writes and reads whole files."""

    protocol = "bucket"

    def __init__(self, **options):
        super().__init__(**options | {"auto_mkdir": True})

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("bucket://"))

    def mkdir(self, path, create_parents=True, **kwargs):
        """Does nothing."""

    def mv_file(self, path1, path2, **kwargs):
        """Is refused."""
        raise NotImplementedError

    mv = mv_file

    def _open(self, path, mode="rb", block_size=None, **kwargs):
        if mode not in ("rb", "wb", "r", "w"):
            raise NotImplementedError
        return super()._open(path, mode, block_size, **kwargs)
