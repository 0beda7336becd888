/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small VT-d driver for bare-metal guests: scalable mode, first-stage tables and pass-through, queued invalidation, fault records. Devices are
 * named by their requester id (bus << 8 | devfn), so it serves functions on bus 0 and those below a root port alike. Tables come from a
 * fixed pool and are never given back. Everything fails the guest when the unit does not answer within PATIENCE.
 *
 * Thread rule: one CPU at a time per unit; first-stage tables may be changed by any CPU.
 */
#ifndef NIDUS_GUEST_VTD_H
#define NIDUS_GUEST_VTD_H

#include "devices/testdev.h"
#include "devices/viommu/vtd_regs.h"
#include "guests/lib/guest.h"
#include "vmm/dma.h"

#define VTD_QUEUE_LEN 128 /* descriptors of 32 bytes in one page */

struct vtd_unit {
	u64 base, cap, ecap;
	u64 *root;  /* 256 entries of two words */
	u64 *queue; /* VTD_QUEUE_LEN descriptors of four words */
	unsigned tail;
	volatile u32 status; /* what wait descriptors write */
	u32 waits;           /* the last one's value */
};

/* The unit whose DMAR scope names this function: the device itself on bus 0, else the root port above it. False: there is none. */
bool vtd_find(struct vtd_unit *u, u16 scope);

u64 vtd_get(const struct vtd_unit *u, unsigned reg, unsigned size);
void vtd_put(const struct vtd_unit *u, unsigned reg, unsigned size, u64 val);
/* Global commands: one-shot bits given, sticky ones as they are; returns when the status follows. */
void vtd_cmd_set(struct vtd_unit *u, u32 bits);
void vtd_cmd_clear(struct vtd_unit *u, u32 bits);

/* Queue on, an empty scalable root table latched; translation stays off: devices reach all of memory until vtd_cmd_set(u, GCMD_TE). */
void vtd_set_up(struct vtd_unit *u);
/* Latches this RTADDR value. */
void vtd_root(struct vtd_unit *u, u64 rtaddr);

/* A zeroed page of the pool. */
u64 *vtd_page(void);

/* --- what a device's requests undergo; pasid 0 is also that of requests without one --- */
/* Words of the PASID entry (8), context entry and directory made where they are missing. Nothing is told to the unit. */
volatile u64 *vtd_entry(struct vtd_unit *u, u16 rid, u32 pasid);
/* Each tears the old entry down, writes the new one, and returns when the unit has taken notice of both. */
void vtd_set_table(struct vtd_unit *u, u16 rid, u32 pasid, u16 did, const u64 *top);
void vtd_set_pass(struct vtd_unit *u, u16 rid, u32 pasid, u16 did);
void vtd_set_none(struct vtd_unit *u, u16 rid, u32 pasid);

/* --- first-stage tables of four levels; top is a vtd_page() --- */
/* Whole 4 KiB pages from iova to gpa. */
void vtd_map(u64 *top, u64 iova, u64 gpa, u64 len, bool write);
/* One page of 4 KiB (level 1), 2 MiB (2) or 1 GiB (3). */
void vtd_map_page(u64 *top, u64 iova, u64 gpa, unsigned level, bool write);
/* The entry that maps iova's 4 KiB page; intermediate tables are made. */
volatile u64 *vtd_leaf(u64 *top, u64 iova, unsigned level);
/* Clears the 4 KiB entries; the unit is not told. */
void vtd_unmap(u64 *top, u64 iova, u64 len);

/* --- invalidation queue --- */
/* Adds a descriptor without ringing; the ring must have room (fails otherwise). */
void vtd_queue(struct vtd_unit *u, u64 q0, u64 q1);
void vtd_ring(struct vtd_unit *u);
/* Descriptors for the queue: 2^am pages at iova, or all of (did, pasid). */
void vtd_inv_pages(struct vtd_unit *u, u16 did, u32 pasid, u64 iova, unsigned am);
void vtd_inv_all(struct vtd_unit *u, u16 did, u32 pasid);
/* Adds a wait that writes u->status, and rings. */
void vtd_wait_post(struct vtd_unit *u);
bool vtd_wait_over(const struct vtd_unit *u);
/* Posts a wait and spins until it is over. */
void vtd_wait(struct vtd_unit *u);

/* --- faults --- */
struct vtd_fault {
	u64 iova;
	u32 pasid; /* 0 without */
	u16 rid;
	u8 reason;
	bool write, has_pasid;
};

/* Takes the oldest record; false if there is none. */
bool vtd_fault(struct vtd_unit *u, struct vtd_fault *f);

/* --- the test device (devices/testdev.h) --- */
struct tdev {
	u16 bdf;
	u64 bar;
};

/* The n-th from 0, bus mastering on; fails if there is none. */
void tdev_find(struct tdev *t, unsigned n);
/* cmd is TESTDEV_CMD_*; pasid DMA_NO_PASID: none. Returns TESTDEV_STATUS_*. */
u32 tdev_do(const struct tdev *t, u32 cmd, u32 pasid, u64 iova, u32 len);
/* 8 bytes by DMA: reads into *val, writes val; TESTDEV_STATUS_*. */
u32 tdev_load(const struct tdev *t, u32 pasid, u64 iova, u64 *val);
u32 tdev_store(const struct tdev *t, u32 pasid, u64 iova, u64 val);

#endif
