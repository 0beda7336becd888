/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AMD-Vi unit: register table, what a control write switches, and the way from a requester id by its device table entry and GCR3 table
 * to a page table. Guest (v2) tables and identity only; an entry with a host (v1) table blocks its device (the IVHD says HATDis).
 */
#include <errno.h>

#include "devices/viommu/amdvi.h"
#include "vmm/mem.h"

#define CONTROL_BITS                                                                                                                     \
	(CTL_IOMMU_EN | CTL_HT_TUN_EN | CTL_EVT_LOG_EN | CTL_EVT_INT_EN | CTL_COM_WAIT_INT_EN | CTL_INV_TIMEOUT | CTL_BUS_ATTRS | CTL_CMD_BUF_EN | \
	 CTL_GT_EN | CTL_GA_EN)

/*
 * In the order of enum amdvi_reg. What is not here reads zero: exclusion range, GA log, device table segments, MSI mirror, x2APIC
 * interrupts, counters. The PPR registers are storage, as old kernels write them in passing.
 */
static const struct reg_desc regs[] = {
	{ .name = "DEVTAB", .off = AMDVI_DEVTAB, .size = 8, .rw = BASE_ADDR | DEVTAB_SIZE },
	{ .name = "CMDBASE", .off = AMDVI_CMDBASE, .size = 8, .rw = BASE_ADDR | RING_LEN },
	{ .name = "EVTBASE", .off = AMDVI_EVTBASE, .size = 8, .rw = BASE_ADDR | RING_LEN },
	{ .name = "CONTROL", .off = AMDVI_CONTROL, .size = 8, .rw = CONTROL_BITS },
	{ .name = "EFR", .off = AMDVI_EFR, .size = 8 },
	{ .name = "PPRBASE", .off = AMDVI_PPRBASE, .size = 8, .rw = BASE_ADDR | RING_LEN },
	{ .name = "EFR2", .off = AMDVI_EFR2, .size = 8 },
	{ .name = "CMDHEAD", .off = AMDVI_CMDHEAD, .size = 8, .rw = RING_OFFSET },
	{ .name = "CMDTAIL", .off = AMDVI_CMDTAIL, .size = 8, .rw = RING_OFFSET },
	{ .name = "EVTHEAD", .off = AMDVI_EVTHEAD, .size = 8, .rw = RING_OFFSET },
	{ .name = "EVTTAIL", .off = AMDVI_EVTTAIL, .size = 8, .rw = RING_OFFSET },
	{ .name = "STATUS", .off = AMDVI_STATUS, .size = 8, .w1c = STS_EVT_OVERFLOW | STS_EVT_INT | STS_COM_WAIT_INT },
	{ .name = "PPRHEAD", .off = AMDVI_PPRHEAD, .size = 8, .rw = RING_OFFSET },
	{ .name = "PPRTAIL", .off = AMDVI_PPRTAIL, .size = 8, .rw = RING_OFFSET },
};

_Static_assert(ARRAY_SIZE(regs) == AMDVI_REGS, "register table and enum amdvi_reg differ");

static void amdvi_reset(struct viommu *v)
{
	struct amdvi *t = amdvi_of(v);

	reg_reset(&v->regs);
	amdvi_caps_from(&v->caps, v->cfg.haw, &t->caps);
	*amdvi_reg(t, AR_EFR) = t->caps.efr;
	*amdvi_reg(t, AR_EFR2) = t->caps.efr2;
	t->control = 0;
	t->v1_told = false;
}

static void amdvi_written(struct viommu *v, unsigned reg, u64 written)
{
	struct amdvi *t = amdvi_of(v);

	switch (reg) {
	case AR_CONTROL:
		v->cmd_wanted = true;
		v->cmd = 0;
		return;
	case AR_DEVTAB:
		/* Meant to be written while the unit is off; if not, every entry is another one now. */
		v->cmd_wanted = t->control & CTL_IOMMU_EN;
		v->cmd = CTL_IOMMU_EN;
		return;
	case AR_CMDHEAD:
	case AR_CMDTAIL:
		v->kick_wanted = true;
		return;
	default:
		return;
	}
}

/* lock held. A ring runs from the moment that it is enabled, with the unit on, until an error or its end. */
static void ring_follows(struct amdvi *t, u64 changed, u64 enable, u64 run, unsigned base)
{
	u64 *status = amdvi_reg(t, AR_STATUS), wanted = enable | CTL_IOMMU_EN;

	if ((t->control & wanted) != wanted)
		*status &= ~run;
	else if ((changed & wanted) && amdvi_ring_len(*amdvi_reg(t, base)))
		*status |= run;
}

/* cmd: control bits to treat as changed, whether or not they are. */
static void amdvi_command(struct viommu *v, u64 cmd)
{
	struct amdvi *t = amdvi_of(v);
	u64 were, changed;

	pthread_mutex_lock(&v->lock);
	were = t->control;
	t->control = *amdvi_reg(t, AR_CONTROL);
	changed = were ^ t->control;
	ring_follows(t, changed, CTL_CMD_BUF_EN, STS_CMD_RUN, AR_CMDBASE);
	ring_follows(t, changed, CTL_EVT_LOG_EN, STS_EVT_RUN, AR_EVTBASE);
	if (!(*amdvi_reg(t, AR_STATUS) & STS_CMD_RUN))
		v->queue.parked = false;
	amdvi_irq_enabled(t, were, t->control);
	pthread_mutex_unlock(&v->lock);
	if (!((changed | cmd) & (CTL_IOMMU_EN | CTL_GT_EN)))
		return;
	viommu_forget(v);
	viommu_sync(v, 0, 0, VIOMMU_ALL_PASIDS);
}

