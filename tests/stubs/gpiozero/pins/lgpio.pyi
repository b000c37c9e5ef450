# SPDX-License-Identifier: Apache-2.0
from gpiozero.pins.pi import PiFactory

class LGPIOFactory(PiFactory):
    chip: int
