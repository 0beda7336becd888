/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VT-d unit's own state, shared by vtd.c (registers, commands, structures), vtd_queue.c (invalidation queue) and vtd_fault.c
 * (fault records and event interrupts). lock and run are the unit's (unit.h).
 */
#ifndef NIDUS_VTD_H
#define NIDUS_VTD_H

#include "devices/viommu/unit.h"
#include "devices/viommu/vtd_decode.h"
#include "devices/viommu/vtd_regs.h"

enum vtd_reg {
	R_VER, R_CAP, R_ECAP, R_GCMD, R_GSTS, R_RTADDR, R_CCMD, R_FSTS, R_FECTL, R_FEDATA, R_FEADDR, R_FEUADDR,
	R_IQH, R_IQT, R_IQA, R_ICS, R_IECTL, R_IEDATA, R_IEADDR, R_IEUADDR, R_IQER, R_IRTA, R_IVA, R_IOTLB,
	R_FRCD, /* low and high halves in turn */
	VTD_REGS = R_FRCD + 2 * VTD_NUM_FRCD
};

struct vtd {
	struct viommu v;
	struct vtd_caps caps;
	/* lock: */
	u64 root;      /* RTADDR as the last SRTP latched it */
	bool root_set;
	u32 status;    /* GSTS as it is; the register follows when old translations have drained */
	bool changing; /* status is ahead of what is in force */
	bool legacy_told;
	u8 next_frcd;
};

static inline struct vtd *vtd_of(struct viommu *v)
{
	return CONTAINER_OF(v, struct vtd, v);
}

static inline u64 *vtd_reg(struct vtd *t, unsigned reg)
{
	return &t->v.regs.val[reg];
}

/* vtd_queue.c: see struct viommu_model. */
bool vtd_queue_pending(void *v);
void vtd_queue_step(void *v);

/* vtd_fault.c; lock held in all. */
void vtd_fault(struct viommu *v, const struct s1_fault *f);
u16 vtd_explain(const struct s1_fault *f, const char **words);
/* Sets bits of FSTS, and raises the fault event unless one was due already. */
void vtd_status_set(struct vtd *t, u32 bits);
/* After FSTS, an FRCD or ICS was written: recomputes what depends on it. */
void vtd_status_update(struct vtd *t);
/* Marks the event of control register ctl (R_FECTL or R_IECTL) pending, and delivers a pending one unless masked. */
void vtd_event(struct vtd *t, unsigned ctl);
void vtd_event_deliver(struct vtd *t, unsigned ctl);

#endif
