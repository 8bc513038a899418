"""One object of an S3 server, replaced only if it is what its writer last saw. Through Spark's JVM, which writes all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class ConditionalObject:
    """An object at a URL and, of its content, the version that a writer read."""

    def __init__(self, spark: SparkSession, url: str):
        jvm: Any = spark._jvm
        jsc: Any = spark.sparkContext._jsc
        self.url = url
        self._put = jvm.saleslake.ConditionalPut
        self._path, self._conf = jvm.org.apache.hadoop.fs.Path(url), jsc.hadoopConfiguration()

    def read(self) -> tuple[bytes, str] | None:
        """(content, ETag); None where there is no object."""
        while (etag := self._put.etag(self._path, self._conf)) is not None:
            content = self._put.read(self._path, self._conf)
            # Replaced between the two, the content would go by another's name.
            if content is not None and self._put.etag(self._path, self._conf) == etag:
                return bytes(content), str(etag)
        return None

    def put(self, content: bytes, seen: str | None) -> bool:
        """Put `content` where the object still has the ETag `seen` (None: where there is none). False where it has not."""
        if seen is None:
            return bool(self._put.ifAbsent(self._path, content, self._conf))
        return bool(self._put.ifUnchanged(self._path, content, seen, self._conf))
