/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC in user space (KVM has the local APICs: split irqchip). Pins become MSIs through irq_msi() with source id 00:1f.0.
 * Source: Intel 82093AA datasheet, section 3; level-triggered pins need the EOI exit.
 */
#ifndef NIDUS_IOAPIC_H
#define NIDUS_IOAPIC_H

#include "vmm/bits.h"
#include "vmm/irq.h"

struct bus;
struct ioapic;

/* Adds its 4 KiB register page to the bus and becomes irq's line controller. -ENOMEM, -EEXIST; nothing is left then. */
int ioapic_create(struct bus *mmio, struct irq *irq, gpa_t base, u8 id, struct ioapic **out) __must_check;
/* No vCPU runs, no device raises a line. NULL is allowed. */
void ioapic_destroy(struct ioapic *io);
/* All pins masked; the levels of lines, which are the devices', stay. vCPUs paused. */
void ioapic_reset(struct ioapic *io);

/* A local APIC ended interrupt `vector`: clears Remote IRR of level pins and raises those still asserted again. Any thread. */
void ioapic_eoi(struct ioapic *io, u8 vector);

/*
 * fn(arg, line) is called, without the IOAPIC's lock, when a level-triggered line is ended (VFIO unmasks INTx). One per line: else -EBUSY; -EINVAL:
 * no such line. Before the guest runs.
 */
int ioapic_on_eoi(struct ioapic *io, u32 line, void (*fn)(void *arg, u32 line), void *arg) __must_check;

#endif
