; SPDX-License-Identifier: Apache-2.0
; The box's patch in csound: instruments 1 (lead), 2 (its edge), 3 (pad) and 4 (drone); 5 steers the bed, 6 is a ledger
; that closes, and 99 is the bus. Tables from 1 on are the instruments' spectra, 99 is a sine, 100 the noise of the
; wind and 101 that of the air. The numbers gi_... are those of twin.NUMBERS, the p-fields those of twin.Tone.

gaLeadL init 0
gaLeadR init 0
gaPadL init 0
gaPadR init 0
gaDrone init 0
gk_brightness init 0.3
gk_wind init 0
gk_space init 0.5
gk_air init 0
gk_closed init -1000

; p4 first, 5 second, 6 left, 7 right, 8 body, 9 edge, 10 bright, 11 attack, 12 decay, 13 bend, 14 sustain, 15 hold,
; 16 release, 17 edge_decay

instr 1
 ae transeg 0, p11, 0, 1, p12, p13, p14, p15 + 0.001, 0, p14, p16, gi_bend, 0
 ax oscili ae * ae, p4, p8 + 1
 gaLeadL += ax * p6
 gaLeadR += ax * p7
endin

instr 2
 ae transeg 0, p11, 0, 1, p12, p13, p14, p15 + 0.001, 0, p14, p16, gi_bend, 0
 af transeg 0, p11, 0, p10, p17, gi_bend, 0
 ax oscili af * ae, p5, p9 + 1
 gaLeadL += ax * p6
 gaLeadR += ax * p7
endin

instr 3
 ae transeg 0, p11, 0, p6, p12, p13, p14 * p6, p15 + 0.001, 0, p14 * p6, p16, gi_bend, 0
 al oscili ae, p4, p8 + 1
 i_luck random 0, 1
 k_sway oscil gi_sway_by, 1 / gi_sway, 99, i_luck
 ar oscili ae, p5 * (1 + k_sway), p8 + 1
 gaPadL += al
 gaPadR += ar
endin

instr 4
 ae transeg 0, p11, 0, p6, p12, p13, p14 * p6, p15 + 0.001, 0, p14 * p6, p16, gi_bend, 0
 ax oscili ae, p4, p8 + 1
 gaDrone += ax
endin

instr 5
 gk_brightness init p4
 gk_wind init p5
 gk_space init p6
 gk_air init p7
endin

instr 6
 gk_closed init p2
endin

instr 99
 k_time timeinsts
 k_since = k_time - gk_closed
 k_fall = exp(-(k_since > gi_rise ? k_since - gi_rise : 0) / gi_fall)
 k_breath = 2 ^ (gi_opens * (k_since < gi_rise ? k_since / gi_rise : 1) * k_fall)
 k_brightness portk gk_brightness, gi_glide * 0.69, 0.3

 ks1 oscil 1, 1 / gi_swell_left, 99
 ks2 oscil 1, 1 / gi_swell_right, 99, gi_apart / 6.2832
 kc1 oscil 0.22, 1 / 8.9, 99
 kc2 oscil 0.22, 1 / 7.3, 99
 k_octaves oscil gi_deep, 1 / gi_shade, 99
 k_shade = 2 ^ k_octaves
 k_lit = gi_pads_low + gi_pads_more * k_brightness
 k_dark = (k_lit / (gi_pads_low + 0.5 * gi_pads_more)) ^ (-gi_dark) * k_shade ^ (-gi_dark_shade)
 k_drift oscil 2, 1 / gi_tremolo_drift, 99
 k_tremolo = 1 + gi_tremble * sin(6.2832 * k_time / gi_tremolo + k_drift)
 k_given = (gi_storm + gi_calm * exp(-gi_soon * gk_wind ^ 3)) * k_tremolo * k_dark
 k_depth limit gi_depth + gi_depth_more * gk_wind, 0, 1
 k_cutoff = k_lit * k_breath * k_shade
 apl butterlp gaPadL, k_cutoff * (1 + kc1)
 apr butterlp gaPadR, k_cutoff * (1 + kc2)
 apl = apl * ((1 + k_depth * ks1) * k_given)
 apr = apr * ((1 + k_depth * ks2) * k_given)
 apm = apl + apr
 amiddle = gaDrone + apm * 0.35

 an1 oscili 1, 0.97 * gi_wind_speed, 100
 an2 oscili 1, 1.04 * gi_wind_speed, 100, 0.4
 kw1 oscil gi_whistle_range, 1 / 11.3, 99, 2 / 6.2832
 kw2 oscil gi_whistle_range, 1 / 16.7, 99, 2 / 6.2832
 kf1 = (gi_whistle + kw1) * sqrt(k_breath)
 kf2 = (gi_whistle + kw2) * sqrt(k_breath)
 kl1 oscil 0.38, 1 / gi_gusts_left, 99
 kl2 oscil 0.38, 1 / gi_gusts_right, 99
 kg1 randi 0.1, 0.7
 kg2 randi 0.1, 0.7, 0.3
 k_wind portk gi_wind * gk_wind, gi_gust * 0.5
 aw1 butterbp an1, kf1, kf1 / 1.9
 aw2 butterbp an2, kf2, kf2 / 1.9
 aw1 = aw1 * (k_wind * (0.62 + kl1) * (0.9 + kg1))
 aw2 = aw2 * (k_wind * (0.62 + kl2) * (0.9 + kg2))

 k_hush oscil 0.38, 1 / gi_hush, 99
 k_air = gi_air * gk_air * (0.62 + k_hush) * k_breath
 ab1 oscili k_air, gi_air_speed, 101
 ab2 oscili k_air, 1.03 * gi_air_speed, 101, 0.5

 adl delayr 1
 atl deltapi gi_echo_left
 delayw gaLeadL + atl * 0.36
 adr delayr 1
 atr deltapi gi_echo_right
 delayw gaLeadR + atr * 0.36
 ael butterlp atl * 0.3, 1900
 aer butterlp atr * 0.3, 1900
 all = gaLeadL + ael + aw1
 alr = gaLeadR + aer + aw2

 awet butterhp (all + alr) * 0.5 + apm * 0.3, 120
 arl, arr reverbsc awet, awet, gi_reverb, 3400
 k_room portk 0.55 * gk_space, gi_glide * 0.5
 aol = all + apl + amiddle + ab1 + arl * k_room * 1.2 ; as loud as the box's reverb
 aor = alr + apr + amiddle + ab2 + arr * k_room * 1.2
 aol compress2 aol, aol, -90, -1.4, -1.4, 100, 0.005, 0.4, 0.006
 aor compress2 aor, aor, -90, -1.4, -1.4, 100, 0.005, 0.4, 0.006
 outs aol, aor
 gaLeadL = 0
 gaLeadR = 0
 gaPadL = 0
 gaPadR = 0
 gaDrone = 0
endin
