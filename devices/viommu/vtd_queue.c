/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invalidation queue (VT-d 6.5.2). One step: 1. Snapshot queue address, head and tail, and judge them. 2. Fetch one descriptor, once.
 * 3. Decode it. 4. Carry it out: translations are collected in the unit's batch; a structure change or a wait first carries the batch
 * out. 5. A wait that finds DMA still using what was invalidated parks the queue with the head on it. 6. Move the head. An error sets
 * FSTS.IQE and leaves the head where it is; the queue goes on when software clears IQE.
 */
#include "devices/viommu/vtd.h"
#include "vmm/mem.h"

/* 0, or why the queue cannot go on; lock held. */
static u8 judge_queue(struct vtd *t, u64 *head, u64 *len, bool *dw)
{
	u64 iqa = *vtd_reg(t, R_IQA), tail = *vtd_reg(t, R_IQT) & IQ_OFFSET;
	u64 ttm = FIELD_GET(RTADDR_TTM, t->root);

	/* The ring is 2^QS pages for both descriptor widths. */
	*len = 4096ULL << FIELD_GET(IQA_QS, iqa);
	*dw = iqa & IQA_DW;
	*head = *vtd_reg(t, R_IQH) & IQ_OFFSET;
	if (ttm > TTM_SCALABLE)
		return IQEI_TTM;
	if (ttm == TTM_SCALABLE && !*dw)
		return IQEI_WIDTH;
	if (tail >= *len)
		return IQEI_TAIL;
	if (*dw && (tail & BIT(4)))
		return IQEI_TAIL_ALIGN;
	/* Only possible if the queue was made smaller, or wider, while it ran. */
	if (*head >= *len || (*dw && (*head & BIT(4))))
		return IQEI_FETCH;
	return 0;
}

bool vtd_queue_pending(void *v)
{
	struct vtd *t = vtd_of(v);

	if (!(t->status & GCMD_QIE) || (*vtd_reg(t, R_FSTS) & FSTS_IQE))
		return false;
	return (*vtd_reg(t, R_IQH) & IQ_OFFSET) != (*vtd_reg(t, R_IQT) & IQ_OFFSET);
}

static void stop(struct vtd *t, u8 iqei)
{
	pthread_mutex_lock(&t->v.lock);
	*vtd_reg(t, R_IQER) = FIELD_PREP(IQER_IQEI, iqei);
	vtd_status_set(t, FSTS_IQE);
	pthread_mutex_unlock(&t->v.lock);
	log_guest("%s: invalidation queue stopped: error %u", t->v.cfg.name, iqei);
}

/* False: DMA that uses an old translation is in flight, and the queue is parked. */
static bool wait_done(struct vtd *t, const struct vtd_inv *inv)
{
	struct viommu *v = &t->v;

	if (!viommu_settled(v))
		return false;
	/* An address that is no RAM is the guest's mistake; nothing is written then. */
	if (inv->status_write && mem_store(v->cfg.mem, inv->status_addr, 4, inv->status_data) < 0)
		log_guest("%s: status address 0x%llx of a wait is not RAM", v->cfg.name, (unsigned long long)inv->status_addr);
	if (!inv->interrupt)
		return true;
	pthread_mutex_lock(&v->lock);
	if (!(*vtd_reg(t, R_ICS) & ICS_IWC)) {
		*vtd_reg(t, R_ICS) |= ICS_IWC;
		vtd_event(t, R_IECTL);
	}
	pthread_mutex_unlock(&v->lock);
	return true;
}

/* False: the head is to stay. */
static bool carry_out(struct vtd *t, const struct vtd_inv *inv)
{
	struct viommu *v = &t->v;

	switch (inv->kind) {
	case VTD_INV_TLB:
		viommu_inv(v, &inv->s1);
		return true;
	case VTD_INV_CONTEXT:
		viommu_flush(v);
		viommu_sync(v, inv->sid, inv->sid_mask, VIOMMU_ALL_PASIDS);
		return true;
	case VTD_INV_PASID:
		viommu_flush(v);
		viommu_sync(v, 0, 0, inv->all_pasids ? VIOMMU_ALL_PASIDS : inv->pasid);
		return true;
	case VTD_INV_WAIT:
		return wait_done(t, inv);
	case VTD_INV_NOTHING:
		return true;
	}
	return true;
}

void vtd_queue_step(void *ctx)
{
	struct vtd *t = vtd_of(ctx);
	struct viommu *v = &t->v;
	struct vtd_inv inv;
	u64 qw[4] = { 0 }, head, len, iqa;
	unsigned size;
	bool dw;
	u8 bad;

	pthread_mutex_lock(&v->lock);
	iqa = *vtd_reg(t, R_IQA) & IQA_IQA;
	bad = judge_queue(t, &head, &len, &dw);
	pthread_mutex_unlock(&v->lock);
	size = dw ? 32 : 16;
	if (!bad && (iqa > ~0ULL - len || mem_read(v->cfg.mem, iqa + head, qw, size) < 0))
		bad = IQEI_FETCH;
	for (unsigned i = 0; i < ARRAY_SIZE(qw); i++)
		qw[i] = le64toh(qw[i]);
	if (!bad)
		bad = vtd_decode_inv(qw, dw, &inv);
	if (bad) {
		stop(t, bad);
		return;
	}
	if (!carry_out(t, &inv))
		return;
	/* run is held, so nobody switched the queue off or moved the head meanwhile. */
	pthread_mutex_lock(&v->lock);
	*vtd_reg(t, R_IQH) = (head + size) % len;
	pthread_mutex_unlock(&v->lock);
}
