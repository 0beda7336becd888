/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault records and event interrupts (VT-d 7.2, 7.3).
 *
 * 1. With FSTS.PFO set nothing is recorded. 2. If the next record is still in use, PFO is set and the fault is dropped. 3. Else the
 * record is filled, FSTS.PPF and FRI tell, the next one is due. An event is raised only when no status bit was set before.
 */
#include "devices/viommu/vtd.h"

#define FSTS_EVENTS (FSTS_PFO | FSTS_PPF | FSTS_IQE | FSTS_ICE | FSTS_ITE)

void vtd_event_deliver(struct vtd *t, unsigned ctl)
{
	u64 *c = vtd_reg(t, ctl);

	if (!(*c & FECTL_IP) || (*c & FECTL_IM))
		return;
	*c &= ~FECTL_IP;
	/* Data, address and upper address follow the control register in both groups. */
	viommu_msi(&t->v, *vtd_reg(t, ctl + 3) << 32 | *vtd_reg(t, ctl + 2), (u32)*vtd_reg(t, ctl + 1));
}

void vtd_event(struct vtd *t, unsigned ctl)
{
	*vtd_reg(t, ctl) |= FECTL_IP;
	vtd_event_deliver(t, ctl);
}

void vtd_status_set(struct vtd *t, u32 bits)
{
	u64 *fsts = vtd_reg(t, R_FSTS);
	bool due = *fsts & FSTS_EVENTS;

	*fsts |= bits;
	if (!due)
		vtd_event(t, R_FECTL);
}

void vtd_status_update(struct vtd *t)
{
	u64 *fsts = vtd_reg(t, R_FSTS);
	bool records = false;

	for (unsigned i = 0; i < VTD_NUM_FRCD; i++)
		records |= !!(*vtd_reg(t, R_FRCD + 2 * i + 1) & FRCD_HI_F);
	*fsts = records ? *fsts | FSTS_PPF : *fsts & ~FSTS_PPF;
	if (!(*fsts & FSTS_EVENTS))
		*vtd_reg(t, R_FECTL) &= ~FECTL_IP;
	if (!(*vtd_reg(t, R_ICS) & ICS_IWC))
		*vtd_reg(t, R_IECTL) &= ~FECTL_IP;
}

static u8 reason_of(const struct s1_fault *f)
{
	return f->kind == S1_FAULT_CONFIG ? (u8)f->reason : vtd_reason_of(f->kind);
}

void vtd_fault(struct viommu *v, const struct s1_fault *f)
{
	struct vtd *t = vtd_of(v);
	u64 *fsts = vtd_reg(t, R_FSTS), *rec = vtd_reg(t, R_FRCD + 2U * t->next_frcd);
	u8 reason = reason_of(f);

	if (!reason || (f->quiet && !vtd_reason_unqualified(reason)) || (*fsts & FSTS_PFO))
		return;
	if (rec[1] & FRCD_HI_F) {
		vtd_status_set(t, FSTS_PFO);
		return;
	}
	rec[0] = ALIGN_DOWN(f->iova, 4096);
	rec[1] = FRCD_HI_F | FIELD_PREP(FRCD_HI_SID, f->sid) | FIELD_PREP(FRCD_HI_REASON, reason) | (f->write ? 0 : FRCD_HI_T1);
	if (f->pasid != DMA_NO_PASID)
		rec[1] |= FRCD_HI_PP | FIELD_PREP(FRCD_HI_PASID, f->pasid);
	if (!(*fsts & FSTS_PPF)) {
		*fsts = (*fsts & ~FSTS_FRI) | FIELD_PREP(FSTS_FRI, t->next_frcd);
		vtd_status_set(t, FSTS_PPF);
	}
	t->next_frcd = (u8)((t->next_frcd + 1) % VTD_NUM_FRCD);
}

u16 vtd_explain(const struct s1_fault *f, const char **words)
{
	u8 reason = reason_of(f);

	*words = vtd_reason_name(reason);
	return reason;
}
