# SPDX-License-Identifier: Apache-2.0
"""What a guest is made of: a root file system in a directory of its own, packed as cpio.

Kernels take archives one after the other, so what never changes (interpreter, tools, libraries) is packed once and kept in
the cache; a run adds its own archive. They are not compressed: emulation would be longer at unpacking than at reading.
"""
import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MERGED = ("bin", "sbin", "lib", "lib64")
EMPTY = ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/lib",
         "var/tmp", "vm")
# Tests look at what these do; busybox, which can all of it, is one program for everything and exec shows that.
TOOLS = ("bpftool", "cat", "dash", "env", "false", "ip", "mount", "prlimit", "ps", "setpriv", "sleep", "true", "umount", "uname",
         "unshare")
# Seconds after which an archive that was not used goes.
UNUSED = 7 * 86400
# Parts of the standard library that no test needs.
NO_PYTHON = {"config", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "sqlite3",
             "test", "tests", "tkinter", "turtledemo", "venv", "wsgiref", "xmlrpc"}
NO_EXTENSION = ("_test", "_ctypes_test", "_curses", "_dbm", "_gdbm", "_sqlite3", "_tkinter", "_codecs_", "ossaudiodev", "xx")


class Missing(Exception):
    pass


def which(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{name} is not installed (conf/dev/deps --test installs what the tests need)")
    return found


def libraries(path):
    """Absolute paths of the shared libraries and the loader that ldd names for an ELF file, none for anything else."""
    with open(path, "rb") as f:
        if f.read(4) != b"\x7fELF":
            return []
    done = subprocess.run(["ldd", path], capture_output=True, text=True)
    missing = [line.strip() for line in done.stdout.splitlines() if "not found" in line]
    if missing:
        raise Missing(f"{path} cannot run in the guest: {'; '.join(missing)}")
    return [word for line in done.stdout.splitlines() for word in line.split() if word.startswith("/")]


class Root:
    """A root file system in the making. Removed at the end of the with block."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="prism-vm-root-")
        os.chmod(self.dir, 0o755)
        for name in EMPTY:
            self._directory("/" + name)
        os.chmod(f"{self.dir}/tmp", 0o1777)
        for name in MERGED:
            os.symlink(f"usr/{name}", f"{self.dir}/{name}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        shutil.rmtree(self.dir, ignore_errors=True)

    def _directory(self, path):
        """The directory for a guest's path; nothing in a guest's root may be writable by others."""
        at = self.dir
        for part in path.strip("/").split("/"):
            at = f"{at}/{part}"
            if not os.path.isdir(at):
                os.mkdir(at)
                os.chmod(at, 0o755)
        return at

    def write(self, path, content, mode=0o644):
        self._directory(os.path.dirname(path))
        with open(self.dir + path, "w") as f:
            f.write(content)
        os.chmod(self.dir + path, mode)

    def file(self, source, path=None):
        """A file at its own absolute path (or another), with the libraries it needs."""
        path = path or os.path.abspath(source)
        target = f"{self._directory(os.path.dirname(path))}/{os.path.basename(path)}"
        if os.path.lexists(target):
            return
        try:
            shutil.copy2(source, target)
        except FileNotFoundError as e:
            raise Missing(f"{source}: no such file") from e
        os.chmod(target, stat.S_IMODE(os.stat(source).st_mode) & ~0o022)
        for library in libraries(source):
            self.file(library)

    def tree(self, source, skip=lambda name: False):
        """A directory at its own absolute path, with the libraries of what is executable in it."""
        source = os.path.abspath(source)
        self._directory(source)
        for entry in sorted(os.scandir(source), key=lambda e: e.name):
            if skip(entry.name) or entry.name in ("CMakeFiles", "__pycache__"):
                continue
            if entry.is_symlink() and not os.path.exists(entry.path):
                continue
            if entry.is_dir():
                self.tree(entry.path, skip)
            elif entry.is_file():
                self.file(entry.path)

    def any(self, path):
        if os.path.isdir(path):
            self.tree(path)
        else:
            self.file(path)

    def install(self, build):
        """What `cmake --install` of a build gives a machine, but for the development files."""
        with tempfile.TemporaryDirectory(prefix="prism-vm-install-") as staging:
            done = subprocess.run(["cmake", "--install", build, "--strip"], env=os.environ | {"DESTDIR": staging},
                                  capture_output=True, text=True)
            if done.returncode:
                raise Missing(f"cmake --install {build} failed; is it built?\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            for directory, _, names in os.walk(staging):
                place = directory[len(staging):]
                if place.startswith(("/usr/include", "/usr/share/doc", "/usr/share/prism/sdk")):
                    continue
                for name in names:
                    if not name.endswith(".a"):
                        self.file(f"{directory}/{name}", f"{place}/{name}")
        # Tests know a build by its directory; in the guest that leads to what is installed.
        build = os.path.abspath(build)
        for place, installed in (("core/prismd", "/usr/sbin/prismd"), ("core/prismctl", "/usr/bin/prismctl"),
                                 ("lib/prism/modules", "/usr/lib/prism/modules")):
            os.symlink(installed, f"{self._directory(os.path.dirname(f'{build}/{place}'))}/{os.path.basename(place)}")

    def pack(self, path):
        """Appends the root to the file at path, as owned by root."""
        names = subprocess.run(["find", ".", "-print0"], cwd=self.dir, stdout=subprocess.PIPE, check=True).stdout
        with open(path, "ab") as f:
            subprocess.run([which("cpio"), "-o", "-0", "-H", "newc", "-R", "0:0", "--quiet"], cwd=self.dir, input=names, stdout=f,
                           check=True)


def add_python(root):
    """Debian's interpreter with what the tests import, compiled ahead: emulated, compiling takes seconds."""
    python = os.path.realpath("/usr/bin/python3")
    root.file(python)
    os.symlink(os.path.basename(python), f"{root.dir}/usr/bin/python3")
    library = sysconfig.get_path("stdlib", vars={"installed_base": "/usr"})

    def skip(name):
        return (name.split("-")[0] in NO_PYTHON or name.startswith(NO_EXTENSION) or name.endswith((".pyc", ".a"))
                or name.startswith("_sysconfigdata"))
    root.tree(library, skip)
    # The source's time and size are not looked at: an archive does not keep them to the letter.
    subprocess.run([python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", root.dir,
                    root.dir + library], check=True)


def base(cache):
    """The archive of what does not depend on a build: made when there is none for the packages as they are."""
    mark = hashlib.sha256()
    for path in ("/var/lib/dpkg/status", __file__):
        st = os.stat(path)
        mark.update(f"{path} {st.st_size} {st.st_mtime_ns}\n".encode())
    directory = os.path.join(cache, "base")
    archive = f"{directory}/{mark.hexdigest()[:16]}.cpio"
    if os.path.exists(archive):
        with contextlib.suppress(PermissionError):
            os.utime(archive)
        return archive
    os.makedirs(directory, exist_ok=True)
    with Root() as root:
        root.file(which("busybox"), "/usr/bin/busybox")
        os.symlink("dash", f"{root.dir}/usr/bin/sh")
        for tool in TOOLS:
            root.file(which(tool), f"/usr/bin/{tool}")
        add_python(root)
        root.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        root.write("/etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n")
        os.symlink("../run", f"{root.dir}/var/run")
        root.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        handle, unfinished = tempfile.mkstemp(dir=directory)
        os.close(handle)
        try:
            root.pack(unfinished)
            os.chmod(unfinished, 0o644)
            os.rename(unfinished, archive)
        except BaseException:
            os.unlink(unfinished)
            raise
    for entry in os.scandir(directory):
        if entry.stat().st_mtime < time.time() - UNUSED:
            os.unlink(entry.path)
    return archive
