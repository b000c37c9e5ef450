// SPDX-License-Identifier: CERN-OHL-P-2.0
// The case: base, face, button caps and lamp combs, from the numbers in geometry.scad, which is made from geometry.toml,
// the board and appliance/panel/pins.toml. Everything prints without supports, lying as it is drawn here part by part.
//
//     openscad -D 'part="face"' -D 'model="pi4"' -o face.stl box.scad
//
// part: base, face, laser (the face as an outline), caps, combs, or all (put together, for looking at).

include <geometry.scad>

part = "all";
model = "pi4"; // pi3, pi4, pi5, zero2w
$fn = 40;

play = 0.3;
engraving = 0.6;
board_z = floor_ + standoff + pi_thickness + stack;       // the board's underside
face_z = board_z + board_thickness + face_gap;            // the face's underside
pi_z = floor_ + standoff + pi_thickness;                  // the Pi's upper side
lamp_base = face_gap + face + lamp_proud - lamp_height;   // from the board to a lamp's flange

assert(lamp_base > 1 && lamp_base + 1 < face_gap, "the lamps would not reach through the face");
assert(knobs[1][0] - knobs[0][0] >= 60, "knobs stand at least 60 mm apart");
assert(face_gap >= 11, "a plug of 8 mm and the bend of its wires need 11 mm");

// y runs to the front in the plan and away from it in OpenSCAD.
function at(p) = [p[0], depth - p[1]];
function on_board(p) = at([board[0] + p[0], board[1] + p[1]]);

module rounded(w, d, h, r) { hull() for (x = [r, w - r], y = [r, d - r]) translate([x, y, 0]) cylinder(h = h, r = r); }

module words(text_, p, size, deep) {
    translate([at(p)[0], at(p)[1], face - engraving]) linear_extrude(deep)
        text(text_, size = size, halign = "center", valign = "center", font = "DejaVu Sans:style=Bold");
}

// A long name on an odd place goes a line lower, where its neighbours leave it room.
function lower(i) = len(lamp_names[i]) > 2 && i % 2 == 1 ? 4.8 : 0;

module labels(deep) {
    for (i = [0 : len(lamps) - 1])
        words(lamp_names[i], [board[0] + lamps[i][0], board[1] + lamps[i][1] + 6 + lower(i)], 3.2, deep);
    for (i = [0 : len(buttons) - 1])
        words(button_names[i], [board[0] + buttons[i][0], board[1] + buttons[i][1] + 11], 3.6, deep);
    for (i = [0 : len(knobs) - 1]) words(knob_names[i], [knobs[i][0], knobs[i][1] - knob_width / 2 - 7.5], 3.6, deep);
}

module base() {
    difference() {
        union() {
            difference() {
                rounded(width, depth, face_z, corner);
                translate([wall, wall, floor_]) rounded(width - 2 * wall, depth - 2 * wall, face_z, corner - wall / 2);
            }
            // What carries the Pi: its four holes, and two more for a Zero.
            for (p = pi_holes) translate([at(p)[0], at(p)[1], 0]) cylinder(h = floor_ + standoff, d = 6.4);
            intersection() {
                rounded(width, depth, face_z, corner);
                for (p = screws) post(p);
            }
        }
        for (p = pi_holes) translate([at(p)[0], at(p)[1], -1]) {
            cylinder(h = 20, d = 2.8);
            cylinder(h = 1 + 1.6, d = 5.4);  // for the screw's head
        }
        for (p = screws) translate([at(p)[0], at(p)[1], face_z - 9]) cylinder(h = 10, d = 2.6);
        for (s = back_of(model))
            translate([pi[0] + 85 - s[0] - s[1] / 2, depth - wall - 1, pi_z - 1]) cube([s[1], wall + 2, s[2] + 1]);
        for (s = left_of(model))
            translate([-1, depth - pi[1] - s[0] - s[1] / 2, pi_z - 1]) cube([wall + 2, s[1], s[2] + 1]);
        translate([jack[0], depth + 1, pi_z + jack[1] / 2]) rotate([90, 0, 0]) cylinder(h = wall + 2, d = jack[1]);
        // Air: in under the Pi, out at the right.
        for (i = [1 : 5]) translate([26 + i * 9, depth - 50, -1]) rounded(3, 32, floor_ + 2, 1.4);
        for (i = [0 : 5]) translate([width - wall - 1, 22 + i * 9, floor_ + 10]) cube([wall + 2, 3, 15]);
    }
}

