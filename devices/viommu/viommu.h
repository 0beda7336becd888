/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual IOMMU as the rest of the VMM sees it: create one, put PCI functions behind it, reset, destroy, report.
 *
 * A unit offers the guest first-stage translation and nothing else. Devices reach memory through the struct dma that viommu_add_fn()
 * gives; assigned devices are translated by the host through the backend. A device is looked up by the requester id it has when it is
 * needed: the guest may renumber buses.
 *
 * Threads: MMIO on vCPUs; DMA on any thread. Lock order: device -> unit -> memory; interrupts are raised with no lock held.
 */
#ifndef NIDUS_VIOMMU_H
#define NIDUS_VIOMMU_H

#include "devices/viommu/s1.h"
#include "vmm/config.h"

struct bus;
struct event;
struct irq;
struct viommu;

/* Bytes of registers of a unit, which must be aligned to that; 0: no such unit. */
u32 viommu_mmio_len(enum viommu_kind kind);

struct viommu_cfg {
	enum viommu_kind kind;   /* VIOMMU_VTD, VIOMMU_AMDVI */
	const char *name;        /* for messages and the report; lives as long as the unit */
	gpa_t base;              /* of its register page */
	struct bus *mmio;
	struct irq *irq;
	struct event *ev;        /* not yet running */
	const struct mem *mem;
	u8 haw;                  /* guest physical address width, 36 to 52 */
	/* Who carries it out; ops NULL: the software backend. Owned by the unit from here on, also if creation fails. */
	struct s1_backend backend;
	/* Stops the VM: a device could not be blocked. Any thread, no lock held. */
	void (*failed)(void *arg);
	void *failed_arg;
};

/* -EINVAL for a kind without a model or an impossible haw; -ENOMEM, or what bus, event loop or backend say. */
int viommu_create(const struct viommu_cfg *cfg, struct viommu **out) __must_check;
/* After every device behind it is gone (pci_host_destroy()) and with no vCPU or event loop running. NULL is fine. */
void viommu_destroy(struct viommu *v);

/*
 * Puts fn behind the unit, in pass-through until the guest switches translation on. *dma is the function's address space and lives
 * until viommu_destroy(). fn need not be plugged yet. Before the guest runs. -ENOMEM, or what the backend says.
 */
int viommu_add_fn(struct viommu *v, struct pci_fn *fn, struct dma **dma) __must_check;

/*
 * Back to power-on: registers reset, every device in pass-through, a parked completion dropped. vCPUs paused. DMA in flight stays
 * accounted for: the next completion waits for it.
 */
void viommu_reset(struct viommu *v);

/* Tries again what the host refused while it was resetting fn (s1_backend_ops.set said -EBUSY). Any thread, no lock held. */
void viommu_resync(struct viommu *v, struct pci_fn *fn);

/*
 * What the ACPI table is to list: DMAR the function itself on bus 0, else the root port above it; IVRS the requester id, valid after
 * pci_assign(). Returns how many there are, fills at most max.
 */
struct viommu_scope {
	bool bridge;
	u8 bus, devfn;
	u16 sid;
};
unsigned viommu_scopes(const struct viommu *v, struct viommu_scope *out, unsigned max);
/* Of its registers. */
gpa_t viommu_base(const struct viommu *v);
/* As given when it was created. */
const char *viommu_name(const struct viommu *v);

/* Since creation; a reset does not clear them. */
struct viommu_counters {
	u64 attaches;    /* configurations put in force, other than blocking */
	u64 passes;      /* of these, pass-through */
	u64 blocks;      /* changes to blocked */
	u64 inv_in;      /* invalidations the guest asked for (of a device: those that concerned it) */
	u64 inv_merged;  /* of these, carried out together with another one; unit only */
	u64 inv_forwarded; /* given to the backend; unit only */
	u64 inv_calls;   /* calls into the host that these took; unit only */
	u64 accesses;    /* to the unit's registers: each is an exit; unit only */
	u64 faults;      /* requests refused */
};
/* Of all its devices together, and its own. Any thread. */
void viommu_count(struct viommu *v, struct viommu_counters *out);
/* The i-th device's, and its function; false if there is none. */
bool viommu_count_fn(struct viommu *v, unsigned i, struct pci_fn **fn, struct viommu_counters *out);

#endif
