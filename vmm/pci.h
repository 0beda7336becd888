/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI Express: one host bridge with ECAM, functions on bus 0 and below root ports, BARs, capabilities, MSI-X.
 *
 * A function is a struct pci_fn embedded in its device. Emulated, virtio and assigned (VFIO) functions differ in ops only.
 * Config accesses and BAR accesses arrive under fn->lock (the device's one mutex; a device's event-thread work takes it too).
 * Bus numbers, bridge windows and BARs are assigned by pci_assign() before the guest runs; the guest may change all of them.
 * Locks: no thread holds two functions' locks; the host's own lock is taken inside a function's and is a leaf but for irq_line().
 * Sources: PCI Express Base 5.0 chapter 7, PCI Local Bus 3.0 chapter 6.
 */
#ifndef NIDUS_PCI_H
#define NIDUS_PCI_H

#include <pthread.h>
#include <stdio.h>

#include "vmm/bits.h"
#include "vmm/bus.h"
#include "vmm/dma.h"
#include "vmm/irq.h"

#define PCI_CFG_SIZE 4096
#define PCI_BARS 6
/* Index of the expansion ROM, which is a 32-bit BAR with a switch of its own and only read. */
#define PCI_ROM PCI_BARS
#define PCI_MAX_FNS 256

/* bus << 8 | device << 3 | function: PCI's requester id. */
#define PCI_BDF(bus, dev, fn) ((u16)((bus) << 8 | (dev) << 3 | (fn)))
#define PCI_DEVFN(dev, fn) ((u8)((dev) << 3 | (fn)))

struct pci_fn;
struct pci_host;

struct pci_fn_ops {
	/*
	 * NULL: the plain cfg/wmask/w1c arrays. size 1, 2, 4, off naturally aligned. An override may call pci_cfg_read/write_plain(). When
	 * cfg_write returned, the PCI layer acts on what fn->cfg holds now: command register, BARs, MSI-X control, bridge windows.
	 */
	u32 (*cfg_read)(struct pci_fn *fn, unsigned off, unsigned size);
	void (*cfg_write)(struct pci_fn *fn, unsigned off, unsigned size, u32 val);
	/* off + size within the BAR; never for the part that holds the emulated MSI-X table and PBA. NULL: reads 0, ignores writes. */
	void (*bar_read)(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val);
	void (*bar_write)(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val);
	/* The BAR became visible at gpa, or vanished from it: doorbells, direct mappings. May be NULL. */
	void (*bar_mapped)(struct pci_fn *fn, unsigned bar, gpa_t gpa, bool mapped);
	/* A vector's deliverability or message changed, or the enable/function mask did (vec = -1). May be NULL. */
	void (*msix_changed)(struct pci_fn *fn, int vec);
	/* Bus mastering was switched (after the register changed). May be NULL. */
	void (*bus_master)(struct pci_fn *fn, bool on);
	/* Back to power-on state; vCPUs are paused, fn->lock held. The PCI layer resets cfg, BARs and MSI-X itself afterwards. May be NULL. */
	void (*reset)(struct pci_fn *fn);
	/* Frees the device, fn included. No vCPU runs. */
	void (*destroy)(struct pci_fn *fn);
};

struct pci_bar {
	u64 size;        /* bytes, power of two, 16 to 2^48 (32-bit: 2^31); 0: absent (or upper half of a 64-bit BAR) */
	bool is64, prefetch;
	gpa_t gpa;       /* where the bus has it now; meaningful if mapped */
	bool mapped;
	struct pci_fn *fn; /* set by pci_add_bar() */
};

#define PCI_MSIX_ENTRY 16
struct pci_msix_entry {
	u64 addr;
	u32 data;
	bool masked;
};

struct pci_msix {
	unsigned n; /* 0: no MSI-X */
	unsigned bar, pba_bar; /* of the table, of the pending bits */
	u32 table_off, pba_off;
	u16 cap; /* config offset of the capability */
	bool enabled, fn_masked;
	struct pci_msix_entry *e;
	u64 *pending;
};

struct pci_fn {
	const struct pci_fn_ops *ops;
	const char *name; /* owned by the device, e.g. its id; for messages and show pci */
	struct pci_host *host;
	struct pci_fn *parent; /* root port above; NULL on bus 0 */
	u8 devfn;
	pthread_mutex_t lock;
	struct dma *dma;       /* how this function reaches memory; set before its device is created */
	u8 *cfg, *wmask, *w1c; /* PCI_CFG_SIZE bytes each */
	u8 *cfg_reset;         /* snapshot taken by pci_assign(): what a reset restores */
	struct pci_bar bar[PCI_BARS + 1];
	struct pci_msix msix;
	u16 next_cap;          /* allocator state of pci_add_cap(), pci_add_ext_cap() */
	u16 last_cap, next_ext, last_ext;
	void *bridge;          /* pci.c's, root ports only */
};

/* Address map given to the host bridge (plat_*.c). */
struct pci_map {
	gpa_t ecam;
	unsigned buses;              /* ECAM bytes = buses << 20 */
	gpa_t mem32;
	u64 mem32_len;
	gpa_t mem64;                 /* start of the 64-bit window; its length is computed by pci_assign() */
	gpa_t mem64_limit;           /* first byte beyond what CPU and host can address */
	u32 intx_line[4];            /* wired lines of INTA..INTD of device 0, swizzled */
};

/* With 00:00.0 on it. mmio and irq must live as long as it; map is copied. Before the guest runs. -ENOMEM, -EEXIST: the ECAM's place is taken. */
int pci_host_create(struct bus *mmio, struct irq *irq, const struct pci_map *map, struct pci_host **out) __must_check;
/* Takes every function off the bus and destroys it. No vCPU runs. NULL is allowed. */
void pci_host_destroy(struct pci_host *h);

