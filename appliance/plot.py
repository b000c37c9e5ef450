# SPDX-License-Identifier: Apache-2.0
"""A picture of a performance: the notes on their chords, the network's activity, the loudness and the spectrogram.

An observer of the performance collects the data; equal performances give equal files. matplotlib is an optional
dependency. The rendering thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from appliance.music.harmony import RELEASE
from appliance.music.scales import NAMES
from appliance.performance import Block
from appliance.saved.replacing import check_place, replacing
from appliance.sound import CHANNELS, SAMPLE_RATE
from appliance.sound.outputs import UnknownFormat
from appliance.values import BoxError, Kind, Ledger, NoteEvent, Voice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NIGHT, INK, SOFT, BED, ACTIVITY, LOUDNESS = "#0d1320", "#dde3ec", "#7b879b", "#4f74a8", "#5bc0de", "#f4c95d"
COLOURS = {
    Kind.PAYMENT: "#f4c95d",
    Kind.PATH_PAYMENT: "#f08a5d",
    Kind.OFFER: "#5bc0de",
    Kind.CREATE: "#ffffff",
    Kind.CLAIMABLE: "#c39bf0",
    Kind.CLAWBACK: "#ef5675",
    Kind.POOL: "#6ecb7a",
    Kind.CONTRACT: "#b9d65c",
    None: "#8d97a8",  # notes that sound no amount
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that the picture is the same everywhere
    "font.size": 9.0,
    "text.color": INK,
    "axes.facecolor": NIGHT,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.bottom": False,
    "ytick.left": False,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
}
DEEP = ("#0d1320", "#16294a", "#2a5782", "#5bb0c0", "#f2e3b3")  # the spectrogram, from silence to its loudest
WIDTH, PER_HEIGHT, MARGIN = 12.0, 0.62, 1.25  # inches
WINDOW, HOP = 16384, 8192  # frames; the bins are 3 Hz apart, which separates tones at 40 Hz
LOWEST, HIGHEST, ROWS = 40.0, 8000.0, 200  # Hz, and how many rows between them
SHOWN = 62.0  # dB, dynamic range of the spectrogram
SHORT = 3.0  # s, window of the short-term loudness (EBU Tech 3341)

Spectrum = NDArray[np.float64]


class NoMatplotlib(BoxError, ImportError):
    """The library that draws is not installed."""


class Picture:
    """Observes a performance, then draws it into `path`, a .png."""

    def __init__(self, path: Path, title: str) -> None:
        if path.suffix.lower() != ".png":
            raise UnknownFormat(f"Unknown format {path.suffix!r} of {path}; a picture is a .png.")
        try:
            import matplotlib  # noqa: F401 - checked before minutes of music are rendered
        except ImportError as error:
            raise NoMatplotlib(
                "A picture needs matplotlib: install it with `.venv/bin/pip install matplotlib`."
            ) from error
        check_place(path)
        self._path, self._title = path, title
        self._notes: list[NoteEvent] = []
        self._closes: list[tuple[float, Ledger]] = []  # with the second at which each arrived
        self._sound = Sound()
        self._seconds = 0.0

    def observe(self, block: Block) -> None:
        """Take a block."""
        self._notes += block.passage.notes
        self._closes += ((block.passage.seconds, ledger) for ledger in block.passage.ledgers)
        self._sound.add(block.samples)
        self._seconds += len(block.samples) / SAMPLE_RATE

    def draw(self) -> None:
        """Draw everything played so far."""
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context(STYLE):
            # A performance without sound has no panels for it.
            heights = [7.0, 1.3, 1.3, 3.4] if self._sound.heard else [7.0, 1.3]
            size = (WIDTH, PER_HEIGHT * sum(heights) + MARGIN)
            figure = Figure(figsize=size, dpi=88, facecolor=NIGHT)
            panels = figure.subplots(len(heights), sharex=True, height_ratios=heights)
            _notes(panels[0], self._notes, self._seconds)
            _activity(panels[1], self._closes, self._seconds)
            if self._sound.heard:
                _loudness(panels[2], self._sound)
                _spectrogram(panels[3], self._sound)
            _frame(figure, panels, self._seconds, self._title)
            # Without matplotlib's version in the file, which would differ between machines.
            with replacing(self._path) as part:
                figure.savefig(part, format="png", facecolor=NIGHT, metadata={"Software": None})


class Sound:
    """The power of a sound over time, by frequency, and its loudness."""

    def __init__(self) -> None:
        self.heard = False  # whether any sample was not zero
        self._last: NDArray[np.float32] = np.zeros((0, CHANNELS), dtype=np.float32)
        self._window = np.hanning(WINDOW)[:, None]
        self._frequencies: Spectrum = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE).astype(np.float64)
        self._weight = _k_weight(self._frequencies)
        self._rows = np.geomspace(LOWEST, HIGHEST, ROWS)
        self._columns: list[Spectrum] = []
        self._power: list[float] = []  # K-weighted mean square of each hop, all channels

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take a block."""
        self.heard = self.heard or bool(samples.any())
        self._last = np.concatenate((self._last, samples))
        while len(self._last) >= WINDOW:
            spectrum = np.abs(np.fft.rfft(self._last[:WINDOW] * self._window, axis=0)) ** 2
            power = spectrum.sum(axis=1)  # of all channels
            self._columns.append(np.interp(self._rows, self._frequencies, power))
            # Parseval: the power of a real signal is in both halves of the spectrum, and the window reduced it.
            share = 2 / WINDOW / float((self._window**2).sum())
            self._power.append(share * float((power * self._weight).sum()))
            self._last = self._last[HOP:]

    @property
    def seconds(self) -> Spectrum:
        """The middle of each hop."""
        return (np.arange(len(self._power)) * HOP + WINDOW / 2) / SAMPLE_RATE

    @property
    def loudness(self) -> Spectrum:
        """Short-term loudness at each hop, LUFS (ITU-R BS.1770)."""
        back = max(1, round(SHORT * SAMPLE_RATE / HOP))
        total = np.cumsum(np.concatenate((np.zeros(back), self._power)))
        mean = np.maximum((total[back:] - total[:-back]) / back, 1e-12)
        return np.asarray(-0.691 + 10 * np.log10(mean))

    @property
    def spectrogram(self) -> Spectrum:
        """Level in dB below the loudest, a row a frequency from LOWEST to HIGHEST, a column a hop."""
        levels = 10 * np.log10(np.maximum(np.array(self._columns).T, 1e-12))
        return np.asarray(levels - levels.max())


