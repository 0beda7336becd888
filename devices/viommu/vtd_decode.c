/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/vtd_decode.h"
#include "devices/viommu/vtd_regs.h"

void vtd_caps_from(const struct s1_caps *s1, u8 haw, struct vtd_caps *out)
{
	u8 width = MIN(s1->iova_bits, s1->levels_5 ? 57 : 48);

	*out = (struct vtd_caps){ .haw = haw };
	/* SAGAW stays 0: no legacy mode (11.4.2: a unit without second stage reports 0). CM=1: the guest tells of every new entry. */
	out->cap = CAP_ND_64K | CAP_CM | FIELD_PREP(CAP_MGAW, width - 1) | CAP_ZLR | FIELD_PREP(CAP_FRO, 0x220 / 16) |
		   FIELD_PREP(CAP_NFR, VTD_NUM_FRCD - 1) | CAP_DWD | CAP_DRD | CAP_ESRTPS;
	out->cap |= (s1->page_1g ? CAP_FS1GP : 0) | (s1->levels_5 ? CAP_FS5LP : 0);
	out->ecap = ECAP_C | ECAP_QI | ECAP_PT | FIELD_PREP(ECAP_IRO, VTD_IVA / 16) | ECAP_SMTS | ECAP_FSTS;
	out->ecap |= (s1->coherent_walk ? ECAP_SMPWC : 0) | (s1->snoop ? ECAP_SC : 0) | (s1->supervisor ? ECAP_SRS : 0);
	if (s1->pasid_bits)
		out->ecap |= ECAP_PASID | FIELD_PREP(ECAP_PSS, s1->pasid_bits - 1);
}

static bool beyond(const struct vtd_caps *c, u64 qw)
{
	return c->haw < 64 && (qw >> c->haw);
}

u8 vtd_decode_root(const struct vtd_caps *c, u64 qw, gpa_t *ctx_table)
{
	if (!(qw & ENTRY_P))
		return FR_ROOT_P;
	if ((qw & GENMASK(11, 1)) || beyond(c, qw))
		return FR_ROOT_RSVD;
	*ctx_table = qw & ENTRY_PTR;
	return 0;
}

u8 vtd_decode_ctx(const struct vtd_caps *c, const u64 qw[4], struct vtd_ctx *out, bool *fpd)
{
	*fpd |= !!(qw[0] & ENTRY_FPD);
	if (!(qw[0] & ENTRY_P))
		return FR_CTX_P;
	/* DTE and PRE need device TLBs and page requests, which are not offered. RID_PASID is ignored: RPS is 0. */
	if ((qw[0] & GENMASK(8, 5)) || (qw[0] & (CTX_DTE | CTX_PRE)) || beyond(c, qw[0]))
		return FR_CTX_RSVD;
	if ((qw[1] & ~(CTX1_RID_PASID | CTX1_RID_PRIV)) || qw[2] || qw[3])
		return FR_CTX_RSVD;
	*out = (struct vtd_ctx){
		.dir = qw[0] & ENTRY_PTR,
		.max_pasid = 1U << (FIELD_GET(CTX_PDTS, qw[0]) + 13),
		.pasid_enabled = qw[0] & CTX_PASIDE,
	};
	return 0;
}

u8 vtd_decode_dir(const struct vtd_caps *c, u64 qw, gpa_t *pasid_table, bool *fpd)
{
	*fpd |= !!(qw & ENTRY_FPD);
	if (!(qw & ENTRY_P))
		return FR_DIR_P;
	if ((qw & GENMASK(11, 2)) || beyond(c, qw))
		return FR_DIR_RSVD;
	*pasid_table = qw & ENTRY_PTR;
	return 0;
}

/* Bits that need a capability which is not offered. SRE, WPE, NXE and SMEP are not among them: older guests set SRE everywhere. */
static bool pe_reserved(const struct vtd_caps *c, const u64 qw[8])
{
	u64 q1 = PE1_CD | GENMASK(22, 16) | PE1_MTS;

	if (!(c->ecap & ECAP_SMPWC))
		q1 |= PE1_PWSNP;
	if (!(c->ecap & ECAP_SC))
		q1 |= PE1_PGSNP;
	if ((qw[0] & (PE_SSADE | BIT(5) | GENMASK(11, 10))) || (qw[1] & q1))
		return true;
	if ((qw[2] & (PE2_ERE | PE2_EAFE | GENMASK(11, 8))) || beyond(c, qw[2] & ENTRY_PTR))
		return true;
	return qw[3] || qw[4] || qw[5] || qw[6] || qw[7];
}

