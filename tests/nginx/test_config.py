"""The files themselves: both versions take them without a word, and what runs is what stands in the repository."""

import subprocess

from tests.nginx.rig import TREE


def test_nginx_accepts_the_configuration_without_a_warning(rig):
    done = subprocess.run([*rig.command(), "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr and "[alert]" not in done.stderr, done.stderr


def test_what_runs_is_byte_for_byte_what_a_reviewer_reads(rig):
    shown = subprocess.run([*rig.command(), "-T"], capture_output=True, check=True).stdout
    # nginx -T prints each file after a line with its name, as nginx itself read it.
    files = {}
    for part in shown.split(b"# configuration file ")[1:]:
        name, _, content = part.partition(b":\n")
        files[name.decode().removeprefix(f"{rig.prefix}/conf/")] = content.removesuffix(b"\n")
    read = {file.relative_to(TREE).as_posix(): file.read_bytes() for file in TREE.rglob("*.conf")}
    del read["site.example.conf"]
    assert files.keys() - read.keys() == {"site.conf"}
    assert {name: files.get(name) for name in read} == read, "a file is not used, or differs"


def test_the_temp_path_is_a_file_and_stays_one(rig):
    assert (rig.prefix / "conf" / "no-spill").is_file()
    assert (TREE / "no-spill").stat().st_mode & 0o700 == 0o700, "nginx, started by root, would chmod it to this"