/* lock held. The table for pasid by the GCR3 table, which is read anew each time; out->at where that cannot be read. */
static enum amdvi_why find_table(const struct amdvi *t, const struct amdvi_dte *d, u32 pasid, struct s1_config *out)
{
	u64 entry = d->gcr3;

	for (unsigned level = d->glx + 1U; level-- > 0;) {
		unsigned index;

		if (!amdvi_gcr3_index(d->glx, level, pasid, &index))
			return AMDVI_WHY_PASID;
		out->at = (entry & GCR3_ADDR) + 8ULL * index;
		if (mem_load(t->v.cfg.mem, out->at, 8, &entry) < 0)
			return AMDVI_WHY_GCR3_ACCESS;
		out->at = 0;
		if (!(entry & GCR3_V))
			return AMDVI_WHY_GCR3_V;
	}
	out->table = (struct s1_table){ .root = entry & GCR3_ADDR, .levels = d->levels, .zero_extended = pasid == 0 };
	return AMDVI_WHY_NONE;
}

/* The host walks the GCR3 table itself; that it is in RAM at all is looked at here, as the host does not. */
static enum amdvi_why host_table(const struct amdvi *t, const struct amdvi_dte *d, struct s1_table *out)
{
	u64 entry;

	if (mem_load(t->v.cfg.mem, d->gcr3, 8, &entry) < 0)
		return AMDVI_WHY_GUEST;
	*out = (struct s1_table){ .levels = d->levels };
	memcpy(out->raw, d->host, sizeof(out->raw));
	return AMDVI_WHY_NONE;
}

static enum amdvi_why from_dte(const struct amdvi *t, const struct amdvi_dte *d, u32 pasid, struct s1_config *out)
{
	bool software = t->v.caps.software, plain = pasid == DMA_NO_PASID;

	*out = (struct s1_config){ .kind = S1_BYPASS, .tag = d->untagged ? S1_TAG_NONE : d->domid, .quiet = d->quiet, .deny = d->deny };
	/* A host's entry has both halves: GIOV=0 lets requests without PASID pass. */
	if (plain && (!d->guest || (software && !d->giov)))
		return AMDVI_WHY_NONE;
	if (!d->guest)
		return AMDVI_WHY_PASID;
	out->kind = S1_TABLE;
	return software ? find_table(t, d, plain ? 0 : pasid, out) : host_table(t, d, &out->table);
}

static void warn_v1(struct amdvi *t)
{
	if (t->v1_told)
		return;
	t->v1_told = true;
	log_guest("%s: the guest uses v1 IOMMU page tables, which this unit has not: its devices behind the unit are cut off. Linux needs to be 6.17 "
		  "or later, or from 6.1 on amd_iommu=pgtbl_v2, or iommu=pt", t->v.cfg.name);
}

/* lock held. If the device is blocked, of *out only quiet and at count. */
static enum amdvi_why lookup(struct amdvi *t, u16 sid, u32 pasid, struct s1_config *out)
{
	u64 base = *amdvi_reg(t, AR_DEVTAB), len = (FIELD_GET(DEVTAB_SIZE, base) + 1) << 12;
	struct amdvi_dte d;
	enum amdvi_why why;
	u64 dte[4];
	int err;

	if ((u64)sid * DTE_LEN + DTE_LEN > len)
		return AMDVI_WHY_TABLE_LEN;
	out->at = (base & BASE_ADDR) + (u64)sid * DTE_LEN;
	err = viommu_fetch(t->v.cfg.mem, out->at, dte, 4);
	if (err)
		return err == -EAGAIN ? AMDVI_WHY_UNSTABLE : AMDVI_WHY_TABLE_ACCESS;
	out->at = 0;
	out->quiet = (dte[0] & DTE_V) && (dte[1] & DTE1_SA);
	why = amdvi_decode_dte(&t->caps, t->control & CTL_GT_EN, t->v.caps.software, dte, &d);
	if (why == AMDVI_WHY_V1)
		warn_v1(t);
	return why ? why : from_dte(t, &d, pasid, out);
}

static void amdvi_decode(struct viommu *v, u16 sid, u32 pasid, struct s1_config *out)
{
	struct amdvi *t = amdvi_of(v);
	enum amdvi_why why;

	if (!(t->control & CTL_IOMMU_EN)) {
		*out = (struct s1_config){ .kind = pasid == DMA_NO_PASID ? S1_BYPASS : S1_BLOCK, .tag = S1_TAG_NONE };
		return;
	}
	*out = (struct s1_config){ .kind = S1_BLOCK };
	why = lookup(t, sid, pasid, out);
	if (why)
		*out = (struct s1_config){ .kind = S1_BLOCK, .reason = (u16)why, .malformed = amdvi_why_malformed(why), .quiet = out->quiet, .at = out->at };
}

/* No status shows when old translations are gone: only a completion wait tells, and the queue holds that back. */
static void amdvi_drained(struct viommu *v)
{
}

u64 amdvi_efr(struct viommu *v)
{
	return amdvi_of(v)->caps.efr;
}

u64 amdvi_efr2(struct viommu *v)
{
	return amdvi_of(v)->caps.efr2;
}

const struct viommu_model amdvi_model = {
	.size = sizeof(struct amdvi),
	.mmio_len = AMDVI_MMIO_LEN,
	.regs = regs,
	.n_regs = ARRAY_SIZE(regs),
	.attach_failed = AMDVI_WHY_REFUSED,
	.msi_base = 0xFEE00000,
	.msi_len = 0x100000,
	.reset = amdvi_reset,
	.written = amdvi_written,
	.command = amdvi_command,
	.decode = amdvi_decode,
	.fault = amdvi_fault,
	.explain = amdvi_explain,
	.drained = amdvi_drained,
	.pending = amdvi_queue_pending,
	.step = amdvi_queue_step,
};
