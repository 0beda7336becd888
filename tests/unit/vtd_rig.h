/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VT-d unit on the bench of viommu_rig.h, and a guest's hands to build structures and ring the queue.
 */
#ifndef NIDUS_VTD_RIG_H
#define NIDUS_VTD_RIG_H

#include "devices/viommu/vtd.h"
#include "tests/unit/viommu_rig.h"

#define ROOT 0x10000
#define CTX 0x11000
#define DIR(i) (0x20000 + 0x1000 * (gpa_t)(i))
#define PTAB(i) (0x30000 + 0x1000 * (gpa_t)(i))
#define IQ 0x40000
#define IQ_LEN 0x2000

/* --- the guest's hands --- */

static inline void rig_init(struct rig *r, struct fake *fake)
{
	rig_init_unit(r, VIOMMU_VTD, "vtd0", fake);
}

static inline void guest_ctx(struct rig *r, unsigned i, u64 q0, u64 q1)
{
	poke(r, CTX + 32 * r->fn[i].devfn, q0);
	poke(r, CTX + 32 * r->fn[i].devfn + 8, q1);
}

static inline void guest_pe(struct rig *r, unsigned i, u32 pasid, u64 q0, u64 q1, u64 q2)
{
	gpa_t at = PTAB(i) + 64 * (pasid & 63);

	poke(r, at + 8, q1);
	poke(r, at + 16, q2);
	poke(r, at, q0);
}

/* First-stage entry of (device i, pasid) with domain did and the top table at root. */
static inline void guest_first(struct rig *r, unsigned i, u32 pasid, u16 did, gpa_t root)
{
	guest_pe(r, i, pasid, 1 << 6 | 1, did, root);
}

/* Root, contexts, directories of all devices; table i maps nothing yet. */
static inline void guest_structures(struct rig *r)
{
	poke(r, ROOT + 16 * rig_bus, CTX | 1);
	for (unsigned i = 0; i < RIG_FNS; i++) {
		guest_ctx(r, i, DIR(i) | CTX_PASIDE | 1, 0);
		poke(r, DIR(i), PTAB(i) | 1);
	}
	guest_tables(r);
}

static inline void guest_queue_on(struct rig *r)
{
	wr(r, VTD_IQT, 4, 0);
	wr(r, VTD_IQA, 8, IQ | IQA_DW | 1);
	wr(r, VTD_GCMD, 4, (rd(r, VTD_GSTS, 4) & GCMD_TE) | GCMD_QIE);
	r->tail = 0;
}

static inline void guest_root(struct rig *r, u64 rtaddr)
{
	wr(r, VTD_RTADDR, 8, rtaddr);
	wr(r, VTD_GCMD, 4, (rd(r, VTD_GSTS, 4) & (GCMD_TE | GCMD_QIE)) | GCMD_SRTP);
}

static inline void guest_te(struct rig *r, bool on)
{
	wr(r, VTD_GCMD, 4, (rd(r, VTD_GSTS, 4) & GCMD_QIE) | (on ? GCMD_TE : 0));
}

/* Scalable root, queue and translation on. */
static inline void guest_up(struct rig *r)
{
	guest_queue_on(r);
	guest_root(r, ROOT | 0x400);
	guest_te(r, true);
}

/* Devices 0 and 1 in domains 7 and 8, each with one page at 0x5000, and translation on. */
static inline void guest_up_with_pages(struct rig *r)
{
	guest_structures(r);
	for (unsigned i = 0; i < 2; i++) {
		guest_first(r, i, 0, (u16)(7 + i), PT(i));
		guest_map(r, i, 0x5000, BUF(i) | PTE_RWU);
	}
	guest_up(r);
}

static inline void guest_put(struct rig *r, u64 q0, u64 q1)
{
	poke(r, IQ + r->tail, q0);
	poke(r, IQ + r->tail + 8, q1);
	poke(r, IQ + r->tail + 16, 0);
	poke(r, IQ + r->tail + 24, 0);
	r->tail = (r->tail + 32) % IQ_LEN;
}

static inline void guest_ring(struct rig *r)
{
	wr(r, VTD_IQT, 4, r->tail);
}

/* Adds a wait and rings; guest_waited() says whether its status arrived. */
static inline void guest_wait(struct rig *r)
{
	guest_put(r, QI_WAIT | QI_WAIT_SW | (u64)++r->seq << 32, STATUS);
	guest_ring(r);
}

static inline bool guest_waited(struct rig *r)
{
	return (u32)peek(r, STATUS) == r->seq;
}

static inline void guest_inv(struct rig *r, u64 q0, u64 q1)
{
	guest_put(r, q0, q1);
	guest_wait(r);
}

#define INV_PC_ALL (QI_PC | 3 << 4)
#define INV_PC(pasid) (QI_PC | 1 << 4 | (u64)(pasid) << 32)
#define INV_PIOTLB(did, pasid) (QI_PIOTLB | 2 << 4 | (u64)(did) << 16 | (u64)(pasid) << 32)
#define INV_PAGE(did, pasid) (QI_PIOTLB | 3 << 4 | (u64)(did) << 16 | (u64)(pasid) << 32)

/* The latest fault record, cleared: its reason, or 0 if there is none. */
static inline u8 guest_fault(struct rig *r, u64 *lo, u64 *hi)
{
	u64 at = VTD_FRCD + 16 * FIELD_GET(FSTS_FRI, rd(r, VTD_FSTS, 4));

	if (!(rd(r, VTD_FSTS, 4) & FSTS_PPF))
		return 0;
	*lo = rd(r, at, 8);
	*hi = rd(r, at + 8, 8);
	wr(r, at + 12, 4, 0x80000000);
	return (u8)FIELD_GET(FRCD_HI_REASON, *hi);
}

/* 0: a write by device i to iova got through, else the reason recorded (0xff: refused without a record). */
static inline u8 try_dma(struct rig *r, unsigned i, u32 pasid, iova_t iova)
{
	struct dma_span s;
	struct iovec iov[2];
	u64 lo, hi;
	u8 why;

	if (dma_get_pasid(r->dma[i], pasid, iova, 8, DMA_WRITE, &s, iov, 2) > 0) {
		dma_put(&s);
		return 0;
	}
	why = guest_fault(r, &lo, &hi);
	return why ? why : 0xff;
}

#endif
