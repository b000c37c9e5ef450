; SPDX-License-Identifier: Apache-2.0
; The box's patch in csound: voices in instruments 1 (lead), 3 (its edge) and 2 (pad, drone), the bus in 99. Tables
; 1 to 20 are the instruments' spectra, 99 a sine, 100 noise. The p-fields are those of twin.Tone, from `first` on.
nchnls = 2
0dbfs = 1

gaLeadL init 0
gaLeadR init 0
gaPadL init 0
gaPadR init 0

instr 1
 ae linseg 0, p12, 1, p13, p14, p15 + 0.001, p14, p16, 0
 ax oscili ae * ae, p4, p8 + 1
 gaLeadL += ax * p6
 gaLeadR += ax * p7
endin

instr 3
 ae linseg 0, p12, 1, p13, p14, p15 + 0.001, p14, p16, 0
 af linseg 0, p12, p11, p17, 0
 ax oscili af * ae, p5, p9 + 1
 gaLeadL += ax * p6
 gaLeadR += ax * p7
endin

instr 2
 ae linseg 0, p12, 1, p13, p14, p15 + 0.001, p14, p16, 0
 al oscili ae * p6, p4, p8 + 1
 ar oscili ae * p7, p5, p8 + 1
 gaPadL += al
 gaPadR += ar
endin

instr 99
 ks1 oscil 0.22, 0.031, 99
 ks2 oscil 0.22, 0.043, 99
 kc1 oscil 220, 0.0179, 99
 kc2 oscil 220, 0.0218, 99
 apl butterlp gaPadL, 1000 + kc1
 apr butterlp gaPadR, 1000 + kc2
 apl = apl * (0.8 + ks1)
 apr = apr * (0.8 + ks2)
 apm = (apl + apr) * 0.35

 an1 oscili 0.3, 0.0888, 100
 an2 oscili 0.3, 0.0952, 100
 kw1 oscil 290, 0.0141, 99
 kw2 oscil 290, 0.0095, 99
 kg1 randi 0.35, 0.7
 kg2 randi 0.35, 0.7, 0.3
 aw1 butterbp an1, 610 + kw1, (610 + kw1) / 1.3
 aw2 butterbp an2, 610 + kw2, (610 + kw2) / 1.3
 aw1 = aw1 * (0.4 + kg1)
 aw2 = aw2 * (0.4 + kg2)

 all limit gaLeadL, -2, 2
 alr limit gaLeadR, -2, 2
 adl delayr 1
 atl deltapi 0.47
 delayw all + atl * 0.36
 adr delayr 1
 atr deltapi 0.61
 delayw alr + atr * 0.36
 ael butterlp atl * 0.3, 1900
 aer butterlp atr * 0.3, 1900

 ain limit all + alr + ael + aer + apm + aw1 + aw2, -2, 2
 awet butterhp ain, 120
 arl, arr reverbsc awet, awet, 0.95, 3400
 aol = all + ael + apl + apm + aw1 + arl * 0.27
 aor = alr + aer + apr + apm + aw2 + arr * 0.27
 aol compress2 aol, aol, -60, -9, -9, 6, 0.005, 0.3, 0.006
 aor compress2 aor, aor, -60, -9, -9, 6, 0.005, 0.3, 0.006
 outs aol, aor
 gaLeadL = 0
 gaLeadR = 0
 gaPadL = 0
 gaPadR = 0
endin
