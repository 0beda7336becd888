/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pci*.c files share. Register names are those of <linux/pci_regs.h>.
 */
#ifndef NIDUS_PCI_PRIV_H
#define NIDUS_PCI_PRIV_H

#include <linux/pci_regs.h>

#include "vmm/pci.h"

/* Capabilities of pci_fn_init() sit at the end of the first 256 bytes, so that a device can have its own at a fixed offset. */
#define PCI_CAPS_FIRST 0x40
#define PCI_PM_CAP 0xbc
#define PCI_EXP_CAP 0xc4
#define PCI_EXP_CAP_LEN 0x3c

/* What every emulated link says of itself: 32 GT/s x16, so that no guest warns about a bottleneck in front of an assigned function. */
#define PCI_LINK_SPEED 5
#define PCI_LINK_WIDTH 16

#define PCI_BRIDGE_GRANULE MiB(1)

struct pci_host {
	struct bus *mmio;
	struct irq *irq;
	struct pci_map map;
	u64 mem64_len;
	unsigned last_bus;
	struct pci_fn *fns[PCI_MAX_FNS]; /* bus 0 by devfn; fixed once the guest runs */
	pthread_mutex_t lock;            /* the rest, and the windows of root ports */
	unsigned intx_users[4];          /* functions asserting each wired line */
};

/* Addresses base..last; base > last: closed. */
struct pci_window {
	u64 base, last;
};

struct pci_bridge {
	struct pci_fn fn;
	struct pci_fn *child;              /* fixed once the guest runs */
	u8 secondary;                      /* atomic: read by routing and pci_fn_sid() without a lock */
	struct pci_window mem, pref;       /* host->lock; closed while memory space is disabled */
	char name[24];
};

/* What a config write or a reset may change, before it does. */
struct pci_fn_before {
	u16 cmd;
	bool intx;
};

static inline u16 pci_cfg16(const struct pci_fn *fn, unsigned off)
{
	return (u16)get_le(fn->cfg + off, 2);
}

/* --- pci_fn.c: one function's config space --- */

/* Config access with side effects. fn->lock held. write: true if other functions must look again where their BARs belong (pci_remap()). */
u32 pci_fn_read(struct pci_fn *fn, unsigned off, unsigned size);
bool pci_fn_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val);
/* Back to cfg_reset. fn->lock held. Result as above. */
bool pci_fn_reset(struct pci_fn *fn);

/* --- pci_bar.c --- */

/* Takes BARs off the bus that no longer belong where they are, and returns how many; puts those on it that now can. fn->lock held. */
unsigned pci_bar_drop(struct pci_fn *fn);
void pci_bar_place(struct pci_fn *fn);
/* The address in the BAR's register, whether it is decoded or not. fn->lock held once the guest runs. */
gpa_t pci_bar_addr(const struct pci_fn *fn, unsigned bar);
void pci_bar_set_addr(struct pci_fn *fn, unsigned bar, gpa_t gpa);

/* --- pci_msix.c --- */

/* True if the access touches the table or the PBA: it is then done. fn->lock held. */
bool pci_msix_bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val);
bool pci_msix_bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val);
/* Follows the control register in fn->cfg. fn->lock held. */
void pci_msix_sync(struct pci_fn *fn);
/* All entries masked, nothing pending. fn->lock held. */
void pci_msix_reset(struct pci_fn *fn);
/* Frees the table. */
void pci_msix_fini(struct pci_fn *fn);

/* --- pci_bridge.c: root ports; fn is one where fn->bridge is set --- */

/*
 * What is below, NULL: nothing; and the secondary bus number. Both may be asked for without a lock. They are set before the guest runs, the number
 * then follows the guest's register by pci_bridge_sync().
 */
struct pci_fn *pci_bridge_child(const struct pci_fn *fn);
void pci_bridge_set_child(struct pci_fn *fn, struct pci_fn *child);
u8 pci_bridge_secondary(const struct pci_fn *fn);
void pci_bridge_set_buses(struct pci_fn *fn, u8 secondary, u8 subordinate);
/* Writes the window registers; len 0 closes. base and len are multiples of 1 MiB. */
void pci_bridge_set_mem(struct pci_fn *fn, gpa_t base, u64 len);
void pci_bridge_set_pref(struct pci_fn *fn, gpa_t base, u64 len);
/* Windows as the registers say, whether enabled or not. fn->lock held. */
void pci_bridge_windows(const struct pci_fn *fn, struct pci_window *mem, struct pci_window *pref);
/* Follows the registers; true if a window changed. fn->lock held. */
bool pci_bridge_sync(struct pci_fn *fn);
/* True if the whole range goes downstream through an open window. Takes host->lock. */
bool pci_bridge_forwards(const struct pci_fn *fn, gpa_t gpa, u64 len);

/* --- pci.c --- */

/* Looks again at every BAR of every function. No function's lock held. */
void pci_remap(struct pci_host *h);
/* Adds or takes away one function's assertion of a wired line. Takes host->lock. */
void pci_host_intx(struct pci_host *h, unsigned line, bool assert_it);

#endif