/*
 * Prepares the embedded fn: zeroed config space with ids, class (24 bits), revision, subsystem, type 0 header, and a PCI Express capability
 * (root complex integrated endpoint on bus 0, endpoint below a root port) and a power management capability, both at the end of the
 * first 256 bytes: 0x40 to 0xBB are free. Whoever mirrors a real function's capabilities may overwrite cfg, wmask and w1c. -ENOMEM.
 */
struct pci_ids {
	u16 vendor, device, sub_vendor, sub_device;
	u32 class_rev; /* class << 8 | revision */
};
int pci_fn_init(struct pci_fn *fn, const struct pci_fn_ops *ops, const struct pci_ids *ids, const char *name) __must_check;
/* Frees what init allocated. A plugged function: only from its ops->destroy. */
void pci_fn_fini(struct pci_fn *fn);

/* Appends a capability of len bytes (id and next included) and returns its config offset, or -ENOSPC. wmask of its bytes is 0. */
int pci_add_cap(struct pci_fn *fn, u8 id, unsigned len) __must_check;
/* The same at a wanted 4-aligned offset from 0x40 up, before any pci_add_cap(). -EINVAL if taken. */
int pci_add_cap_at(struct pci_fn *fn, u8 id, unsigned off, unsigned len) __must_check;
/* An extended capability of len bytes, header included, behind those there are. Its offset, or -ENOSPC. */
int pci_add_ext_cap(struct pci_fn *fn, u16 id, u8 version, unsigned len) __must_check;

/* Memory BAR; a 64-bit one uses bar + 1 too. PCI_ROM: of at least 2 KiB, 32-bit, not prefetchable. -EINVAL. */
int pci_add_bar(struct pci_fn *fn, unsigned bar, u64 size, bool is64, bool prefetch) __must_check;

/* MSI-X with n vectors (1..2048), table and PBA (offsets in bytes) inside a BAR that exists already. -EINVAL, -ENOMEM, -ENOSPC. */
int pci_add_msix(struct pci_fn *fn, unsigned bar, unsigned n, u32 table_off, u32 pba_off) __must_check;

/*
 * Plugs fn in at devfn on bus 0 (parent NULL) or below a root port (devfn 0). -EEXIST if taken, -EINVAL for a place that cannot be: 00:1f.0,
 * below a root port anything but devfn 0. Takes ownership: pci_host_destroy() calls ops->destroy.
 */
int pci_plug(struct pci_host *h, struct pci_fn *parent, u8 devfn, struct pci_fn *fn) __must_check;
/* First free device number on bus 0 at or above from, or -ENOSPC. 00:1f.0 is reserved (the IOAPIC's source id). */
int pci_free_dev(const struct pci_host *h, unsigned from) __must_check;
/*
 * A PCI Express root port on bus 0 with ACS; the function to put below it names it as parent. h owns it. -EEXIST, -EINVAL, -ENOMEM.
 */
int pci_root_port_create(struct pci_host *h, unsigned dev, struct pci_fn **out) __must_check;

/*
 * Assigns buses, windows and BARs of everything plugged. Once, before the guest runs. -ENOSPC or -ENOMEM after one log_error line, which names the
 * function that finds no room.
 */
int pci_assign(struct pci_host *h) __must_check;
/* Valid after pci_assign(): the windows, for the DSDT and show. */
const struct pci_map *pci_host_map(const struct pci_host *h);
/* The highest bus number given out; the guest may renumber buses up to it. */
unsigned pci_host_last_bus(const struct pci_host *h);
/* Bytes; 0 if nothing needs the window. */
u64 pci_host_mem64_len(const struct pci_host *h);

/* Everything back to the state after pci_assign(). vCPUs paused. */
void pci_host_reset(struct pci_host *h);

/* Visits functions in bus order (root ports before what is below). */
void pci_for_each(struct pci_host *h, void (*cb)(struct pci_fn *fn, void *arg), void *arg);

/* The requester id now: the bus number is what the guest programmed into the root port. */
u16 pci_fn_sid(const struct pci_fn *fn);
/* Finds by bus number as programmed now; NULL if there is none. */
struct pci_fn *pci_fn_by_sid(struct pci_host *h, u16 sid);

/* Config space helpers; fn->lock held once the guest runs. size 1, 2, 4. */
u32 pci_cfg_read_plain(struct pci_fn *fn, unsigned off, unsigned size);
void pci_cfg_write_plain(struct pci_fn *fn, unsigned off, unsigned size, u32 val);
static inline void pci_cfg_set(struct pci_fn *fn, unsigned off, unsigned size, u64 val)
{
	put_le(fn->cfg + off, size, val);
}
/* Whether the guest lets it reach memory. fn->lock held. */
bool pci_bus_master_on(const struct pci_fn *fn);

/* Raises a vector: an MSI now, or its pending bit while masked. A vector >= n, or MSI-X disabled: nothing. fn->lock held. */
void pci_msix_raise(struct pci_fn *fn, unsigned vec);
/*
 * Asserts or releases INTx (the Interrupt Pin register says which) towards the wired lines, swizzled per root port and shared by wired or; honours
 * Interrupt Disable. The Interrupt Status bit keeps the level: nobody else writes it. fn->lock held.
 */
void pci_intx(struct pci_fn *fn, bool level);

/* One line per function: place, ids, class, name, bus numbers and windows or BARs, MSI-X vectors. Any thread. */
void pci_show(struct pci_host *h, FILE *f);

#endif
