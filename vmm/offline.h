/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that never runs: the devices of a configuration, made by the same functions as for a run, on buses and interrupts that lead
 * nowhere, without KVM and without opening any of the user's files. What `nidus show` prints comes from it, so it cannot drift from a run.
 *
 * Single-threaded; one per architecture in offline_ARCH.c.
 */
#ifndef NIDUS_OFFLINE_H
#define NIDUS_OFFLINE_H

#include "vmm/bus.h"
#include "vmm/config.h"
#include "vmm/plat.h"

/* A wired interrupt, as the guest's tables number it. */
struct offline_line {
	u32 gsi;
	const char *what; /* static string */
};

struct offline {
	struct plat plat;
	struct boot_region map[PLAT_MAX_REGIONS]; /* as given to the guest */
	unsigned n_map;
	struct bus mmio, pio;
	struct pci_host *pci; /* assigned */
	struct acpi_tables tables;
	const struct offline_line *lines; /* ascending */
	unsigned n_lines;
	void *priv; /* offline_ARCH.c's */
};

/* c must live as long as the machine. 0, or an exit status after one log_error line; nothing is left then. */
int offline_x86_64_create(const struct vm_config *c, struct offline **out) __must_check;
/* NULL is allowed. */
void offline_x86_64_destroy(struct offline *o);

#endif
