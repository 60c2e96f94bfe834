"""The attacks of the suite, as data: what a hostile function would try, and how each may end.

Each source defines ``attack(c)``; ``c`` names targets outside the wall. It returns ``"escaped"`` when it got what it
wanted and ``"refused"`` when the system said no; many are not meant to return at all. The same table is run by
``benchmarks/sandbox.py``.
"""

# ruff: noqa: E501 - a table of programs, each in one line

from __future__ import annotations

import textwrap
from dataclasses import dataclass

REFUSED = ("refused", "SandboxViolation")
STOPPED = ("refused", "SandboxViolation", "SandboxTimeout", "SandboxMemory", "SandboxCrash", "SandboxError")


@dataclass(frozen=True)
class Attack:
    """One hostile function.

    Attributes:
        name: what it tries.
        source: defines ``attack(c)``.
        ends: how it may end: ``"refused"``, ``"harmless"`` (it returned and nothing outside changed), or an error's name.
        group: what it is after.
        needs_full: only run where signals are proven to stay inside, for it would hit the whole machine.
        safe_bare: may be run without any wall in a child, to show what happens then.
    """

    name: str
    source: str
    ends: tuple[str, ...]
    group: str
    needs_full: bool = False
    safe_bare: bool = False


def _try(name: str, group: str, body: str, *, before: str = "import os, socket", safe_bare: bool = True) -> Attack:
    source = (
        f"{before}\ndef attack(c):\n    try:\n"
        + textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
        + "\n    except (OSError, MemoryError, ValueError, OverflowError):\n        return 'refused'\n    return 'escaped'\n"
    )
    return Attack(name, source, REFUSED, group, safe_bare=safe_bare)


def _run(
    name: str, group: str, body: str, ends: tuple[str, ...], *, before: str = "", needs_full: bool = False
) -> Attack:
    source = f"{before}\ndef attack(c):\n" + textwrap.indent(textwrap.dedent(body).strip(), " " * 4) + "\n"
    return Attack(name, source, ends, group, needs_full=needs_full)


_FILES = [
    _try("read a secret file", "files", "open(c['secret']).read()"),
    _try("read ~/.ssh of the user", "files", "os.listdir(c['home'] + '/.ssh')"),
    _try("list the user's home", "files", "os.listdir(c['home'])"),
    _try("read /etc/passwd", "files", "open('/etc/passwd').read()"),
    _try("read a .env file beside the run", "files", "open(c['outside'] + '/.env').read()"),
    _try("read the run folder of others", "files", "os.listdir(c['outside'])"),
    _try("read the sealed test split", "files", "open(c['outside'] + '/test.npz', 'rb').read()"),
    _try("read the parent's environment", "files", "open('/proc/%d/environ' % c['pid'], 'rb').read()"),
    _try("read the zygote's memory", "files", "open('/proc/%d/mem' % os.getppid(), 'rb').read(1)"),
    _try("reach the zygote's pipes", "files", "os.open('/proc/%d/fd/4' % os.getppid(), os.O_WRONLY)"),
    _try("write outside", "files", "open(c['outside'] + '/new', 'w').write('x')"),
    _try("append to a file outside", "files", "open(c['secret'], 'a').write('x')"),
    _try("truncate a file outside", "files", "os.truncate(c['secret'], 0)"),
    _try("delete a file outside", "files", "os.unlink(c['secret'])"),
    _try("make a folder outside", "files", "os.mkdir(c['outside'] + '/d')"),
    _try("read through a symlink", "files", "os.symlink(c['secret'], 'link'); open('link').read()"),
    _try("write through a symlink", "files", "os.symlink(c['outside'], 'l'); open('l/new', 'w').write('x')"),
    _try("hard-link a secret in", "files", "os.link(c['secret'], 'hard'); open('hard').read()"),
    _try("rename a file out", "files", "open('mine', 'w').close(); os.rename('mine', c['outside'] + '/mine')"),
    _try("rename a file in", "files", "os.rename(c['secret'], 'mine')"),
    _try("change permissions outside", "files", "os.chmod(c['secret'], 0o777)"),
    _try("change times outside", "files", "os.utime(c['secret'], (0, 0))"),
    _try("change an owner outside", "files", "os.chown(c['secret'], os.getuid(), os.getgid())"),
    _try("mark a file outside", "files", "os.setxattr(c['secret'], 'user.x', b'x')"),
    _try("walk out with ..", "files", "open('../../../../../../' + c['secret']).read()"),
    _try("leave a file in /dev/shm", "files", "open('/dev/shm/left', 'w').write('x')"),
    _try("leave a file in /tmp", "files", "open('/tmp/autoagent-left', 'w').write('x')"),
    _try("make a device node", "files", "os.mknod('disk', 0o60666, os.makedev(8, 0)); open('disk', 'rb').read(1)"),
    _try("change root", "files", "os.chroot('.')", safe_bare=False),
    _try("write its own packages", "files", "open(os.__file__, 'a').close()", safe_bare=False),
    _try("run a shell", "files", "os.execv('/bin/sh', ['sh', '-c', 'true'])", safe_bare=False),
]

