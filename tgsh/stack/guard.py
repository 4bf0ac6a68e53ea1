"""Guard process: runs a command, keeps its output in rotated log files, ends it when standard input closes.

Standard input is a pipe from the parent, so it closes however the parent ends; the command's children end
with it. Started by path with `-I -S`, so it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque

PR_SET_PDEATHSIG = 1  # linux/prctl.h

MAX_BYTES, MAX_FILES = 20 * 2**20, 5
"""A log file of MAX_BYTES is renamed to NAME.1 at the end of a line, that to NAME.2, …; there are at most
MAX_FILES of a process."""

MAX_LINE = 2**20
"""Bytes of a line, above which it is cut in two files."""

MAX_WAITING, STALL_SECONDS = 8 * 2**20, 2.0
"""Bytes of output that wait for the disk, and seconds for which a process waits for room among them while the
disk takes nothing. Then output is dropped and counted: a process never waits for its log for ever."""

FLUSH_SECONDS = 2.0
"""Seconds in which the last output is written, once the command has ended."""


def main(argv: list[str]) -> int:
    """Run a command; its exit status.

    argv: seconds between SIGTERM and SIGKILL; the log file; the descriptor from which the command's output,
    which is this process's standard output, is read; the command.
    """
    grace, log, output, command = float(argv[0]), argv[1], int(argv[2]), argv[3:]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_set_parent_death_signal
    )
    # Installed after the start: a signal before it ends the guard, and there is no child yet.
    # A handler, not SIG_IGN, as ignored signals stay ignored in the child's own children.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    _close_standard_output()  # the command's alone, so that its end is the end of the output
    copy = OutputCopy(output, RotatedLog(log))
    copy.start()
    threading.Thread(target=_stop_at_eof, args=(child, grace), daemon=True).start()
    status = child.wait()
    _kill_group(child.pid)  # a pool whose parent was killed would go on
    copy.wait(FLUSH_SECONDS)
    return status if status >= 0 else 128 - status


def _set_parent_death_signal() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _close_standard_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _stop_at_eof(child: subprocess.Popen[bytes], grace: float) -> None:
    while os.read(0, 4096):
        pass
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        _kill_group(child.pid)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class OutputCopy:
    """Copies what arrives at a socket to a log. One thread reads, one writes: a slow disk stops no writer."""

    def __init__(self, descriptor: int, log: RotatedLog) -> None:
        self._descriptor = descriptor
        self._log = log
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._ended = False
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._write)]

    def start(self) -> None:
        """Begin to copy."""
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the end of the output to be written, for at most so long."""
        for thread in self._threads:
            thread.join(seconds)

    def _read(self) -> None:
        while chunk := os.read(self._descriptor, 65_536):
            with self._changed:
                while not self._dropped and self._waiting_bytes + len(chunk) > MAX_WAITING:
                    if not self._changed.wait(STALL_SECONDS):
                        break
                if self._dropped or self._waiting_bytes + len(chunk) > MAX_WAITING:
                    self._dropped += len(chunk)  # until what waits is written
                else:
                    self._waiting.append(chunk)
                    self._waiting_bytes += len(chunk)
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._dropped or self._ended)
                if self._waiting:
                    chunk, dropped = self._waiting.popleft(), 0
                elif self._dropped:
                    chunk, dropped = b"", self._dropped
                    self._dropped = 0
                else:
                    return
            if chunk:
                self._log.write(chunk)
            else:
                self._log.note_loss(dropped, "the disk was too slow")
            with self._changed:
                self._waiting_bytes -= len(chunk)
                self._changed.notify()


class RotatedLog:
    """A log file that is renamed when it is full. What cannot be written is counted, and told later."""

    def __init__(self, path: str, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._descriptor = -1
        self._size = 0
        self._is_line_start = True
        self._lost = 0
        self._is_cut = False
        self._reason = ""

    def write(self, data: bytes) -> None:
        """Append output."""
        if self._lost:
            if self._is_cut:
                end = data.find(b"\n") + 1 or len(data)
                self._lose(data[:end])
                data = data[end:]
            if not data:
                return
            if not self._tell_loss():
                self._lose(data)
                return
        while data:
            end = self._end_of_part(data)
            if not self._append(data[:end]):
                self._lose(data[end:])
                return
            data = data[end:]

    def note_loss(self, count: int, reason: str) -> None:
        """Note that so many bytes will never come here."""
        self._lost += count
        self._reason = reason
        self._tell_loss()

    def _lose(self, data: bytes) -> None:
        """Count what is not written, and note whether it ends within a line."""
        if data:
            self._lost += len(data)
            self._is_cut = data[-1:] != b"\n"

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _end_of_part(self, data: bytes) -> int:
        """The length of what belongs into this file still; begins a new one where it is full."""
        try:
            self._open()
            if self._size >= self._max_bytes and (
                self._is_line_start or self._size >= self._max_bytes + MAX_LINE
            ):
                self._rotate()
        except OSError:
            return len(data)  # the attempt to write it tells why
        room = max(self._max_bytes - self._size, 1)
        if len(data) <= room:
            return len(data)
        end = data.find(b"\n", room - 1, room + MAX_LINE) + 1
        return end or min(len(data), room + MAX_LINE)

    def _open(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        for number in range(self._max_files - 1, 0, -1):
            earlier = self._path if number == 1 else f"{self._path}.{number - 1}"
            with contextlib.suppress(FileNotFoundError):
                os.replace(earlier, f"{self._path}.{number}")  # noqa: PTH105 - pathlib takes long to import
        self.close()
        self._open()

    def _append(self, data: bytes) -> bool:
        """Write all of it; False, and what is missing counted, where the disk takes no more."""
        written = 0
        try:
            self._open()
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            self._lose(data[written:])
            self._reason = error.strerror or str(error)
        self._size += written
        if written:
            self._is_line_start = data[written - 1 : written] == b"\n"
        return written == len(data)

    def _tell_loss(self) -> bool:
        lost, was_cut, self._lost = self._lost, self._is_cut, 0
        start = "" if self._is_line_start else "\n"
        line = f"{start}[tgsh: {lost} bytes of output are missing here: {self._reason}]\n"
        if self._append(line.encode()):
            return True
        self._lost, self._is_cut = lost, was_cut
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
