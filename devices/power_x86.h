/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power registers of the x86 machine: four one-byte ports (vmm/memmap_x86_64.h).
 *
 *   sleep control  SLP_EN (bit 5) with SLP_TYP (bits 4:2) = 5 switches the machine off; SLP_TYP reads back, SLP_EN reads 0
 *   sleep status   reads 0 (nothing ever woke up)
 *   reset          writing X86_RESET_VALUE resets; a panic's reset (0x1234 at GPA 0x472) is told from an ordinary one
 *   event device   pending events (X86_GED_*), cleared by reading; its interrupt, X86_GSI_GED, is an edge per event
 *
 * Source: ACPI 6.4, sections 4.8.3.6 (reset register), 4.8.3.7 (sleep registers), 5.6.9 (generic event device).
 */
#ifndef NIDUS_POWER_X86_H
#define NIDUS_POWER_X86_H

#include "devices/devices.h"

struct power_x86;

/* Uses ctx's pio, irq, mem and machine; ctx must outlive the device. -ENOMEM, -EEXIST. */
int power_x86_create(const struct dev_ctx *ctx, struct power_x86 **out) __must_check;
/* No vCPU runs. NULL is allowed. */
void power_x86_destroy(struct power_x86 *p);
/* Forgets pending events. vCPUs are paused. */
void power_x86_reset(struct power_x86 *p);

/* Presses the power button once. Any thread. Each press interrupts, also while one is pending: the guest may have missed it. */
void power_x86_button(struct power_x86 *p);

#endif
