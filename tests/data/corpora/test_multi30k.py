"""Multi30k: files are found, downloaded or rejected."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from regard.data.corpora import multi30k
from regard.data.corpora.multi30k import DIGESTS, Multi30k
from regard.errors import RegardError, UsageError

FOLDER = Path(__file__).parents[4] / "shared/data/multi30k"

needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs the Multi30k files in {FOLDER}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served on this machine in place of the remote repository."""
    served = tmp_path / "served"
    served.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(multi30k, "URL", f"http://127.0.0.1:{server.server_port}")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@needs_files
@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("fr", "en")])
def test_the_published_files_are_accepted(source: str, target: str) -> None:
    corpus = Multi30k(source, target, str(FOLDER))
    corpus.check()
    validation, test = list(corpus.records("validation")), list(corpus.records("test"))
    assert (len(validation), len(test)) == (1014, 1000)
    german = dict(Multi30k("en", "de", str(FOLDER)).records("test"))
    assert german["A man in an orange hat starring at something."].startswith("Ein Mann mit einem")
    assert sum(1 for _ in corpus.records("train")) == 29_000


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [("en", "es", r"data\.target=es: .*en, de, fr, cs"), ("de", "de", "are both de")],
)
def test_languages_are_checked(tmp_path: Path, source: str, target: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Multi30k(source, target, str(tmp_path)).check()


def test_the_fingerprint_depends_on_the_text_and_not_on_the_folder(tmp_path: Path) -> None:
    here = Multi30k("en", "de", str(tmp_path)).fingerprint()
    assert here == Multi30k("en", "de", str(tmp_path / "elsewhere")).fingerprint()
    assert here != Multi30k("de", "en", str(tmp_path)).fingerprint()
    assert here != Multi30k("en", "cs", str(tmp_path)).fingerprint()


def test_the_error_of_another_file_of_that_name_has_both_digests(tmp_path: Path) -> None:
    (tmp_path / "val.en.gz").write_bytes(b"not it")
    found = hashlib.sha256(b"not it").hexdigest()
    with pytest.raises(RegardError, match=f"val.en.gz is not .*{found}.*{DIGESTS['val.en.gz']}"):
        Multi30k("en", "de", str(tmp_path)).records("validation")


@needs_files
def test_missing_files_are_downloaded_when_they_are_read(tmp_path: Path, remote: Path) -> None:
    for name in ("val.en.gz", "val.de.gz"):
        shutil.copy(FOLDER / name, remote)
    folder = tmp_path / "new" / "multi30k"
    corpus = Multi30k("de", "en", str(folder))
    corpus.check()
    corpus.fingerprint()
    assert not folder.exists()
    assert list(corpus.records("validation")) == list(Multi30k("de", "en", str(FOLDER)).records("validation"))
    assert sorted(path.name for path in folder.iterdir()) == ["val.de.gz", "val.en.gz"]
    (remote / "val.en.gz").unlink()  # from now on it is read from the folder
    assert len(list(corpus.records("validation"))) == 1014


@pytest.mark.parametrize("language", ["en", "cs"])
def test_a_download_with_another_digest_is_not_stored(tmp_path: Path, remote: Path, language: str) -> None:
    (remote / f"train.{language}.gz").write_bytes(b"something else")
    with pytest.raises(RegardError, match=rf"/train\.{language}\.gz returned a file that is not"):
        Multi30k(language, "de", str(tmp_path / "data")).records("train")
    assert not (tmp_path / "data").exists()


def test_the_error_of_a_failed_download_names_the_files_to_place(tmp_path: Path, remote: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(RegardError) as failure:
        Multi30k("en", "cs", str(folder)).records("test")
    message = str(failure.value)
    assert f"{multi30k.URL}/test_2016_flickr.en.gz" in message
    assert all(f"{stem}.{language}.gz" in message for stem in ("train", "val") for language in ("en", "cs"))
    assert str(folder) in message
    assert "\n" not in message