// The back corners are full, of the Pi's sockets and of a DAC's jack: their posts hang from the corner, above the
// highest socket (16 mm over the Pi), growing at some 65 degrees between two walls: print them slowly.
module post(p) {
    side = p[0] < width / 2 ? -1 : 1;
    wall_x = side < 0 ? -p[0] + 1.6 : width - p[0] - 1.6;
    translate([at(p)[0], at(p)[1], 0]) if (p[1] < depth / 2) hull() {
        translate([0, 0, face_z - 2]) cylinder(h = 2, r = 4.2);
        translate([wall_x, p[1] - 1.6, pi_z + 16.6]) cylinder(h = face_z - pi_z - 16.6, r = 1);
    } else hull() {
        cylinder(h = face_z, r = 4.2);
        translate([4 * side, -4, 0]) cylinder(h = face_z, r = 3);
    }
}

module holes() {
    for (p = lamps) translate([on_board(p)[0], on_board(p)[1], -1]) cylinder(h = face + 2, d = lamp_hole);
    for (p = buttons) translate([on_board(p)[0], on_board(p)[1], -1]) cylinder(h = face + 2, d = button_hole);
    for (p = knobs) translate([at(p)[0], at(p)[1], -1]) cylinder(h = face + 2, d = knob_hole);
    for (p = screws) translate([at(p)[0], at(p)[1], -1]) cylinder(h = face + 2, d = 3.4);
}

module face_plate() {
    difference() {
        rounded(width, depth, face, corner);
        holes();
        for (p = screws) translate([at(p)[0], at(p)[1], face - 1.7]) cylinder(h = 1.8, d1 = 3.4, d2 = 6.8);
        labels(engraving + 1);
    }
    // What a finger finds: where a knob's middle is.
    for (p = knobs) translate([at(p)[0], at(p)[1] + knob_width / 2 + 2.2, face]) cylinder(h = 1, d1 = 2.6, d2 = 1.4, $fn = 20);
}

// Upside down, as it is printed: what is pressed lies on the bed.
module cap(ring) {
    above = face + 2.5;
    difference() {
        union() {
            cylinder(h = above, d = button_cap);
            translate([0, 0, above]) cylinder(h = 1.6, d1 = button_cap, d2 = button_cap + 3.2);
            translate([0, 0, above + 1.6]) cylinder(h = 0.8, d = button_cap + 3.2);
            translate([0, 0, above]) cylinder(h = face_gap - button_height + 2, d = 8);
        }
        if (ring) translate([0, 0, -1]) difference() {
            cylinder(h = 1.8, d = 9);
            translate([0, 0, -1]) cylinder(h = 4, d = 6);
        }
        // The switch's plunger, 3.8 mm square, stands 2 mm inside.
        translate([-2.05, -2.05, above + face_gap - button_height]) cube([4.1, 4.1, 5]);
    }
}

module caps() {
    cap(false);
    translate([20, 0, 0]) cap(true);
}

module comb(count) {
    difference() {
        translate([-3, -2.9, 0]) rounded((count - 1) * lamp_pitch + 6, 5.8, lamp_base, 1.2);
        for (i = [0 : count - 1], side = [-1.27, 1.27])
            translate([i * lamp_pitch + side, 0, -1]) cylinder(h = lamp_base + 2, d = 1.1, $fn = 16);
    }
}

module combs() {
    comb(6);
    translate([0, 10, 0]) comb(3);
}

module inside() {
    color("darkgreen") translate([pi[0], depth - pi[1] - 56, floor_ + standoff]) cube([85, 56, pi_thickness]);
    color("silver") for (s = left_of(model))
        translate([0, depth - pi[1] - s[0] - s[1] / 2 + 1, pi_z]) cube([18, s[1] - 2, s[2] - 1.5]);
    color("seagreen") translate([board[0], depth - board[1] - board_depth, board_z])
        cube([board_width, board_depth, board_thickness]);
}

module together() {
    color("#d8d2c4") base();
    inside();
    translate([0, 0, face_z]) {
        color("#efe9da") face_plate();
        color("#3a3a3a") labels(engraving - 0.05);
        color("#3a3a3a") for (p = buttons) translate([on_board(p)[0], on_board(p)[1], face + 2.5]) rotate([180, 0, 0])
            cap(p == buttons[1]);
        color("orange") for (p = lamps) translate([on_board(p)[0], on_board(p)[1], lamp_proud + face - 2.5]) sphere(d = 5);
        color("#3a3a3a") for (p = knobs) translate([at(p)[0], at(p)[1], face + 1]) difference() {
            cylinder(h = 14, d1 = knob_width, d2 = knob_width - 3);
            translate([-0.6, 0, 12]) cube([1.2, 20, 3]);
        }
    }
}

if (part == "base") base();
else if (part == "face") face_plate();
else if (part == "laser") projection(cut = true) translate([0, 0, -face / 3]) face_plate();
else if (part == "caps") caps();
else if (part == "combs") combs();
else if (part == "open") { color("#d8d2c4") base(); inside(); }
else together();
