/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a unit: what viommu.c does for every model, and what a model (vtd.c) supplies.
 *
 * Life of an MMIO write: viommu.c takes the lock, reg_write() stores by the model's table, model->written() reacts to each register
 * (state, interrupts) and may ask for a command or a doorbell; after unlock the command runs under queue.run, the queue engine works, and
 * interrupts are raised.
 */
#ifndef NIDUS_VIOMMU_UNIT_H
#define NIDUS_VIOMMU_UNIT_H

#include <pthread.h>

#include "devices/viommu/queue.h"
#include "devices/viommu/viommu.h"
#include "vmm/log.h"
#include "vmm/reg.h"

#define VIOMMU_BATCH 64
#define VIOMMU_MAX_IRQS 4
#define VIOMMU_MAX_GONE 16 /* ranges; more are told as one */

/* What is in force for one PASID of a device; sid is the requester id it was decoded for. */
struct viommu_att {
	u32 pasid;
	u16 sid;
	struct s1_config cfg;
};

struct viommu_dev {
	struct viommu_dev *next;
	struct viommu *v;
	struct pci_fn *fn;
	struct s1_dev *s1;
	struct dma dma;
	struct viommu_att *att; /* lock; caps.max_configs entries, [0] is requests without PASID */
	unsigned n_att;
	unsigned victim;
	u16 index;
	/* lock, if the device watches (dma_watch()): what it is yet to be told is gone, and log2 of the largest page it was given */
	struct { iova_t iova, last; } gone[VIOMMU_MAX_GONE];
	unsigned n_gone;
	u8 gone_shift;
	struct viommu_counters c; /* lock */
};

struct viommu_model {
	size_t size; /* of the model's struct, whose first member is struct viommu */
	u32 mmio_len; /* of its registers, bytes */
	const struct reg_desc *regs;
	unsigned n_regs;
	u16 attach_failed;   /* reason recorded when the host refuses a configuration */
	gpa_t msi_base;      /* addresses that mean interrupts, in and out */
	u64 msi_len;
	/* Registers and state at power-on; v->caps is valid. lock held (or before use). */
	void (*reset)(struct viommu *v);
	/* lock held: register reg was written. May set v->cmd_wanted, v->kick_wanted. */
	void (*written)(struct viommu *v, unsigned reg, u64 written);
	/* run held: carries out a control command that written() wanted. */
	void (*command)(struct viommu *v, u64 cmd);
	/* lock held: what requests of (sid, pasid) are to undergo now, read from guest memory. */
	void (*decode)(struct viommu *v, u16 sid, u32 pasid, struct s1_config *out);
	/* lock held: records a fault the guest's way. */
	void (*fault)(struct viommu *v, const struct s1_fault *f);
	/* The specification's number for a fault, and its words. 0: nothing to tell. */
	u16 (*explain)(const struct s1_fault *f, const char **words);
	/* lock held: no DMA by an old translation is left. */
	void (*drained)(struct viommu *v);
	bool (*pending)(void *v); /* queue_ops' */
	void (*step)(void *v);
};

struct viommu {
	const struct viommu_model *model;
	struct viommu_cfg cfg;
	struct s1_caps caps;
	pthread_mutex_t lock;
	struct reg_file regs;
	struct queue queue;
	struct queue_ops queue_ops;
	struct event_src host_faults;
	u16 sid; /* of its own interrupts: the host bridge's, or its PCI function's */
	struct viommu_dev *devs; /* fixed once the guest runs */
	/* lock: */
	struct dma_span *spans;  /* live ones */
	u64 stale;               /* of these, how many use a translation that was invalidated */
	bool cmd_wanted, kick_wanted;
	u64 cmd;
	struct { u64 addr; u32 data; } irqs[VIOMMU_MAX_IRQS];
	unsigned n_irqs;
	struct viommu_counters c;
	struct log_bucket fault_log[S1_FAULT_KINDS];
	/* run: */
	struct s1_inv batch[VIOMMU_BATCH];
	unsigned n_batch;
};

extern const struct viommu_model vtd_model, amdvi_model;

/* For models. */

/* run held. Adds to the batch; it is carried out by viommu_flush(), or when it is full. */
void viommu_inv(struct viommu *v, const struct s1_inv *inv);
/*
 * run held, lock not. On return the batch is complete in the host, devices that watch have forgotten what it covered, and DMA that still
 * uses it is counted in v->stale.
 */
void viommu_flush(struct viommu *v);

/*
 * run held, lock not. viommu_flush() for a wait at the queue's head. False: DMA that uses what was invalidated is in flight, and the queue is parked until
 * it has ended; the head is to stay.
 */
bool viommu_settled(struct viommu *v);

/*
 * run held, lock not. Everything cached goes, as if the guest had invalidated all; what was batched is covered by it. Not counted as the
 * guest's.
 */
void viommu_forget(struct viommu *v);

#define VIOMMU_ALL_PASIDS 0xfffffffeU
/*
 * run held, lock not. Reads again what the devices with (sid ^ d) & mask == 0 are to undergo, for pasid (0 includes requests without one)
 * or all, and puts in force what changed. A device that cannot be given what it is to have is blocked.
 */
void viommu_sync(struct viommu *v, u16 sid, u16 mask, u32 pasid);

/*
 * An entry of n quadwords, at most 8. qw[0] is read before and after the rest: what is returned was there as a whole. -EFAULT: not RAM. -EAGAIN: it
 * keeps changing, and qw is all zero.
 */
int viommu_fetch(const struct mem *mem, gpa_t gpa, u64 *qw, unsigned n) __must_check;

/* lock held. An MSI to be raised after unlock. */
void viommu_msi(struct viommu *v, u64 addr, u32 data);

/* Shared by viommu.c, attach.c and space.c. */

static inline u32 viommu_entry_pasid(u32 pasid)
{
	return pasid == DMA_NO_PASID ? 0 : pasid;
}

/* No lock held. */
void viommu_raise_irqs(struct viommu *v);
/* lock held: counts a fault and hands it to the model. */
void viommu_record(struct viommu_dev *d, const struct s1_fault *f);
/* No lock held: the log line. One bucket per kind: a flood of one kind does not hide the others. */
void viommu_tell(struct viommu_dev *d, const struct s1_fault *f);

/* lock held. What is in force for pasid; NULL: blocked, or not looked up yet. */
struct viommu_att *viommu_att_find(struct viommu_dev *d, u32 pasid);
/* lock held, software only. Reads the configuration of (d, pasid) and puts it in force; *out is what requests undergo. */
void viommu_refresh(struct viommu_dev *d, u32 pasid, struct s1_config *out);
/* run held, lock not: viommu_sync() of one device. */
void viommu_sync_dev(struct viommu_dev *d, u32 pasid);

/* lock held. Live spans that an invalidation, or a change of (d, pasid), covers become stale. */
void viommu_mark_inv(struct viommu *v, const struct s1_inv *inv);
void viommu_mark_dev(struct viommu_dev *d, u32 pasid);
/* run held, lock not. Tells devices that watch what was marked since the last call. */
void viommu_tell_gone(struct viommu *v);
extern const struct dma_ops viommu_dma_ops;

#endif