_NETWORK = [
    _try("connect by TCP", "network", "socket.create_connection(('127.0.0.1', c['port']), 1)"),
    _try("bind a port", "network", "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"),
    _try(
        "listen without binding",
        "network",
        "s = socket.socket(); s.listen(); socket.create_connection(s.getsockname(), 1)",
    ),
    _try("send a datagram", "network", "socket.socket(2, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"),
    _try("send a datagram by IPv6", "network", "socket.socket(10, socket.SOCK_DGRAM).sendto(b'x', ('::1', 9))"),
    _try("resolve a name", "network", "socket.getaddrinfo('example.com', 80)", safe_bare=False),
    _try("connect to a Unix socket", "network", "socket.socket(1).connect(c['unix'])"),
    _try("connect to an abstract socket", "network", "socket.socket(1).connect(chr(0) + c['abstract'])"),
    _try("open a raw socket", "network", "socket.socket(2, socket.SOCK_RAW, 1)"),
    _try("open a packet socket", "network", "socket.socket(17, socket.SOCK_RAW, 3)"),
    _try("reach a virtual machine's host", "network", "socket.socket(40, socket.SOCK_STREAM).connect((2, 1))"),
    _try(
        "connect with TCP fast open",
        "network",
        "s = socket.socket(); s.sendto(b'x', 0x20000000, ('127.0.0.1', c['port']))",
    ),
]

_CALLS = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def sure(r):
    if r < 0:
        raise OSError(ctypes.get_errno(), 'no')
    return r
def look(pid):  # at an address that nothing is mapped at: "bad address" is told only to who may read the process
    near, far = (ctypes.c_size_t * 2)(), (ctypes.c_size_t * 2)(4096, 16)
    near[:] = ctypes.addressof(here := ctypes.create_string_buffer(16)), 16
    if libc.syscall(310, pid, near, 1, far, 1, ctypes.c_long(0)) < 0 and ctypes.get_errno() != 14:
        raise OSError(ctypes.get_errno(), 'no')
