# SPDX-License-Identifier: Apache-2.0
"""Scores: what was played, note by note. A score is what the box keeps, and it can be played again.

format.py    one line of a score, in and out
files.py     score files
history.py   the last half hour, always in memory
player.py    a score as a part that the performer plays
midi.py      the same notes as a MIDI file
"""
