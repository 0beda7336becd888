/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between an IOMMU model and what carries its translations out.
 *
 * A model (vtd.c, amdvi.c, later smmuv3.c) reads the guest's structures and says what they mean in three words: a configuration
 * (struct s1_config: what a device's requests undergo), an invalidation (struct s1_inv) and a fault (struct s1_fault). A backend
 * carries them out: in the host's IOMMU, nested on the VMM's stage 2 (backend_iommufd.c), or by walking the tables in the VMM for
 * its own devices (backend_soft.c). A unit has one backend. Tests use a third one that records.
 *
 * There is no second-stage walk, no shadow table and no legacy format here, and no place to add one: a configuration is block,
 * bypass or the guest's own stage-1 table.
 *
 * Fail closed: from the moment a set() is called until it returns 0 the device must not translate by an older table than the one
 * it is given. If a set() fails, the caller sets S1_BLOCK; a backend that cannot even block switches bus mastering off itself and
 * returns the error, and the VM is stopped.
 */
#ifndef NIDUS_S1_H
#define NIDUS_S1_H

#include "vmm/bits.h"
#include "vmm/dma.h"

struct mem;
struct pci_fn;

/* A cache tag that no guest can name: of translations made while the unit is off. */
#define S1_TAG_NONE 0xffffffffU

enum s1_kind {
	S1_BLOCK,  /* nothing passes; in the host: detached */
	S1_BYPASS, /* iova is gpa; in the host: the nest parent */
	S1_TABLE,  /* the guest's first-stage table */
};

/*
 * The guest's table, in the words of x86 first stage. raw: a unit whose host side takes whole entries (SMMUv3 STE, AMD DTE) puts them
 * there.
 */
struct s1_table {
	gpa_t root;            /* 4 KiB aligned, below the guest's address width */
	u8 levels;             /* 4 or 5 */
	bool supervisor, write_protect, extended_access; /* SRE, WPE, EAFE; false unless offered */
	bool zero_extended;    /* AMD: bits above the table's range must be 0; else they repeat its top bit */
	u64 raw[4];
};

struct s1_config {
	enum s1_kind kind;
	u32 tag;   /* VT-d and AMD domain id, SMMU ASID: what invalidations name; meaningless for S1_BLOCK */
	u16 reason; /* S1_BLOCK: the model's own code for why; 0: none */
	bool malformed; /* S1_BLOCK: the guest wrote an entry that cannot be accepted, as opposed to none */
	gpa_t at;  /* S1_BLOCK: the entry that cannot be read, where it is that; else 0 */
	bool quiet; /* the guest asked for no records of faults here */
	u8 deny;   /* AMD, software only: DMA_READ, DMA_WRITE that the entry itself forbids */
	struct s1_table table; /* S1_TABLE only, else zero */
};

enum s1_scope {
	S1_INV_ALL,    /* every translation of the unit */
	S1_INV_TAG,    /* tag, all PASIDs */
	S1_INV_PASID,  /* tag and pasid */
	S1_INV_RANGE,  /* tag, pasid, [addr, addr + npages * 4 KiB): every translation that overlaps it, large pages included */
};

/* Requests without a PASID use the entry of PASID 0 (RID_PASID): invalidations name both as 0. */
struct s1_inv {
	enum s1_scope scope;
	u32 tag;
	u32 pasid;
	iova_t addr; /* aligned to npages * 4 KiB */
	u64 npages;  /* a power of two; addr + npages * 4096 does not wrap beyond 2^64 */
	bool leaf;   /* only leaf entries changed */
	u64 raw[2];  /* the guest's command, where a host takes it verbatim (SMMUv3) */
};

/* Why a request did not pass. The model maps these to its specification's codes. */
enum s1_fault_kind {
	S1_FAULT_NONE,
	S1_FAULT_CONFIG,        /* s1_config.reason says */
	S1_FAULT_ROOT,          /* the table's top level cannot be read */
	S1_FAULT_TABLE,         /* a lower level cannot be read */
	S1_FAULT_NOT_PRESENT,
	S1_FAULT_RESERVED,
	S1_FAULT_NOT_CANONICAL,
	S1_FAULT_PRIVILEGE,
	S1_FAULT_NO_WRITE,
	S1_FAULT_DENIED,        /* s1_config.deny */
	S1_FAULT_MSI_RANGE,     /* would reach the interrupt range */
	S1_FAULT_MSI_REQUEST,   /* its own address is in the interrupt range, and it has no PASID: it is not DMA */
	S1_FAULT_AD,            /* accessed/dirty flags cannot be set */
	S1_FAULT_KINDS
};

struct s1_fault {
	enum s1_fault_kind kind;
	u16 sid;
	u32 pasid;          /* DMA_NO_PASID: none */
	iova_t iova;
	bool write;
	u16 reason;         /* S1_FAULT_CONFIG */
	gpa_t at;           /* S1_FAULT_ROOT, S1_FAULT_TABLE, S1_FAULT_CONFIG: the entry that cannot be read; 0: it is not that */
	bool quiet;
};

/* One translated page. */
struct s1_xlat {
	gpa_t gpa;  /* of the first byte of the page */
	u8 shift;   /* log2 of the page's bytes: 12, 21 or 30 */
	bool writable;
	bool dirty; /* D is set: a write may go by this translation without a walk */
};

/* What the backend, or the host below it, can do. The model advertises no more than this. */
struct s1_caps {
	bool software;         /* translate() exists; set() and inv() never sleep and may be called under the unit's lock */
	bool page_1g, levels_5, coherent_walk, snoop, supervisor;
	u8 iova_bits;          /* width of input addresses */
	u8 pasid_bits;         /* 0: requests without PASID only */
	u16 max_configs;       /* PASIDs that may be configured per device, the one without included; >= 1 */
};

/* A backend's handle of one device; s1_backend_ops.dev_add() makes it. */
struct s1_dev;

/*
 * Threads: probe, dev_add, dev_del, destroy on the thread that builds and ends the VM. set and inv come from one thread at a time (any
 * vCPU or the event thread), no unit lock held, and may sleep in the host; with caps.software also under the unit's lock. translate: any
 * thread, under the unit's lock. Results are 0 or -errno.
 */
struct s1_backend_ops {
	void (*probe)(void *be, struct s1_caps *caps);
	/* The device starts blocked. */
	int (*dev_add)(void *be, struct pci_fn *fn, struct s1_dev **dev);
	void (*dev_del)(void *be, struct s1_dev *dev);
	/*
	 * Puts cfg in force for (dev, pasid; DMA_NO_PASID: requests without one). On return nothing cached from before is in use. -EBUSY:
	 * the device is being reset in the host; it stays blocked and viommu_resync() tries again.
	 */
	int (*set)(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg);
	/*
	 * Carries out invalidations in order; on return those are complete in the host too. *done counts those completed, also on failure;
	 * *calls is raised by the host calls that it took.
	 */
	int (*inv)(void *be, const struct s1_inv *invs, unsigned n, unsigned *done, unsigned *calls);
	/* Software only: one page of (dev, pasid) under cfg, which is S1_TABLE. On S1_FAULT_ROOT and _TABLE out->gpa is the unreadable entry. */
	enum s1_fault_kind (*translate)(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg, iova_t iova, bool write,
					struct s1_xlat *out);
	/* Faults found by the host: readable when there are some, -1: none ever come. read_event: 1 and *f, 0 none left. May be NULL. */
	int (*event_fd)(void *be);
	int (*read_event)(void *be, struct s1_dev **dev, struct s1_fault *f);
	void (*destroy)(void *be);
};

struct s1_backend {
	const struct s1_backend_ops *ops;
	void *be;
};

/* Translates for the VMM's own devices. haw: width of guest physical addresses in bits. -ENOMEM. */
int backend_soft_create(const struct mem *mem, u8 haw, struct s1_backend *out) __must_check;

#endif