u8 vtd_decode_pe(const struct vtd_caps *c, const u64 qw[8], struct s1_config *cfg, bool *fpd)
{
	u64 pgtt = FIELD_GET(PE_PGTT, qw[0]), fspm = FIELD_GET(PE2_FSPM, qw[2]);
	bool srs = c->ecap & ECAP_SRS;
	u32 tag = (u32)FIELD_GET(PE1_DID, qw[1]);

	*fpd |= !!(qw[0] & ENTRY_FPD);
	if (!(qw[0] & ENTRY_P))
		return FR_PE_P;
	if (pe_reserved(c, qw))
		return FR_PE_RSVD;
	if (pgtt == PGTT_PASS) {
		*cfg = (struct s1_config){ .kind = S1_BYPASS, .tag = tag };
		return 0;
	}
	if (pgtt != PGTT_FIRST || fspm > 1 || (fspm == 1 && !(c->cap & CAP_FS5LP)))
		return FR_PE_INVALID;
	*cfg = (struct s1_config){ .kind = S1_TABLE, .tag = tag };
	cfg->table.root = qw[2] & ENTRY_PTR;
	cfg->table.levels = fspm ? 5 : 4;
	cfg->table.supervisor = srs && (qw[2] & PE2_SRE);
	cfg->table.write_protect = srs && (qw[2] & PE2_WPE);
	return 0;
}

bool vtd_reason_unqualified(u8 reason)
{
	switch (reason) {
	case 8:
	case 9:
	case FR_TTM:
	case FR_ROOT_ACCESS:
	case FR_ROOT_P:
	case FR_ROOT_RSVD:
	case FR_CTX_ACCESS:
	case FR_DIR_ACCESS:
	case FR_PE_ACCESS:
		return true;
	default:
		return false;
	}
}

u8 vtd_reason_of(enum s1_fault_kind kind)
{
	static const u8 reason[S1_FAULT_KINDS] = {
		[S1_FAULT_ROOT] = FR_FS_ROOT_ACCESS,
		[S1_FAULT_TABLE] = FR_FS_ACCESS,
		[S1_FAULT_NOT_PRESENT] = FR_FS_P,
		[S1_FAULT_RESERVED] = FR_FS_RSVD,
		[S1_FAULT_NOT_CANONICAL] = FR_NOT_CANONICAL,
		[S1_FAULT_PRIVILEGE] = FR_FS_US,
		[S1_FAULT_NO_WRITE] = FR_FS_WRITE,
		[S1_FAULT_MSI_RANGE] = FR_MSI_RANGE,
		[S1_FAULT_AD] = FR_AD,
	};

	return kind < S1_FAULT_KINDS ? reason[kind] : 0;
}

const char *vtd_reason_name(u8 reason)
{
	static const struct {
		u8 reason;
		const char *name;
	} names[] = {
		{ FR_LEGACY_INVALID, "legacy root table: this unit has first-stage translation only" },
		{ FR_TTM, "reserved translation table mode" },
		{ FR_LEGACY_PASID, "PASID request under a legacy root table" },
		{ FR_ROOT_ACCESS, "root entry unreadable" },
		{ FR_ROOT_P, "root entry not present" },
		{ FR_ROOT_RSVD, "root entry: reserved bits" },
		{ FR_CTX_ACCESS, "context entry unreadable" },
		{ FR_CTX_P, "context entry not present" },
		{ FR_CTX_RSVD, "context entry: reserved bits" },
		{ FR_PASID_DISABLED, "PASID request, PASIDs not enabled" },
		{ FR_PASID_RANGE, "PASID beyond the directory" },
		{ FR_DIR_ACCESS, "PASID directory entry unreadable" },
		{ FR_DIR_P, "PASID directory entry not present" },
		{ FR_DIR_RSVD, "PASID directory entry: reserved bits" },
		{ FR_PE_ACCESS, "PASID entry unreadable" },
		{ FR_PE_P, "PASID entry not present" },
		{ FR_PE_RSVD, "PASID entry: reserved bits" },
		{ FR_PE_INVALID, "PASID entry invalid" },
		{ FR_FS_ACCESS, "page table entry unreadable" },
		{ FR_FS_P, "page not present" },
		{ FR_FS_RSVD, "page table entry: reserved bits" },
		{ FR_FS_ROOT_ACCESS, "top page table unreadable" },
		{ FR_NOT_CANONICAL, "address not canonical" },
		{ FR_FS_US, "supervisor page" },
		{ FR_FS_WRITE, "page not writable" },
		{ FR_MSI_RANGE, "page in the interrupt range" },
		{ FR_AD, "accessed/dirty update failed" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].reason == reason)
			return names[i].name;
	}
	return "unknown reason";
}

/* Bits that may be set in a descriptor of each type; the type field itself is always allowed. 0 in width: the type does not exist. */
struct shape {
	u64 qw0, qw1;
	bool known, wide; /* wide: exists in 256-bit queues only */
};