"""
_PROCESSES = [
    _try("kill the parent", "processes", "os.kill(c['pid'], 0)"),
    _try("stop another process", "processes", "os.kill(c['sentinel'], 19)", safe_bare=False),
    _try(
        "trace the parent",
        "processes",
        "sure(libc.ptrace(0x4206, c['pid'], ctypes.c_long(0), ctypes.c_long(0)))",  # seize: to attach would stop it
        before=_CALLS,
    ),
    _try("trace the zygote", "processes", "sure(libc.ptrace(16, os.getppid(), 0, 0))", before=_CALLS, safe_bare=False),
    _try("read another's memory", "processes", "look(c['pid'])", before=_CALLS),
    _try(
        "take another's file descriptor",
        "processes",
        "sure(libc.syscall(438, sure(libc.syscall(434, os.getppid(), 0)), 4, 0))",
        before=_CALLS,
        safe_bare=False,
    ),
    _try("enter new namespaces", "processes", "sure(libc.unshare(0x10000000))", before=_CALLS),
    _try("mount", "processes", "sure(libc.mount(b'none', b'.', b'tmpfs', 0, None))", before=_CALLS, safe_bare=False),
    _try("load BPF", "processes", "sure(libc.syscall(321, 0, 0, 0))", before=_CALLS),
    _try("use io_uring", "processes", "sure(libc.syscall(425, 1, ctypes.create_string_buffer(256)))", before=_CALLS),
    _try("use keyrings", "processes", "sure(libc.syscall(250, 0, -3, 1, 0, 0))", before=_CALLS),
    _try("use userfaultfd", "processes", "sure(libc.syscall(323, 0))", before=_CALLS),
    _try("share memory by System V", "processes", "sure(libc.shmget(0, 4096, 0o1600))", before=_CALLS, safe_bare=False),
    _try("make a memory file", "processes", "os.memfd_create('x')"),
    _try("fork", "processes", "p = os.fork()\nif p == 0: os._exit(0)\nos.waitpid(p, 0)"),
    _try(
        "fork by clone3",
        "processes",
        "a = (ctypes.c_uint64 * 11)(); a[4] = 17\nr = sure(libc.syscall(435, a, 88))\nif r == 0: os._exit(0)",
        before=_CALLS,
    ),
    _try("start a program", "processes", "import subprocess; subprocess.run(['/bin/true'])"),
    _try("start a Python", "processes", "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])"),
    _try(
        "become root",
        "processes",
        "os.setuid(0)\nif os.getuid() != 0: raise OSError\nopen(c['secret'])",
        safe_bare=False,
    ),
    _try(
        "raise a hard limit",
        "processes",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        safe_bare=False,
    ),
    _run(
        "double fork and stay",
        "processes",
        """
        try:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(60)
                os._exit(0)
        except OSError:
            return 'refused'
        return 'harmless'
    """,
        ("refused", "harmless"),
        before="import os, time",
    ),
    _run(
        "kill everything that it may",
        "processes",
        "os.kill(-1, 9)\nreturn 'harmless'",
        (*STOPPED, "harmless"),
        before="import os",
        needs_full=True,
    ),
    _run(
        "kill the zygote",
        "processes",
        "os.kill(os.getppid(), 9)\nreturn 'harmless'",
        ("harmless", *STOPPED),
        before="import os",
    ),
    _run(
        "stop the zygote",
        "processes",
        "os.kill(os.getppid(), 19)\nreturn 'harmless'",
        ("harmless", *STOPPED),
        before="import os",
    ),
]

_BOMBS = [
    _run(
        "fork bomb",
        "resources",
        """
        try:
            while True:
                os.fork()
        except OSError:
            return 'refused'
    """,
        STOPPED,
        before="import os",
        needs_full=True,
    ),
    _run(
        "thread bomb",
        "resources",
        """
        threads = []
        try:
            for _ in range(10000):
                threads.append(threading.Thread(target=time.sleep, args=(60,), daemon=True))
                threads[-1].start()
        except (RuntimeError, MemoryError):
            return 'refused'
        return 'escaped'
    """,
        STOPPED,
        before="import threading, time",
    ),
    _run(
        "thread bomb of small stacks",
        "resources",
        """
        threading.stack_size(32768)
        while True:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    """,
        STOPPED,
        before="import threading, time",
    ),
    _run(
        "memory bomb",
        "resources",
        "b = []\nwhile True:\n    b.append(bytearray(1 << 24))",
        ("SandboxMemory", "SandboxCrash", "SandboxTimeout"),
    ),
    _run(
        "memory bomb of numpy",
        "resources",
        "return np.ones((1 << 17, 1 << 17))",
        ("SandboxMemory", "SandboxCrash", "SandboxTimeout"),
        before="import numpy as np",
    ),
    _run("memory bomb by a big number", "resources", "return 9 ** (9 ** 9)", ("SandboxTimeout", "SandboxMemory")),
    _run(
        "memory bomb by shared maps",
        "resources",
        "b = []\nwhile True:\n    b.append(mmap.mmap(-1, 1 << 26)); b[-1].write(bytes(1 << 26))",
        STOPPED,
        before="import mmap",
    ),
    _run("one endless file", "resources", "f = open('big', 'wb')\nwhile True:\n    f.write(bytes(1 << 20))", STOPPED),
    _run(
        "many files",
        "resources",
        "for i in range(10 ** 7):\n    open('f%d' % i, 'wb').write(bytes(4096))",
        ("SandboxViolation", "SandboxTimeout"),
    ),
    _run(
        "a folder without bottom",
        "resources",
        "while True:\n    os.mkdir('d')\n    os.chdir('d')",
        ("SandboxViolation", "SandboxTimeout"),
        before="import os",
    ),
    _run(
        "a folder that cannot be opened",
        "resources",
        "os.mkdir('d'); open('d/f', 'w').close(); os.chmod('d', 0)\nreturn 'harmless'",
        ("harmless", *STOPPED),
        before="import os",
    ),
    _run(
        "all file descriptors",
        "resources",
        "f = []\ntry:\n    while True: f.append(open('/dev/null'))\nexcept OSError:\n    return 'refused' if len(f) < 1000 else 'escaped'",
        STOPPED,
    ),
    _run("a flood of output", "resources", "while True:\n    print('x' * 100000)", ("SandboxTimeout",)),
    _run("sleep", "resources", "time.sleep(1000)", ("SandboxTimeout",), before="import time"),
    _run(
        "spin in C", "resources", "return re.match('(a+)+$', 'a' * 60 + 'b')", ("SandboxTimeout",), before="import re"
    ),
    _run(
        "ignore signals",
        "resources",
        "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
        ("SandboxTimeout",),
        before="import signal",
    ),
    _run("dump core", "resources", "ctypes.string_at(0)", ("SandboxCrash",), before="import ctypes"),
    _run("abort", "resources", "os.abort()", ("SandboxCrash",), before="import os"),
    _run("recurse without end", "resources", "def f(): return f()\nreturn f()", ("SandboxError", "SandboxCrash")),
    _run(
        "recurse in C",
        "resources",
        "sys.setrecursionlimit(10 ** 9)\nx = []\nfor _ in range(10 ** 6): x = [x]\nreturn repr(x)",
        STOPPED,
        before="import sys",
    ),
    _run("leave quietly", "resources", "os._exit(0)", ("SandboxCrash",), before="import os"),
    _run("leave by SystemExit", "resources", "raise SystemExit(0)", ("SandboxError",)),
    _run(
        "lock its own folder",
        "resources",
        "os.chmod('.', 0)\nreturn 'harmless'",
        ("harmless", *STOPPED),
        before="import os",
    ),
]

_FRAME = """import os, struct, json
def frame(head, blobs=b'', length=None):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    data = struct.pack('>4sQ', b'AAW1', len(text) if length is None else length) + text + blobs
    while data:
        data = data[os.write(3, data):]
    os._exit(0)
