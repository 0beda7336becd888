/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VT-d unit: register table, global commands, and the walk from a requester id to its PASID entry. First stage and pass-through only;
 * a legacy root table blocks everything (CAP.SAGAW is 0, so no legacy entry is valid).
 */
#include <errno.h>

#include "devices/viommu/vtd.h"
#include "vmm/mem.h"

#define MAX_PASID 0xfffffU

#define FRCD_ROWS(n)                                                      \
	{ .name = "FRCD" #n "_LO", .off = VTD_FRCD + 16 * n, .size = 8 }, \
	{ .name = "FRCD" #n "_HI", .off = VTD_FRCD + 16 * n + 8, .size = 8, .w1c = FRCD_HI_F }

#define EVENT_ROWS(p, at)                                                                                       \
	{ .name = p "CTL", .off = at, .size = 4, .rw = FECTL_IM, .reset = FECTL_IM },                            \
	{ .name = p "DATA", .off = at + 4, .size = 4, .rw = 0xffff }, { .name = p "ADDR", .off = at + 8, .size = 4, .rw = 0xfffffffc }, \
	{ .name = p "UADDR", .off = at + 12, .size = 4, .rw = 0xffffffff }

/* In the order of enum vtd_reg. */
static const struct reg_desc regs[] = {
	{ .name = "VER", .off = VTD_VER, .size = 4, .reset = VER_6_0 },
	{ .name = "CAP", .off = VTD_CAP, .size = 8 },
	{ .name = "ECAP", .off = VTD_ECAP, .size = 8 },
	{ .name = "GCMD", .off = VTD_GCMD, .size = 4, .wo = 0xffffffff },
	{ .name = "GSTS", .off = VTD_GSTS, .size = 4 },
	{ .name = "RTADDR", .off = VTD_RTADDR, .size = 8, .rw = RTADDR_RTA | RTADDR_TTM },
	{ .name = "CCMD", .off = VTD_CCMD, .size = 8, .rw = GENMASK(62, 61) | GENMASK(33, 0), .wo = CCMD_ICC },
	{ .name = "FSTS", .off = VTD_FSTS, .size = 4, .w1c = FSTS_PFO | FSTS_IQE | FSTS_ICE | FSTS_ITE },
	EVENT_ROWS("FE", VTD_FECTL),
	{ .name = "IQH", .off = VTD_IQH, .size = 8 },
	{ .name = "IQT", .off = VTD_IQT, .size = 8, .rw = IQ_OFFSET },
	{ .name = "IQA", .off = VTD_IQA, .size = 8, .rw = IQA_IQA | IQA_DW | IQA_QS },
	{ .name = "ICS", .off = VTD_ICS, .size = 4, .w1c = ICS_IWC },
	EVENT_ROWS("IE", VTD_IECTL),
	{ .name = "IQER", .off = VTD_IQER, .size = 8 },
	{ .name = "IRTA", .off = VTD_IRTA, .size = 8, .rw = GENMASK(63, 12) | GENMASK(3, 0) },
	{ .name = "IVA", .off = VTD_IVA, .size = 8, .rw = GENMASK(63, 12) | GENMASK(6, 0) },
	{ .name = "IOTLB", .off = VTD_IOTLB, .size = 8, .rw = GENMASK(61, 60) | GENMASK(49, 32), .wo = IOTLB_IVT },
	FRCD_ROWS(0), FRCD_ROWS(1), FRCD_ROWS(2), FRCD_ROWS(3), FRCD_ROWS(4), FRCD_ROWS(5), FRCD_ROWS(6), FRCD_ROWS(7),
};

_Static_assert(ARRAY_SIZE(regs) == VTD_REGS, "register table and enum vtd_reg differ");

static void vtd_reset(struct viommu *v)
{
	struct vtd *t = vtd_of(v);

	reg_reset(&v->regs);
	vtd_caps_from(&v->caps, v->cfg.haw, &t->caps);
	*vtd_reg(t, R_CAP) = t->caps.cap;
	*vtd_reg(t, R_ECAP) = t->caps.ecap;
	t->root = 0;
	t->root_set = false;
	t->status = 0;
	t->changing = false;
	t->legacy_told = false;
	t->next_frcd = 0;
}

static void vtd_written(struct viommu *v, unsigned reg, u64 written)
{
	struct vtd *t = vtd_of(v);

	switch (reg) {
	case R_GCMD:
		v->cmd_wanted = true;
		v->cmd = written;
		return;
	case R_IQT:
		v->kick_wanted = true;
		return;
	case R_FECTL:
	case R_IECTL:
		vtd_event_deliver(t, reg);
		return;
	case R_FSTS:
		/* A cleared IQE lets the queue go on from the head. */
		if (written & FSTS_IQE)
			*vtd_reg(t, R_IQER) = 0;
		v->kick_wanted = written & FSTS_IQE;
		vtd_status_update(t);
		return;
	default:
		if (reg == R_ICS || reg >= R_FRCD)
			vtd_status_update(t);
	}
}

/* lock held. GSTS shows a change that ends old translations only when it is in force and no DMA uses them any more. */
static void show_status(struct vtd *t)
{
	u64 *gsts = vtd_reg(t, R_GSTS);

	if (t->v.stale == 0 && !t->changing)
		*gsts = t->status;
	else
		*gsts = (*gsts & ~(u64)GCMD_QIE) | (t->status & GCMD_QIE);
}

static void vtd_drained(struct viommu *v)
{
	show_status(vtd_of(v));
}

/* Everything cached goes, and every device gets what the structures say now. */
static void retranslate(struct vtd *t)
{
	struct viommu *v = &t->v;

	viommu_forget(v);
	viommu_sync(v, 0, 0, VIOMMU_ALL_PASIDS);
}

static void warn_legacy(struct vtd *t)
{
	if (!(t->status & GCMD_TE) || !t->root_set || FIELD_GET(RTADDR_TTM, t->root) != TTM_LEGACY || t->legacy_told)
		return;
	t->legacy_told = true;
	log_guest("%s: the guest enabled a legacy root table: its devices are cut off (this unit translates in scalable mode only)",
		  t->v.cfg.name);
}

/*
 * One write may ask for several things; they are done in the order root table, queue, translation. One-shot bits act when 1, the others
 * when they differ from the status. Bits of features that are not offered do nothing.
 */
static void vtd_command(struct viommu *v, u64 cmd)
{
	struct vtd *t = vtd_of(v);
	u32 change;
	bool global;

	pthread_mutex_lock(&v->lock);
	change = ((u32)cmd ^ t->status) & (u32)(GCMD_QIE | GCMD_TE);
	global = (cmd & GCMD_SRTP) || (change & GCMD_TE);
	t->changing = global;
	if (cmd & GCMD_SRTP) {
		t->root = *vtd_reg(t, R_RTADDR);
		t->root_set = true;
		t->status |= GCMD_SRTP;
		/* The status bit vanishes until the new table is in force. */
		*vtd_reg(t, R_GSTS) &= ~GCMD_SRTP;
	}
	if ((change & GCMD_QIE) && !(cmd & GCMD_QIE)) {
		*vtd_reg(t, R_IQH) = 0;
		v->queue.parked = false;
	}
	t->status ^= change;
	warn_legacy(t);
	pthread_mutex_unlock(&v->lock);
	if (global)
		retranslate(t);
	pthread_mutex_lock(&v->lock);
	t->changing = false;
	show_status(t);
	pthread_mutex_unlock(&v->lock);
}

/* From the latched root to the PASID entry. 0 or the reason; *fpd as vtd_decode.h says. */
static u8 lookup(struct vtd *t, u16 sid, u32 pasid, struct s1_config *cfg, bool *fpd)
{
	const struct mem *mem = t->v.cfg.mem;
	u32 index = pasid == DMA_NO_PASID ? 0 : pasid;
	u8 devfn = (u8)sid, why;
	struct vtd_ctx ctx;
	u64 qw[8];
	gpa_t table;

	if (mem_load(mem, (t->root & RTADDR_RTA) + 16ULL * (sid >> 8) + (devfn & 0x80 ? 8 : 0), 8, qw) < 0)
		return FR_ROOT_ACCESS;
	why = vtd_decode_root(&t->caps, qw[0], &table);
	if (why)
		return why;
	/* One that keeps changing reads as absent. */
	if (viommu_fetch(mem, table + 32 * (devfn & 0x7f), qw, 4) == -EFAULT)
		return FR_CTX_ACCESS;
	why = vtd_decode_ctx(&t->caps, qw, &ctx, fpd);
	if (why)
		return why;
	if (pasid != DMA_NO_PASID && !ctx.pasid_enabled)
		return FR_PASID_DISABLED;
	if (index >= ctx.max_pasid || index > MAX_PASID)
		return FR_PASID_RANGE;
	if (mem_load(mem, ctx.dir + 8ULL * (index >> 6), 8, qw) < 0)
		return FR_DIR_ACCESS;
	why = vtd_decode_dir(&t->caps, qw[0], &table, fpd);
	if (why)
		return why;
	if (viommu_fetch(mem, table + 64 * (index & 63), qw, 8) == -EFAULT)
		return FR_PE_ACCESS;
	return vtd_decode_pe(&t->caps, qw, cfg, fpd);
}

static bool absent(u8 reason)
{
	return reason == FR_ROOT_P || reason == FR_CTX_P || reason == FR_DIR_P || reason == FR_PE_P || reason == FR_PASID_DISABLED ||
	       reason == FR_PASID_RANGE;
}

static void vtd_decode(struct viommu *v, u16 sid, u32 pasid, struct s1_config *out)
{
	struct vtd *t = vtd_of(v);
	u64 ttm = FIELD_GET(RTADDR_TTM, t->root);
	bool fpd = false;
	u8 why;

	if (!(t->status & GCMD_TE)) {
		*out = (struct s1_config){ .kind = pasid == DMA_NO_PASID ? S1_BYPASS : S1_BLOCK, .tag = S1_TAG_NONE };
		return;
	}
	*out = (struct s1_config){ .kind = S1_BLOCK };
	if (!t->root_set)
		why = FR_ROOT_ACCESS;
	else if (ttm == TTM_LEGACY)
		why = pasid == DMA_NO_PASID ? FR_LEGACY_INVALID : FR_LEGACY_PASID;
	else if (ttm != TTM_SCALABLE)
		why = FR_TTM;
	else
		why = lookup(t, sid, pasid, out, &fpd);
	out->quiet = fpd;
	if (why)
		*out = (struct s1_config){ .kind = S1_BLOCK, .reason = why, .malformed = !absent(why), .quiet = fpd };
}

const struct viommu_model vtd_model = {
	.size = sizeof(struct vtd),
	.mmio_len = VTD_PAGE_LEN,
	.regs = regs,
	.n_regs = ARRAY_SIZE(regs),
	.attach_failed = FR_PE_INVALID,
	.msi_base = 0xFEE00000,
	.msi_len = 0x100000,
	.reset = vtd_reset,
	.written = vtd_written,
	.command = vtd_command,
	.decode = vtd_decode,
	.fault = vtd_fault,
	.explain = vtd_explain,
	.drained = vtd_drained,
	.pending = vtd_queue_pending,
	.step = vtd_queue_step,
};