static const struct shape shapes[] = {
	[QI_CC] = { QI_G | QI_DID | QI_CC_SID | QI_CC_FM, 0, true, false },
	[QI_IOTLB] = { QI_G | BIT(6) | BIT(7) | QI_DID, QI_AM | QI_IH | QI_ADDR, true, false },
	[QI_DEVTLB] = { GENMASK(20, 12) | GENMASK(47, 32) | GENMASK(63, 52), BIT(0) | QI_ADDR, true, false },
	[QI_IEC] = { BIT(4) | GENMASK(31, 27) | GENMASK(47, 32), 0, true, false },
	[QI_WAIT] = { QI_WAIT_IF | QI_WAIT_SW | QI_WAIT_FN | QI_WAIT_DATA, QI_WAIT_ADDR, true, false },
	[QI_PIOTLB] = { QI_G | QI_DID | QI_PASID, QI_AM | QI_IH | QI_ADDR, true, true },
	[QI_PC] = { QI_G | QI_DID | QI_PASID, 0, true, true },
	[QI_PDEVTLB] = { GENMASK(8, 4) | GENMASK(63, 12), BIT(0) | GENMASK(63, 11), true, true },
	[QI_PGRP] = { BIT(4) | GENMASK(51, 12), GENMASK(11, 3), true, true },
};

static u8 decode_context(const u64 *qw, struct vtd_inv *out)
{
	/* FM masks function bits: none, 2, 2:1, 2:0. */
	static const u16 fm_bits[] = { 0, 4, 6, 7 };

	out->kind = VTD_INV_CONTEXT;
	out->sid = (u16)FIELD_GET(QI_CC_SID, qw[0]);
	switch (FIELD_GET(QI_G, qw[0])) {
	case 1:
	case 2: /* one domain: every device is looked at, more than asked is allowed */
		out->sid_mask = 0;
		return 0;
	case 3:
		out->sid_mask = (u16)~fm_bits[FIELD_GET(QI_CC_FM, qw[0])];
		return 0;
	default:
		return IQEI_RSVD;
	}
}

static u8 decode_iotlb(const u64 *qw, struct vtd_inv *out)
{
	u64 g = FIELD_GET(QI_G, qw[0]);

	if (g == 0)
		return IQEI_RSVD;
	out->kind = VTD_INV_TLB;
	out->s1 = (struct s1_inv){ .scope = g == 1 ? S1_INV_ALL : S1_INV_TAG };
	if (g != 1)
		out->s1.tag = (u32)FIELD_GET(QI_DID, qw[0]);
	return 0;
}

static u8 decode_piotlb(const u64 *qw, struct vtd_inv *out)
{
	u64 g = FIELD_GET(QI_G, qw[0]), am = FIELD_GET(QI_AM, qw[1]);

	if (g < 2)
		return IQEI_RSVD;
	out->kind = VTD_INV_TLB;
	out->s1 = (struct s1_inv){ .scope = S1_INV_PASID, .tag = (u32)FIELD_GET(QI_DID, qw[0]), .pasid = (u32)FIELD_GET(QI_PASID, qw[0]) };
	/* MAMV does not bound this descriptor: any mask is legal, from 2^64 bytes on it means everything. */
	if (g == 3 && am < 52) {
		out->s1.scope = S1_INV_RANGE;
		out->s1.npages = 1ULL << am;
		out->s1.addr = ALIGN_DOWN(qw[1] & QI_ADDR, out->s1.npages << 12);
		out->s1.leaf = qw[1] & QI_IH;
	}
	return 0;
}

static u8 decode_pasid_cache(const u64 *qw, struct vtd_inv *out)
{
	u64 g = FIELD_GET(QI_G, qw[0]);

	if (g == 2)
		return IQEI_RSVD;
	/* Never matched by domain id: a change in place is announced with the old one. */
	out->kind = VTD_INV_PASID;
	out->all_pasids = g != 1;
	out->pasid = g == 1 ? (u32)FIELD_GET(QI_PASID, qw[0]) : 0;
	return 0;
}

u8 vtd_decode_inv(const u64 *qw, bool dw, struct vtd_inv *out)
{
	u64 type = FIELD_GET(QI_TYPE_LO, qw[0]) | FIELD_GET(QI_TYPE_HI, qw[0]) << 4;
	const struct shape *s = type < ARRAY_SIZE(shapes) ? &shapes[type] : NULL;

	*out = (struct vtd_inv){ .kind = VTD_INV_NOTHING };
	if (!s || !s->known || (s->wide && !dw))
		return IQEI_TYPE;
	if ((qw[0] & ~(s->qw0 | QI_TYPE_LO)) || (qw[1] & ~s->qw1) || (dw && (qw[2] || qw[3])))
		return IQEI_RSVD;
	switch (type) {
	case QI_CC:
		return decode_context(qw, out);
	case QI_IOTLB:
		return decode_iotlb(qw, out);
	case QI_PIOTLB:
		return decode_piotlb(qw, out);
	case QI_PC:
		return decode_pasid_cache(qw, out);
	case QI_WAIT:
		out->kind = VTD_INV_WAIT;
		out->status_write = qw[0] & QI_WAIT_SW;
		out->interrupt = qw[0] & QI_WAIT_IF;
		out->status_addr = qw[1] & QI_WAIT_ADDR;
		out->status_data = (u32)FIELD_GET(QI_WAIT_DATA, qw[0]);
		return 0;
	default: /* device TLBs, interrupt entries, page responses: nothing is cached or outstanding */
		return 0;
	}
}