"""
_RESULTS = [
    _run(
        "return a pickle bomb's object",
        "results",
        "class E:\n    def __reduce__(self): return (print, ('x',))\nreturn E()",
        ("SandboxViolation",),
    ),
    _run("return a function", "results", "return lambda: 1", ("SandboxViolation",)),
    _run(
        "return an object array",
        "results",
        "return np.array([object()])",
        ("SandboxViolation",),
        before="import numpy as np",
    ),
    _run("return a list inside itself", "results", "x = []; x.append(x)\nreturn x", ("SandboxViolation",)),
    _run(
        "return very deep JSON",
        "results",
        "x = 1\nfor _ in range(10000): x = [x]\nreturn x",
        ("SandboxViolation", "SandboxError"),
    ),
    _run(
        "return too much", "results", "return np.zeros(5_000_000)", ("SandboxViolation",), before="import numpy as np"
    ),
    _run("return too much JSON", "results", "return list(range(1_000_000))", ("SandboxViolation", "SandboxTimeout")),
    _run("return half a character", "results", "return chr(0xd800)", ("SandboxViolation",)),
    _run("send garbage", "results", "os.write(3, b'\\x00' * 5000); os._exit(0)", ("SandboxViolation",), before=_FRAME),
    _run(
        "send a pickle",
        "results",
        "import pickle; os.write(3, pickle.dumps({'value': 1})); os._exit(0)",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run("send nothing", "results", "os._exit(0)", ("SandboxCrash",), before=_FRAME),
    _run("lie about the length", "results", "frame(b'{}', length=1 << 62)", ("SandboxViolation",), before=_FRAME),
    _run("send raw deep JSON", "results", "frame(b'[' * 1000000)", ("SandboxViolation",), before=_FRAME),
    _run(
        "send a number of a million digits",
        "results",
        "frame(b'{\"arrays\":[],\"value\":{\"value\":' + b'9' * 1000000 + b'}}')",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "lie about a shape",
        "results",
        "frame({'arrays': [['<f8', [1 << 40]]], 'value': {'value': {'$array': 0}}}, bytes(8))",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send a negative shape",
        "results",
        "frame({'arrays': [['<f8', [-1]]], 'value': {'value': {'$array': 0}}}, bytes(8))",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send an empty array of endless rows",
        "results",
        "frame({'arrays': [['<f8', [1 << 60, 0]]], 'value': {'value': {'$array': 0}}})",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send an object array",
        "results",
        "frame({'arrays': [['|O', [1]]], 'value': {'value': {'$array': 0}}}, bytes(8))",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "use one array many times",
        "results",
        "frame({'arrays': [['<f8', [100000]]], 'value': {'value': [{'$array': 0}] * 100000}}, bytes(800000))",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send text that is none",
        "results",
        "frame({'arrays': [['<U1', [1]]], 'value': {'value': {'$array': 0}}}, b'\\xff' * 4)",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send an unknown mark",
        "results",
        "frame({'arrays': [], 'value': {'value': {'$eval': '1'}}})",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send two replies",
        "results",
        "frame({'arrays': [], 'value': {'value': 1, 'raised': 2}})",
        ("SandboxViolation",),
        before=_FRAME,
    ),
    _run(
        "send a line that is none",
        "results",
        "frame({'arrays': [], 'value': {'raised': ['E', 'm', 10 ** 30]}})",
        ("SandboxError",),
        before=_FRAME,
    ),
    _run(
        "forge the zygote's frame",
        "results",
        "for fd in range(0, 64):\n    try: os.write(fd, b'AAZ1' + struct.pack('>I', 1 << 31))\n    except OSError: pass\nos._exit(0)",
        ("SandboxViolation", "SandboxCrash"),
        before=_FRAME,
    ),
    _run(
        "raise an error whose text raises",
        "results",
        "class E(Exception):\n    def __str__(self): raise self\nraise E",
        ("SandboxError",),
    ),
]

_STATE = [
    _run(
        "see the environment",
        "state",
        "return 'escaped' if any('CANARY' in k + v for k, v in os.environ.items()) else 'refused'",
        ("refused",),
        before="import os",
    ),
    _run(
        "find a secret in memory of the zygote",
        "state",
        "import gc\nreturn 'escaped' if any(c['canary'] == o for o in gc.get_objects() if type(o) is str) else 'refused'",
        ("refused",),
    ),
    _run(
        "find open files of others",
        "state",
        "open_ones = []\nfor fd in range(4, 256):\n    try: os.fstat(fd); open_ones.append(fd)\n    except OSError: pass\nreturn 'escaped' if open_ones else 'refused'",
        ("refused",),
        before="import os",
    ),
    _run(
        "poison a module for the next call",
        "state",
        "import json, builtins\njson.dumps = None; builtins.len = lambda x: 7\nreturn 'harmless'",
        ("harmless", "SandboxCrash", "SandboxError"),
    ),
    _run(
        "leave an import hook",
        "state",
        "import sys\nclass H:\n    def find_spec(self, *a): raise SystemExit\nsys.meta_path.insert(0, H())\nreturn 'harmless'",
        ("harmless",),
    ),
    _run(
        "leave a module in its folder",
        "state",
        "open('numpy.py', 'w').write('raise SystemExit')\nreturn 'harmless'",
        ("harmless",),
    ),
    _run(
        "leave an exit hook",
        "state",
        "import atexit, threading\natexit.register(lambda: open(c['outside'] + '/x', 'w'))\nreturn 'harmless'",
        ("harmless",),
    ),
    _run(
        "print escapes to the terminal",
        "state",
        "print('\\x1b]0;owned\\x07\\x1b[2J')\nraise ValueError('\\x1b[31mred\\u202e')",
        ("SandboxError",),
    ),
]

ATTACKS: tuple[Attack, ...] = (*_FILES, *_NETWORK, *_PROCESSES, *_BOMBS, *_RESULTS, *_STATE)
