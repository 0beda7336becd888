/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vIOMMU units of one VM: which devices sit behind which unit, and the table that tells the guest.
 *
 * One software unit serves the VMM's own devices that ask for it (viommu=on), and one unit per IOMMU of the host the assigned devices behind
 * that: a unit can offer no more than the hardware that walks its tables. Each comes into being with its first device: a unit without one
 * would only confuse a guest.
 */
#ifndef NIDUS_UNITS_H
#define NIDUS_UNITS_H

#include "acpi/acpi.h"
#include "devices/devices.h"
#include "devices/viommu/viommu.h"
#include "vmm/config.h"

struct report;

struct units_env {
	struct bus *mmio;
	struct irq *irq;
	struct event *ev;
	const struct mem *mem;
	struct dma *identity; /* of devices behind no unit */
	gpa_t base;           /* registers of the first unit; the others follow */
	struct pci_host *pci; /* where a unit that is a PCI function is plugged in; NULL only where there is none of that kind */
	enum viommu_kind auto_kind; /* what auto means; VIOMMU_OFF counts as VIOMMU_VTD */
	u8 haw;               /* guest physical address width, bits */
	void (*failed)(void *arg); /* a device could not be blocked: stop the VM. Any thread */
	void *failed_arg;
};

#define UNITS_MAX 16

/* own: the software unit. Else iommu is the host's, as in sysfs. */
struct unit {
	struct viommu *v;
	bool own;
	char name[24], iommu[64];
};

/* An assigned function and its unit. */
struct unit_fn {
	struct viommu *v;
	struct pci_fn *fn;
};

struct units {
	struct units_env env;
	enum viommu_kind kind; /* auto resolved */
	struct unit unit[UNITS_MAX];
	unsigned n;
	struct unit_fn assigned[CONFIG_MAX_VFIO];
	unsigned n_assigned;
	u8 *table;
	u32 table_len;
};

/* Nothing is created yet; cannot fail. u is embedded in its owner. */
void units_init(struct units *u, const struct vm_config *c, const struct units_env *env);
/* After pci_host_destroy(), before vfio_destroy(). A zeroed struct is fine. */
void units_fini(struct units *u);

/* struct dev_ctx.dma_for with dma_arg = the units. 0 or -errno; -ENODEV if the VM has no unit at all, -ENOSPC if it has too many. */
int units_dma_for(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma) __must_check;

/* For show: puts fn behind the unit that an assigned device behind the host's iommu would have. Same result. */
int units_stand_in(struct units *u, const char *iommu, struct pci_fn *fn, struct dma **dma) __must_check;

/* The table for what was added, after pci_assign(); len 0: none. Owned by u. -ENOMEM, -EINVAL. */
int units_table(struct units *u, struct acpi_blob *out) __must_check;

/* vCPUs paused, devices reset already. */
void units_reset(struct units *u);

/* Adds a section per unit, if there is a report. */
int units_report(struct units *u, struct report *r) __must_check;

#endif
