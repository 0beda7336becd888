/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration mechanism 1: an address port and a data port onto the first 256 bytes of each function's configuration space. ECAM does
 * the same and more; this one is here because Linux before 6.12 takes ECAM from its early PCI code only if it can read the host bridge
 * by it, and else prints "Fatal: No config space access function found". Source: PCI Local Bus 3.0, section 3.2.2.3.2.
 */
#ifndef NIDUS_PCI_CONF1_H
#define NIDUS_PCI_CONF1_H

#include "vmm/bits.h"

struct bus;
struct pci_conf1;

/* Adds its 8 ports to pio and forwards data accesses to the ECAM on mmio; both outlive it. -ENOMEM, -EEXIST. */
int pci_conf1_create(struct bus *pio, struct bus *mmio, gpa_t ecam, struct pci_conf1 **out) __must_check;
/* No vCPU runs. NULL is allowed. */
void pci_conf1_destroy(struct pci_conf1 *c);
/* Forgets the address. vCPUs are paused. */
void pci_conf1_reset(struct pci_conf1 *c);

#endif
