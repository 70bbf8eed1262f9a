"""Labels that a model file carries: TFLite Metadata packs its associated files as a zip archive behind the model."""

from __future__ import annotations

import io

_END_OF_ARCHIVE = b"PK\x05\x06"
_END_BYTES = 22 + 65535  # the record and its longest comment
_MOST_BYTES = 1 << 20


def read_labels(data: bytes, count: int) -> tuple[str, ...]:
    """The `count` labels of the first label file in the archive, one a line; empty where there are none that fit.

    Labels only decorate answers, so an archive that cannot be read is as good as none."""
    if data.rfind(_END_OF_ARCHIVE, max(0, len(data) - _END_BYTES)) < 0:
        return ()
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [f for f in archive.infolist() if f.filename.endswith(".txt") and f.file_size <= _MOST_BYTES]
            for file in sorted(files, key=lambda f: "label" not in f.filename):
                with archive.open(file) as stream:
                    lines = stream.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
                labels = tuple(printable(line.strip()) for line in lines if line.strip())
                if len(labels) == count:
                    return labels
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return ()
    return ()


def printable(text: str) -> str:
    """Text from a file, safe to show on one line of a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
