// SPDX-License-Identifier: CERN-OHL-P-2.0
// Made by tools/papers.py from geometry.toml, kicad/panel.kicad_pcb and appliance/panel/pins.toml.
width = 111.0;
depth = 92.0;
corner = 6.0;
wall = 2.4;
floor_ = 2.4;
standoff = 4.0;
pi_thickness = 1.4;
stack = 11.0;
face_gap = 12.0;
face = 3.0;
board = [23.0, 2.7];
pi = [3.0, 3.2];
knobs = [[21.5, 75.0], [89.5, 75.0]];
knob_hole = 7.2;
knob_width = 26.0;
lamp_hole = 5.3;
lamp_pitch = 9.0;
lamp_proud = 1.0;
lamp_height = 8.6;
button_cap = 12.0;
button_hole = 12.6;
button_height = 7.3;
screws = [[7.5, 84.5], [103.5, 84.5], [103.5, 7.5], [7.5, 7.5]];
jack = [99.5, 8.0];
board_width = 65.0;
board_depth = 56.5;
board_thickness = 1.6;
pi_holes = [[26.5, 6.7], [84.5, 6.7], [26.5, 55.7], [84.5, 55.7], [26.5, 32.7], [84.5, 32.7]];
lamps = [[10.0, 6.2], [19.0, 6.2], [28.0, 6.2], [37.0, 6.2], [46.0, 6.2], [55.0, 6.2], [23.5, 25.5], [32.5, 25.5], [41.5, 25.5]];
lamp_names = ["C", "Eb", "F", "G", "Ab", "Bb", "public", "test", "other"];
buttons = [[9.5, 26.7], [55.5, 26.7]];
button_names = ["NETWORK", "MUTE"];
knob_names = ["VOLUME", "TEMPO"];
function back_of(model) =
    model == "pi3" ? [[10.6, 12.0, 7.0], [32.0, 18.0, 9.0], [53.5, 9.0, 9.0]] :
    model == "pi4" ? [[11.2, 13.0, 7.0], [26.0, 11.0, 7.0], [39.5, 11.0, 7.0], [54.0, 9.0, 9.0]] :
    model == "pi5" ? [[11.2, 13.0, 7.0], [25.8, 11.0, 7.0], [39.2, 11.0, 7.0]] :
    model == "zero2w" ? [[12.4, 15.0, 10.0], [41.4, 13.0, 10.0], [54.0, 13.0, 10.0]] :
    assert(false, "model is pi3, pi4, pi5 or zero2w");
function left_of(model) =
    model == "pi3" ? [[10.3, 18.0, 15.0], [29.0, 16.5, 16.5], [47.0, 16.5, 16.5]] :
    model == "pi4" ? [[9.0, 16.5, 16.5], [27.0, 16.5, 16.5], [45.8, 18.0, 15.0]] :
    model == "pi5" ? [[10.2, 18.0, 15.0], [29.1, 16.5, 16.5], [47.0, 16.5, 16.5]] :
    model == "zero2w" ? [] :
    assert(false, "model is pi3, pi4, pi5 or zero2w");
