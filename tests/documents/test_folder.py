from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from longctx.documents import folder
from longctx.documents.base import Unreadable


def found(root: Path) -> dict[str, str]:
    """Path → reason of everything in a folder; an empty reason for files to read."""
    entries = list(folder.walk(root))
    reasons = {entry.path: entry.reason for entry in entries}
    assert len(reasons) == len(entries)
    return reasons


def test_files_are_found_recursively(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("x")
    (tmp_path / "d.txt").write_text("")
    assert found(tmp_path) == {"a/b/c.txt": "", "d.txt": ""}


def test_links_are_named_and_never_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file.txt").write_text("x")
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "rootless").mkdir()
    for name, target in {
        "to-file": "sub/file.txt",
        "to-folder": "sub",
        "to-self": ".",
        "sub/up": "..",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "broken": "gone",
        "outside": "../secret.txt",
        "outside-folder": "/",
        "like-inside": "../rootless",
        "absolute": str(root / "sub" / "file.txt"),
    }.items():
        (root / name).symlink_to(target)
    loop = "link cannot be followed: too many levels of symbolic links"
    assert found(root) == {
        "sub/file.txt": "",
        "to-file": "link to sub/file.txt",
        "to-folder": "link to sub",
        "to-self": "link to the folder itself",
        "sub/up": "link to the folder itself",
        "loop-a": loop,
        "loop-b": loop,
        "broken": "broken link to gone",
        "outside": "link leads outside the folder",
        "outside-folder": "link leads outside the folder",
        "like-inside": "link leads outside the folder",
        "absolute": "link to sub/file.txt",
    }


def test_pipes_and_sockets_do_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.txt")
        assert found(tmp_path) == {"pipe.txt": "named pipe", "socket.txt": "socket"}
    with pytest.raises(Unreadable, match="named pipe"):  # put in the place of a file after the folder was listed
        folder.read_file(tmp_path, ("pipe.txt",), 100)


def test_devices_are_not_read() -> None:
    with pytest.raises(Unreadable, match="device"):
        folder.read_file(Path("/dev"), ("zero",), 100)


def test_hidden_files_and_folders_without_documents_are_one_entry_each(tmp_path: Path) -> None:
    for name in (".git/objects/aa", "node_modules/x", "pkg/__pycache__", "my-env/lib"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        ".env",
        ".git/HEAD",
        ".git/objects/aa/b",
        "node_modules/x/i.js",
        "pkg/__pycache__/m.pyc",
        "pkg/m.py",
        "my-env/pyvenv.cfg",
        "my-env/lib/a.py",
        "corpus.toml",
    ):
        (tmp_path / name).write_text("x")
    assert found(tmp_path) == {
        ".env": "hidden file",
        ".git/": "hidden folder; 2 files in it not read",
        "node_modules/": "installed packages; 1 file in it not read",
        "pkg/__pycache__/": "compiled code; 1 file in it not read",
        "pkg/m.py": "",
        "my-env/": "virtual environment; 2 files in it not read",
        "corpus.toml": "describes the corpus",
    }


def test_names_in_any_bytes_are_shown_safely(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path)
    names = [b"caf\xe9.txt", b"new\nline.txt", b"esc\x1b[31m.txt", "rtl\u202e.txt".encode(), "日本 ü.txt".encode()]
    for name in names:
        Path(os.fsdecode(raw + b"/" + name)).write_bytes(name)
    os.mkdir(raw + b"/d\xff")
    Path(os.fsdecode(raw + b"/d\xff/x.txt")).write_bytes(b"x")
    entries = {entry.path: entry.parts for entry in folder.walk(tmp_path)}
    assert set(entries) == {
        "caf\\xe9.txt",
        "new\\nline.txt",
        "esc\\x1b[31m.txt",
        "rtl\\u202e.txt",
        "日本 ü.txt",
        "d\\xff/x.txt",
    }
    assert folder.read_file(tmp_path, entries["caf\\xe9.txt"], 100) == (b"caf\xe9.txt", "")
    assert folder.read_file(tmp_path, entries["d\\xff/x.txt"], 100) == (b"x", "")


@pytest.mark.parametrize(("name", "depth"), [("d" * 200, 40), ("e" * 20, 250)])
def test_depth_beyond_the_longest_path_the_system_takes(tmp_path: Path, name: str, depth: int) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    bottom = os.open("bottom.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.write(bottom, b"at the bottom")
    os.close(bottom)
    os.close(here)
    (entry,) = folder.walk(tmp_path)
    assert entry.path == "/".join([name] * depth) + "/bottom.txt"
    assert folder.read_file(tmp_path, entry.parts, 100) == (b"at the bottom", "")
    _remove(tmp_path, name, depth)


def test_depth_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_DEEPEST", 3)
    (tmp_path / "a/b/c/d/e").mkdir(parents=True)
    (tmp_path / "a/b/c/seen.txt").write_text("x")
    (tmp_path / "a/b/c/d/unseen.txt").write_text("x")
    assert found(tmp_path) == {"a/b/c/seen.txt": "", "a/b/c/d/": "nested deeper than 3 folders"}


def _remove(root: Path, name: str, depth: int) -> None:
    """Flatten a chain of folders that is too deep for `shutil.rmtree`, and for pytest's own cleaning up."""
    for _ in range(depth):
        os.rename(root / name, root / "top")
        for inner in (root / "top").iterdir():
            os.rename(inner, root / inner.name)
        (root / "top").rmdir()


def test_what_may_not_be_opened_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not stop an administrator, so the system's refusal is simulated."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "open.txt").write_text("x")
    real = os.open

    def refusing(path: str, *arguments: object, **named: object) -> int:
        if path in ("closed", "secret.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(folder.os, "open", refusing)
    assert found(tmp_path) == {
        "closed/": "folder cannot be opened: permission denied",
        "secret.txt": "",
        "open.txt": "",
    }
    with pytest.raises(Unreadable, match="permission denied"):
        folder.read_file(tmp_path, ("secret.txt",), 100)


def test_size_limit_before_and_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.txt"
    path.write_bytes(b"x" * 2000)
    with pytest.raises(Unreadable, match="2,000 bytes, more than the limit of 1,000"):
        folder.read_file(tmp_path, ("big.txt",), 1000)
    assert folder.read_file(tmp_path, ("big.txt",), 2000) == (b"x" * 2000, "")
    path.write_bytes(b"x" * 900)
    real = os.read

    def growing(file: int, count: int) -> bytes:
        with path.open("ab") as stream:
            stream.write(b"y" * 900)
        return real(file, count)

    monkeypatch.setattr(folder.os, "read", growing)
    assert folder.read_file(tmp_path, ("big.txt",), 1000) == (b"x" * 900, "changed while it was read")


def test_a_file_that_is_gone_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file or directory"):
        folder.read_file(tmp_path, ("gone.txt",), 100)