def _k_weight(frequencies: Spectrum) -> Spectrum:
    """The power gain of BS.1770's two filters at each frequency, with its coefficients for 48 kHz."""
    z = np.exp(-2j * np.pi * frequencies / SAMPLE_RATE)
    head = np.polyval([1.19839281085285, -2.69169618940638, 1.53512485958697], z)
    head /= np.polyval([0.73248077421585, -1.69065929318241, 1.0], z)
    low = np.polyval([1.0, -2.0, 1.0], z) / np.polyval([0.99007225036621, -1.99004745483398, 1.0], z)
    return np.asarray(np.abs(head * low) ** 2)


# --- the panels -----------------------------------------------------------------------------------------------


def _notes(axes: Axes, score: Sequence[NoteEvent], seconds: float) -> None:
    from matplotlib.collections import LineCollection

    _chords(axes, [event for event in score if event.note.voice in (Voice.PAD, Voice.DRONE)], seconds)
    for kind, colour in COLOURS.items():
        notes = [event for event in score if event.note.voice not in (Voice.PAD, Voice.DRONE)]
        notes = [event for event in notes if (event.note.amount and event.note.amount.kind) == kind]
        if not notes:
            continue
        name = kind.value.replace("_", " ") if kind else "the box itself"
        lines = [
            [(note.seconds, note.note.pitch), (note.seconds + note.length, note.note.pitch)] for note in notes
        ]
        axes.add_collection(LineCollection(lines, colors=colour, alpha=0.35, linewidths=1.2))
        axes.scatter(
            [note.seconds for note in notes],
            [note.note.pitch for note in notes],
            s=[4 + 62 * note.note.velocity**2 for note in notes],
            c=colour,
            alpha=0.9,
            linewidths=0,
            label=name,
            zorder=3,
        )
    pitches = [event.note.pitch for event in score] or [48, 84]
    octaves = [pitch for pitch in range(12, 120, 12) if min(pitches) <= pitch <= max(pitches)]
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set_ylim(min(pitches) - 2, max(pitches) + 6)
    axes.set_ylabel("pitch")


