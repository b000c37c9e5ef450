# SPDX-License-Identifier: Apache-2.0
# pyo 1.0.4 to 1.1.0, as far as the box uses it. An audio parameter takes a number, an object, or a list of either.
from collections.abc import Sequence
from typing import Any, TypeAlias

_Audio: TypeAlias = float | PyoObject | Sequence[float] | Sequence[PyoObject]

class PyoTableObject: ...

class PyoObject:
    def __mul__(self, other: _Audio) -> PyoObject: ...
    def __add__(self, other: _Audio) -> PyoObject: ...
    def play(self, dur: float = 0, delay: float = 0) -> PyoObject: ...
    def stop(self, wait: float = 0) -> PyoObject: ...
    def out(self, chnl: int = 0, inc: int = 1, dur: float = 0, delay: float = 0) -> PyoObject: ...
    def mix(self, voices: int = 1) -> PyoObject: ...
    def get(self, all: bool = False) -> Any: ...
    def setMul(self, x: _Audio) -> None: ...

class Server:
    def __init__(
        self,
        sr: float = 44100,
        nchnls: int = 2,
        buffersize: int = 256,
        duplex: int = 1,
        audio: str = "portaudio",
    ) -> None: ...
    def deactivateMidi(self) -> None: ...
    def setVerbosity(self, x: int) -> None: ...
    def setGlobalSeed(self, x: int) -> None: ...
    def boot(self) -> Server: ...
    def start(self) -> Server: ...
    def stop(self) -> Server: ...
    def shutdown(self) -> None: ...
    def process(self) -> None: ...
    def getOutputAddr(self) -> str: ...
    def getNumberOfStreams(self) -> int: ...
    def getIsBooted(self) -> int: ...

class HarmTable(PyoTableObject):
    def __init__(self, list: Sequence[float] = ..., size: int = 8192) -> None: ...

class Sig(PyoObject):
    value: float
    def __init__(self, value: _Audio, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class SigTo(PyoObject):
    value: float
    time: float
    def __init__(
        self, value: _Audio, time: float = 0.025, init: float = 0.0, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...

class Adsr(PyoObject):
    def __init__(
        self,
        attack: float = 0.01,
        decay: float = 0.05,
        sustain: float = 0.707,
        release: float = 0.1,
        dur: float = 0,
        mul: _Audio = 1,
        add: _Audio = 0,
    ) -> None: ...
    def setAttack(self, x: float) -> None: ...
    def setDecay(self, x: float) -> None: ...
    def setSustain(self, x: float) -> None: ...
    def setRelease(self, x: float) -> None: ...
    def setDur(self, x: float) -> None: ...
    def setExp(self, x: float) -> None: ...

class Osc(PyoObject):
    def __init__(
        self,
        table: PyoTableObject,
        freq: _Audio = 1000,
        phase: _Audio = 0,
        interp: int = 2,
        mul: _Audio = 1,
        add: _Audio = 0,
    ) -> None: ...
    def setTable(self, x: PyoTableObject) -> None: ...

class PinkNoise(PyoObject):
    def __init__(self, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class Randi(PyoObject):
    def __init__(
        self, min: _Audio = 0.0, max: _Audio = 1.0, freq: _Audio = 1.0, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...

class ButLP(PyoObject):
    def __init__(self, input: PyoObject, freq: _Audio = 1000, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class ButHP(PyoObject):
    def __init__(self, input: PyoObject, freq: _Audio = 1000, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class ButBP(PyoObject):
    def __init__(
        self, input: PyoObject, freq: _Audio = 1000, q: _Audio = 1, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...

class SPan(PyoObject):
    def __init__(
        self, input: PyoObject, outs: int = 2, pan: _Audio = 0.5, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...
    def setPan(self, x: float) -> None: ...

class Mix(PyoObject):
    def __init__(
        self, input: PyoObject | Sequence[PyoObject], voices: int = 1, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...

class Min(PyoObject):
    def __init__(self, input: PyoObject, comp: _Audio = 0.5, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class Max(PyoObject):
    def __init__(self, input: PyoObject, comp: _Audio = 0.5, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class Denorm(PyoObject):
    def __init__(self, input: PyoObject, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class Delay(PyoObject):
    def __init__(
        self,
        input: PyoObject,
        delay: _Audio = 0.25,
        feedback: _Audio = 0,
        maxdelay: float = 1,
        mul: _Audio = 1,
        add: _Audio = 0,
    ) -> None: ...

class STRev(PyoObject):
    def __init__(
        self,
        input: PyoObject,
        inpos: _Audio = 0.5,
        revtime: _Audio = 1,
        cutoff: _Audio = 5000,
        bal: _Audio = 0.5,
        roomSize: float = 1,
        firstRefGain: float = -3,
        mul: _Audio = 1,
        add: _Audio = 0,
    ) -> None: ...

class DCBlock(PyoObject):
    def __init__(self, input: PyoObject, mul: _Audio = 1, add: _Audio = 0) -> None: ...

class Compress(PyoObject):
    def __init__(
        self,
        input: PyoObject,
        thresh: _Audio = -20,
        ratio: _Audio = 2,
        risetime: _Audio = 0.01,
        falltime: _Audio = 0.1,
        lookahead: float = 5,
        knee: float = 0,
        outputAmp: bool = False,
        mul: _Audio = 1,
        add: _Audio = 0,
    ) -> None: ...

class Clip(PyoObject):
    def __init__(
        self, input: PyoObject, min: _Audio = -1.0, max: _Audio = 1.0, mul: _Audio = 1, add: _Audio = 0
    ) -> None: ...
