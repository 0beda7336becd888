/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one SSDT: what the static AML of acpi/NAME.asl cannot know. Integers that the DSDT declares External, and a device per processor.
 */
#ifndef NIDUS_SSDT_H
#define NIDUS_SSDT_H

#include "acpi/acpi.h"

/*
 * P32B P32L: base and length of the 32-bit PCI window; P64B P64L: of the 64-bit one, length 0 if there is none; UART: 1 if COM1 exists;
 * \_SB.Cnnn: processors (ACPI0007), _UID as in the MADT. 0, with a buffer to free(), or -ENOMEM.
 */
int ssdt_build_x86(const struct acpi_x86 *x, u8 **data, u32 *len) __must_check;

#endif