def _chords(axes: Axes, bed: Sequence[NoteEvent], seconds: float) -> None:
    for event in bed:
        for until, alpha in ((event.length, 0.34), (event.length + RELEASE, 0.12)):
            bar = [(event.seconds, min(until, seconds - event.seconds))]
            axes.broken_barh(bar, (event.note.pitch - 0.42, 0.84), color=BED, alpha=alpha, linewidth=0)
    for drone in bed:
        if drone.note.voice is not Voice.DRONE:
            continue
        # A drone begins with each chord, some of whose tones have begun before and some begin later.
        begins, middle = drone.seconds, drone.seconds + drone.length / 2
        tones = [event.note.pitch for event in bed if event.seconds <= middle < event.seconds + event.length]
        root = drone.note.pitch % 12
        others = sorted({(pitch - root) % 12 for pitch in tones})
        names = [NAMES[(root + other) % 12] for other in others]
        # One above the other with the root lowest, as a chord is written.
        axes.annotate(
            "\n".join(reversed(names)),
            (begins, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, -2),
            textcoords="offset points",
            va="top",
            fontsize=7,
            linespacing=1.0,
            color=SOFT,
        )
        axes.axvline(begins, color=BED, alpha=0.35, linewidth=0.7)


def _activity(axes: Axes, closes: Sequence[tuple[float, Ledger]], seconds: float) -> None:
    rates = [
        (at, ledger.operations / (at - before))
        for (before, _), (at, ledger) in pairwise(closes)
        if before < at <= seconds
    ]
    if rates:
        moments, heights = zip(*rates, strict=True)
        axes.fill_between(moments, heights, step="pre", color=ACTIVITY, alpha=0.75, linewidth=0)
        axes.set_ylim(0, 1.1 * max(heights))
    axes.set_ylabel("operations\na second")


def _loudness(axes: Axes, sound: Sound) -> None:
    loudness = sound.loudness
    # Before that, the window of the loudness begins before the sound.
    settled = sound.seconds > SHORT + WINDOW / SAMPLE_RATE
    shown = loudness[settled] if settled.any() else loudness
    axes.plot(sound.seconds, loudness, color=LOUDNESS, linewidth=1.2)
    axes.set_ylim(float(shown.min()) - 3, float(shown.max()) + 2)
    axes.grid(axis="y", color=SOFT, alpha=0.2, linewidth=0.6)
    axes.set_ylabel("loudness\nLUFS, 3 s")


def _spectrogram(axes: Axes, sound: Sound) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    edges = np.arange(len(sound.seconds) + 1) * HOP / SAMPLE_RATE + (WINDOW - HOP) / 2 / SAMPLE_RATE
    rows = np.geomspace(LOWEST, HIGHEST, ROWS + 1)
    colours = LinearSegmentedColormap.from_list("deep", DEEP)
    mesh = axes.pcolormesh(edges, rows, sound.spectrogram, cmap=colours, vmin=-SHOWN, vmax=0, rasterized=True)
    mesh.set_antialiased(False)
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_yticks([50, 100, 200, 500, 1000, 2000, 5000], ["50", "100", "200", "500", "1k", "2k", "5k"])
    axes.minorticks_off()
    axes.set_ylabel("frequency\nHz")


def _frame(figure: Figure, panels: Sequence[Axes], seconds: float, title: str) -> None:
    wide, high = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.85 / wide, right=1 - 0.3 / wide, bottom=0.5 / high, top=1 - 0.75 / high, hspace=0.12
    )
    figure.text(0.85 / wide, 1 - 0.3 / high, "Stellar Wind", fontsize=16, va="center")
    figure.text(0.85 / wide, 1 - 0.56 / high, title, color=SOFT, va="center")
    panels[0].legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.01),
        ncols=9,
        frameon=False,
        borderaxespad=0,
        handletextpad=0.1,
        columnspacing=1.4,
    )
    for panel in panels:
        panel.yaxis.set_label_coords(-0.6 / wide, 0.5)
        panel.set_xlim(0, seconds)
    step = next((step for step in (10, 30, 60, 120, 300, 600) if seconds / step <= 12), 3600)
    ticks = range(0, int(seconds) + 1, step)
    panels[-1].set_xticks(ticks, [f"{tick // 60}:{tick % 60:02}" for tick in ticks])
    panels[-1].set_xlabel("minutes")
