"""What the command line tests share: the program, captures, small pcaps."""
import json
import os
import struct
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
PROGRAM = os.environ['IPSECSIM']
CAPTURES = os.path.join(TOP, 'vectors', 'captures')
scratch = tempfile.TemporaryDirectory(prefix='ipsecsim-test-')


def run(*args, stdin=None):
    """The finished process; output is text."""
    return subprocess.run([PROGRAM, *args], input=stdin, capture_output=True,
                          timeout=300,
                          text=not isinstance(stdin, (bytes, type(None)))
                          or stdin is None)


def jsonl(text):
    return [json.loads(line) for line in text.splitlines()]


def capture(name):
    return os.path.join(CAPTURES, name)


def load(path):
    with open(path) as f:
        return json.load(f)


def octets(path):
    with open(path, 'rb') as f:
        return f.read()


def names():
    return sorted(f[:-5] for f in os.listdir(CAPTURES)
                  if f.endswith('.json'))


def sidecar(name):
    return load(capture(name + '.json'))


def temp(name, data):
    path = os.path.join(scratch.name, name)
    with open(path, 'wb' if isinstance(data, bytes) else 'w') as f:
        f.write(data)
    return path


def read_pcap(path):
    """(seconds, microseconds, wire length, octets) of each frame."""
    data = octets(path)
    off, out = 24, []
    while off < len(data):
        sec, sub, caplen, wire = struct.unpack('<IIII', data[off:off + 16])
        out.append((sec, sub, wire, data[off + 16:off + 16 + caplen]))
        off += 16 + caplen
    return out


def pcap(linktype, frames, nano=False):
    """A capture file; a frame is (sec, sub, wire, octets) or octets."""
    out = [struct.pack('<IHHiIII', 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4,
                       0, 0, 262144, linktype)]
    for n, f in enumerate(frames):
        sec, sub, wire, data = f if isinstance(f, tuple) else (
            n, 0, len(f), f)
        out.append(struct.pack('<IIII', sec, sub, len(data), wire) + data)
    return b''.join(out)
