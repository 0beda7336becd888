/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command buffer. One step: 1. Fetch the command at the head, once. 2. Decode it. 3. Carry it out: translations are collected in the unit's
 * batch; a changed entry or a wait first carries the batch out. 4. A wait that finds DMA still using what was invalidated parks the queue
 * with the head on it. 5. Move the head. An error is logged as an event, leaves the head on the command and stops the buffer until the guest
 * enables it again.
 */
#include "devices/viommu/amdvi.h"
#include "vmm/mem.h"

/* lock held. Pointers are masked by the ring's size, so any value is somewhere in it. */
static u64 pointer(struct amdvi *t, unsigned reg)
{
	return *amdvi_reg(t, reg) & RING_OFFSET & (amdvi_ring_len(*amdvi_reg(t, AR_CMDBASE)) - 1);
}

bool amdvi_queue_pending(void *v)
{
	struct amdvi *t = amdvi_of(v);

	if (!(*amdvi_reg(t, AR_STATUS) & STS_CMD_RUN) || !amdvi_ring_len(*amdvi_reg(t, AR_CMDBASE)))
		return false;
	return pointer(t, AR_CMDHEAD) != pointer(t, AR_CMDTAIL);
}

static void stop(struct amdvi *t, u64 code, gpa_t at)
{
	const u64 event[2] = { FIELD_PREP(EVT_CODE, code) | (code == EVT_CMD_HW_ERROR ? FIELD_PREP(EVT_HW_TYPE, HW_MASTER_ABORT) : 0), at };

	pthread_mutex_lock(&t->v.lock);
	*amdvi_reg(t, AR_STATUS) &= ~STS_CMD_RUN;
	amdvi_event(t, event);
	pthread_mutex_unlock(&t->v.lock);
	log_guest("%s: command buffer stopped: %s at 0x%llx", t->v.cfg.name, code == EVT_ILLEGAL_CMD ? "illegal command" : "no RAM",
		  (unsigned long long)at);
}

/* False: the head is to stay. */
static bool wait_done(struct amdvi *t, const struct amdvi_cmd *c)
{
	struct viommu *v = &t->v;

	if (!viommu_settled(v))
		return false;
	if (c->store && mem_store(v->cfg.mem, c->addr, 8, c->data) < 0) {
		stop(t, EVT_CMD_HW_ERROR, c->addr);
		return false;
	}
	if (!c->interrupt)
		return true;
	pthread_mutex_lock(&v->lock);
	amdvi_status_set(t, STS_COM_WAIT_INT, CTL_COM_WAIT_INT_EN);
	pthread_mutex_unlock(&v->lock);
	return true;
}

static bool carry_out(struct amdvi *t, const struct amdvi_cmd *c)
{
	struct viommu *v = &t->v;

	switch (c->kind) {
	case AMDVI_CMD_PAGES:
		viommu_inv(v, &c->s1);
		/* It is also how a changed GCR3 entry is announced. The host reads those itself. */
		if (v->caps.software)
			viommu_sync(v, 0, 0, VIOMMU_ALL_PASIDS);
		return true;
	case AMDVI_CMD_DEVTAB:
		viommu_flush(v);
		viommu_sync(v, c->sid, 0xffff, VIOMMU_ALL_PASIDS);
		return true;
	case AMDVI_CMD_ALL:
		viommu_inv(v, &(struct s1_inv){ .scope = S1_INV_ALL });
		viommu_flush(v);
		viommu_sync(v, 0, 0, VIOMMU_ALL_PASIDS);
		return true;
	case AMDVI_CMD_WAIT:
		return wait_done(t, c);
	case AMDVI_CMD_NOTHING:
		return true;
	}
	return true;
}

void amdvi_queue_step(void *ctx)
{
	struct amdvi *t = amdvi_of(ctx);
	struct viommu *v = &t->v;
	struct amdvi_cmd cmd;
	u64 qw[2], head, len;
	gpa_t at;

	pthread_mutex_lock(&v->lock);
	head = pointer(t, AR_CMDHEAD);
	at = (*amdvi_reg(t, AR_CMDBASE) & BASE_ADDR) + head;
	len = amdvi_ring_len(*amdvi_reg(t, AR_CMDBASE));
	pthread_mutex_unlock(&v->lock);
	/* The guest took the length away since pending() looked. */
	if (!len)
		return;
	if (mem_read(v->cfg.mem, at, qw, sizeof(qw)) < 0) {
		stop(t, EVT_CMD_HW_ERROR, at);
		return;
	}
	qw[0] = le64toh(qw[0]);
	qw[1] = le64toh(qw[1]);
	if (!amdvi_decode_cmd(qw, &cmd)) {
		stop(t, EVT_ILLEGAL_CMD, at);
		return;
	}
	if (!carry_out(t, &cmd))
		return;
	pthread_mutex_lock(&v->lock);
	*amdvi_reg(t, AR_CMDHEAD) = (head + RING_ENTRY) & (len - 1);
	pthread_mutex_unlock(&v->lock);
}
