/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An AMD-Vi unit on the bench of viommu_rig.h, and a guest's hands to build structures, ring the command buffer and read the event log.
 */
#ifndef NIDUS_AMDVI_RIG_H
#define NIDUS_AMDVI_RIG_H

#include "devices/viommu/amdvi.h"
#include "tests/unit/viommu_rig.h"

#define DEVTAB 0x10000 /* 128 entries: bus 0 up to 00:0f.7 */
#define GCR3(i) (0x20000 + 0x1000 * (gpa_t)(i))
#define CMDS 0x40000
#define CMDS_LEN 0x2000
#define EVENTS 0x48000
#define EVENTS_LEN 0x2000
#define LEN_512 (9ULL << 56)
#define UP (CTL_IOMMU_EN | CTL_CMD_BUF_EN | CTL_GT_EN | CTL_GA_EN | CTL_EVT_LOG_EN)

#define CMD(op) FIELD_PREP(CMD_OP, op)
#define CMD_PAGES_OF(did, pasid) (CMD(CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, did) | (pasid))
#define ALL_PAGES (0x7ffffffffffff000ULL | CMD1_S | CMD1_PDE)

static inline void rig_init(struct rig *r, struct fake *fake)
{
	rig_init_unit(r, VIOMMU_AMDVI, "amdvi0", fake);
}

static inline gpa_t dte_at(struct rig *r, unsigned i)
{
	return DEVTAB + 32 * PCI_BDF(rig_bus, r->fn[i].devfn >> 3, r->fn[i].devfn & 7);
}

static inline void guest_dte(struct rig *r, unsigned i, u64 q0, u64 q1, u64 q2)
{
	gpa_t at = dte_at(r, i);

	poke(r, at + 8, q1);
	poke(r, at + 16, q2);
	poke(r, at + 24, 0);
	poke(r, at, q0);
}

static inline u64 dte_q0(gpa_t gcr3, u64 bits)
{
	return bits | FIELD_PREP(DTE_GCR3_14_12, gcr3 >> 12);
}

static inline u64 dte_q1(gpa_t gcr3, u16 did)
{
	return did | FIELD_PREP(DTE1_GCR3_30_15, gcr3 >> 15) | FIELD_PREP(DTE1_GCR3_51_31, gcr3 >> 31);
}

#define DTE_V2 (DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW)

/* Guest translation of device i by GCR3(i), in domain did. */
static inline void guest_v2(struct rig *r, unsigned i, u16 did)
{
	guest_dte(r, i, dte_q0(GCR3(i), DTE_V2), dte_q1(GCR3(i), did), 0);
}

static inline void guest_gcr3(struct rig *r, unsigned i, u32 pasid, u64 entry)
{
	poke(r, GCR3(i) + 8 * (gpa_t)pasid, entry);
}

/* Every device in a domain of its own, i + 7, PASID 0 at PT(i), which maps nothing. */
static inline void guest_structures(struct rig *r)
{
	guest_tables(r);
	for (unsigned i = 0; i < RIG_FNS; i++) {
		guest_v2(r, i, (u16)(i + 7));
		guest_gcr3(r, i, 0, PT(i) | GCR3_V);
	}
}

static inline void guest_control(struct rig *r, u64 control)
{
	wr(r, AMDVI_CONTROL, 8, control);
}

/* In the order of Linux. */
static inline void guest_up(struct rig *r)
{
	guest_control(r, 0);
	wr(r, AMDVI_DEVTAB, 8, DEVTAB);
	wr(r, AMDVI_CMDBASE, 8, CMDS | LEN_512);
	wr(r, AMDVI_CMDHEAD, 4, 0);
	wr(r, AMDVI_CMDTAIL, 4, 0);
	guest_control(r, CTL_CMD_BUF_EN | CTL_GT_EN | CTL_GA_EN);
	guest_control(r, CTL_CMD_BUF_EN | CTL_GT_EN | CTL_GA_EN | CTL_IOMMU_EN);
	wr(r, AMDVI_EVTBASE, 8, EVENTS | LEN_512);
	wr(r, AMDVI_EVTHEAD, 4, 0);
	wr(r, AMDVI_EVTTAIL, 4, 0);
	guest_control(r, UP);
	r->tail = 0;
}

static inline void guest_put(struct rig *r, u64 q0, u64 q1)
{
	poke(r, CMDS + r->tail, q0);
	poke(r, CMDS + r->tail + 8, q1);
	r->tail = (r->tail + 16) % CMDS_LEN;
}

static inline void guest_ring(struct rig *r)
{
	wr(r, AMDVI_CMDTAIL, 4, r->tail);
}

/* Adds a completion wait and rings; guest_waited() says whether its store arrived. */
static inline void guest_wait(struct rig *r)
{
	guest_put(r, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | STATUS, ++r->seq);
	guest_ring(r);
}

static inline bool guest_waited(struct rig *r)
{
	return peek(r, STATUS) == r->seq;
}

static inline void guest_cmd(struct rig *r, u64 q0, u64 q1)
{
	guest_put(r, q0, q1);
	guest_wait(r);
}

static inline void guest_inv_dte(struct rig *r, unsigned i)
{
	guest_cmd(r, CMD(CMD_INV_DEVTAB) | PCI_BDF(rig_bus, r->fn[i].devfn >> 3, r->fn[i].devfn & 7), 0);
}

static inline void guest_inv_all(struct rig *r)
{
	guest_cmd(r, CMD(CMD_INV_ALL), 0);
}

/* The next event, taken out of the log: its code, or 0 if there is none. */
static inline u8 guest_event(struct rig *r, u64 ev[2])
{
	u64 head = rd(r, AMDVI_EVTHEAD, 4);

	if (head == rd(r, AMDVI_EVTTAIL, 4))
		return 0;
	ev[0] = peek(r, EVENTS + head);
	ev[1] = peek(r, EVENTS + head + 8);
	poke(r, EVENTS + head, 0);
	wr(r, AMDVI_EVTHEAD, 4, (head + 16) % EVENTS_LEN);
	wr(r, AMDVI_STATUS, 8, STS_EVT_INT);
	return (u8)FIELD_GET(EVT_CODE, ev[0]);
}

/* 0: the request got through; else the event that it left, the last one in *ev (0xff: refused without one). */
static inline u8 request(struct rig *r, unsigned i, u32 pasid, iova_t iova, enum dma_perm perm, u64 ev[2])
{
	struct dma_span s;
	struct iovec iov[2];
	u8 why;

	while (guest_event(r, ev))
		;
	if (dma_get_pasid(r->dma[i], pasid, iova, 8, perm, &s, iov, 2) > 0) {
		dma_put(&s);
		return 0;
	}
	why = guest_event(r, ev);
	return why ? why : 0xff;
}

static inline u8 try_dma(struct rig *r, unsigned i, u32 pasid, iova_t iova)
{
	u64 ev[2];

	return request(r, i, pasid, iova, DMA_WRITE, ev);
}

#endif
