"""The serial loader in an ESP32-C3's ROM, as far as esptool talks to it, behind a TCP socket: SLIP frames in, flash
content out."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import zlib
from types import TracebackType
from typing import Self

_END, _ESCAPE = b"\xc0", b"\xdb"
_SYNC_VALUE = 0x20120707
_CHIP_ESP32C3 = 5
#: SPI1's register in which a flash's identification appears, and a 4 MB flash's
_SPI_W0, _JEDEC_4MB = 0x60002058, 0x1640EF
_SPI_CMD = 0x60002000


class FakeRom:
    """`port`: a URL for esptool. `commands`: the codes that came in, repetitions left out. `deaf` many connections get
    no answer at first."""

    def __init__(self, flash_bytes: int = 4 << 20, deaf: int = 0) -> None:
        self.flash = bytearray(b"\xff" * flash_bytes)
        self.commands: list[int] = []
        self._deaf = deaf
        self._registers: dict[int, int] = {_SPI_W0: _JEDEC_4MB}
        self._place = 0
        self._inflate = zlib.decompressobj()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> str:
        return f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            with wire:
                if self._deaf:
                    self._deaf -= 1
                    continue
                self._talk(wire)

    def _talk(self, wire: socket.socket) -> None:
        pending = b""
        while data := _receive(wire):
            *frames, pending = (pending + data).split(_END)
            for frame in frames:
                request = frame.replace(_ESCAPE + b"\xdc", _END).replace(_ESCAPE + b"\xdd", _ESCAPE)
                if len(request) >= 8 and request[0] == 0:
                    _, code, size, check = struct.unpack_from("<BBHI", request)
                    # the ROM answers a synchronization eight times
                    wire.sendall(self._answer(code, request[8 : 8 + size], check) * (8 if code == 0x08 else 1))

    def _answer(self, code: int, body: bytes, check: int) -> bytes:
        if not self.commands or self.commands[-1] != code:
            self.commands.append(code)
        value, extra, failed = 0, b"", 0
        match code:
            case 0x08:
                value = _SYNC_VALUE
            case 0x0A:
                value = self._registers.get(struct.unpack("<I", body)[0], 0)
            case 0x09:
                address, value = struct.unpack_from("<II", body)
                if address != _SPI_CMD and address != _SPI_W0:  # a command is done at once
                    self._registers[address] = value
                value = 0
            case 0x14:
                extra = struct.pack("<I8BII", 0, *[0] * 8, _CHIP_ESP32C3, 0)
            case 0x02 | 0x10:
                self._erase(code, *struct.unpack_from("<IIII", body))
            case 0x03 | 0x11:
                failed = self._write(code, body, check)
            case 0x13:
                start, size = struct.unpack_from("<II", body)
                extra = hashlib.md5(self.flash[start : start + size]).hexdigest().encode()
        answer = struct.pack("<BBHI", 1, code, len(extra) + 4, value) + extra + bytes([failed != 0, failed, 0, 0])
        return _END + answer.replace(_ESCAPE, _ESCAPE + b"\xdd").replace(_END, _ESCAPE + b"\xdc") + _END

    def _erase(self, code: int, size: int, blocks: int, block: int, start: int) -> None:
        end = start + (size if code == 0x10 else blocks * block)
        end += -end % 4096
        self.flash[start:end] = b"\xff" * (end - start)
        self._place, self._inflate = start, zlib.decompressobj()

    def _write(self, code: int, body: bytes, check: int) -> int:
        data = body[16 : 16 + struct.unpack_from("<I", body)[0]]
        total = 0xEF
        for byte in data:
            total ^= byte
        if total != check & 0xFF:
            return 7
        if code == 0x11:
            data = self._inflate.decompress(data)
        self.flash[self._place : self._place + len(data)] = data
        self._place += len(data)
        return 0


def _receive(wire: socket.socket) -> bytes:
    try:
        return wire.recv(65536)
    except OSError:
        return b""
