/* Arm's MPS2 board with an FPGA image of a Cortex-M3, M4, M7 (AN385, AN386, AN500) or M33 (AN505). */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

/* Device interrupts up to those of the serial ports that are used. */
#define FAMILY_INTERRUPTS 48

#endif
