/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/amdvi_decode.h"
#include "devices/viommu/amdvi_regs.h"

void amdvi_caps_from(const struct s1_caps *s1, u8 haw, struct amdvi_caps *out)
{
	/*
	 * HATS stays 0 and the IVHD says HATDis: 11b would say the same once more, and make every guest print a firmware-bug line. Without
	 * GASup Linux does not read the IVHD's features at all. No PASIDs: Linux wants page requests and more with them.
	 */
	*out = (struct amdvi_caps){ .efr = EFR_GTSUP | EFR_IASUP | EFR_GASUP | EFR_GIOSUP, .haw = haw };
	if (s1->levels_5)
		out->efr |= FIELD_PREP(EFR_GATS, 1);
}

static bool reserved_set(const u64 dte[4])
{
	if ((dte[0] & (DTE_RSVD | DTE_PPR | DTE_GPRP)) || (dte[2] & DTE2_RSVD) || (dte[3] & DTE3_RSVD))
		return true;
	return FIELD_GET(DTE1_IOCTL, dte[1]) == 3 || FIELD_GET(DTE2_INTCTL, dte[2]) == 3;
}

static gpa_t gcr3_root(const u64 dte[4])
{
	return FIELD_GET(DTE_GCR3_14_12, dte[0]) << 12 | FIELD_GET(DTE1_GCR3_30_15, dte[1]) << 15 | FIELD_GET(DTE1_GCR3_51_31, dte[1]) << 31;
}

/* From scratch: what a guest put anywhere else never reaches the host. */
static void host_entry(struct amdvi_dte *d)
{
	d->host[0] = DTE_V | DTE_TV | DTE_GV | DTE_IR | DTE_IW | (d->giov ? DTE_GIOV : 0) | FIELD_PREP(DTE_GLX, d->glx) |
		     FIELD_PREP(DTE_GCR3_14_12, d->gcr3 >> 12);
	d->host[1] = FIELD_PREP(DTE1_DOMID, d->domid) | FIELD_PREP(DTE1_GCR3_30_15, d->gcr3 >> 15) | FIELD_PREP(DTE1_GCR3_51_31, d->gcr3 >> 31);
	d->host[2] = FIELD_PREP(DTE2_GPM, d->levels - 4);
}

static enum amdvi_why decode_guest(const struct amdvi_caps *c, bool gten, const u64 dte[4], struct amdvi_dte *d)
{
	u64 gpm = FIELD_GET(DTE2_GPM, dte[2]), glx = FIELD_GET(DTE_GLX, dte[0]);

	d->guest = true;
	d->giov = dte[0] & DTE_GIOV;
	d->gcr3 = gcr3_root(dte);
	if (!gten || glx > 2 || glx > FIELD_GET(EFR_GLXSUP, c->efr) || gpm > 1 || gpm > FIELD_GET(EFR_GATS, c->efr))
		return AMDVI_WHY_GUEST;
	if (!d->gcr3 || (c->haw < 52 && d->gcr3 >> c->haw))
		return AMDVI_WHY_GUEST;
	d->glx = (u8)glx;
	d->levels = (u8)(4 + gpm);
	host_entry(d);
	return AMDVI_WHY_NONE;
}

enum amdvi_why amdvi_decode_dte(const struct amdvi_caps *c, bool gten, bool one_way, const u64 dte[4], struct amdvi_dte *out)
{
	struct amdvi_dte d = { .domid = (u16)FIELD_GET(DTE1_DOMID, dte[1]), .quiet = dte[1] & DTE1_SA };
	bool ir = dte[0] & DTE_IR, iw = dte[0] & DTE_IW, gv = dte[0] & DTE_GV;
	enum amdvi_why why = AMDVI_WHY_NONE;

	if (!(dte[0] & DTE_V)) {
		*out = (struct amdvi_dte){ .untagged = true };
		return AMDVI_WHY_NONE;
	}
	if (reserved_set(dte))
		return AMDVI_WHY_RSVD;
	if (!(dte[0] & DTE_TV))
		return AMDVI_WHY_TV;
	if (dte[0] & (DTE_MODE | DTE_HOST_ROOT))
		return AMDVI_WHY_V1;
	if (!gv && (dte[0] & DTE_GIOV))
		return AMDVI_WHY_GUEST;
	if (!ir && !iw)
		return AMDVI_WHY_NO_ACCESS;
	if (ir != iw && !one_way)
		return AMDVI_WHY_ONE_WAY;
	d.deny = (u8)((ir ? 0 : DMA_READ) | (iw ? 0 : DMA_WRITE));
	if (gv)
		why = decode_guest(c, gten, dte, &d);
	if (!why)
		*out = d;
	return why;
}

bool amdvi_gcr3_index(u8 glx, unsigned level, u32 pasid, unsigned *index)
{
	unsigned bits = 9U * (glx + 1U);

	/* A PASID has 20 bits: of a third level's table only four entries are in use. */
	if (pasid > 0xfffff || level > glx || (bits < 20 && pasid >> bits))
		return false;
	*index = pasid >> (9 * level) & 511;
	return true;
}

bool amdvi_why_malformed(enum amdvi_why why)
{
	switch (why) {
	case AMDVI_WHY_TABLE_ACCESS:
	case AMDVI_WHY_RSVD:
	case AMDVI_WHY_V1:
	case AMDVI_WHY_ONE_WAY:
	case AMDVI_WHY_GUEST:
	case AMDVI_WHY_GCR3_ACCESS:
	case AMDVI_WHY_REFUSED:
		return true;
	default:
		return false;
	}
}

const char *amdvi_why_name(enum amdvi_why why)
{
	static const char *const names[AMDVI_WHYS] = {
		[AMDVI_WHY_TABLE_LEN] = "no entry in the device table",
		[AMDVI_WHY_TABLE_ACCESS] = "device table entry unreadable",
		[AMDVI_WHY_UNSTABLE] = "device table entry keeps changing",
		[AMDVI_WHY_RSVD] = "device table entry: reserved bits",
		[AMDVI_WHY_TV] = "device table entry: no translation",
		[AMDVI_WHY_V1] = "device table entry: a host page table",
		[AMDVI_WHY_NO_ACCESS] = "device table entry: no access",
		[AMDVI_WHY_ONE_WAY] = "device table entry: one way only, which hardware cannot do",
		[AMDVI_WHY_GUEST] = "device table entry: impossible guest translation",
		[AMDVI_WHY_PASID] = "PASID beyond the GCR3 table",
		[AMDVI_WHY_GCR3_ACCESS] = "GCR3 table unreadable",
		[AMDVI_WHY_GCR3_V] = "GCR3 entry not valid",
		[AMDVI_WHY_REFUSED] = "device table entry refused by the host",
	};

	return why > AMDVI_WHY_NONE && why < AMDVI_WHYS ? names[why] : "unknown reason";
}

/* --- events --- */

static u64 event_of_why(enum amdvi_why why)
{
	switch (why) {
	case AMDVI_WHY_RSVD:
		return FIELD_PREP(EVT_CODE, EVT_ILLEGAL_DTE) | EVT_RZ;
	case AMDVI_WHY_V1:
	case AMDVI_WHY_ONE_WAY:
	case AMDVI_WHY_GUEST:
	case AMDVI_WHY_REFUSED:
		return FIELD_PREP(EVT_CODE, EVT_ILLEGAL_DTE);
	case AMDVI_WHY_TABLE_ACCESS:
		return FIELD_PREP(EVT_CODE, EVT_DEVTAB_HW_ERROR) | FIELD_PREP(EVT_HW_TYPE, HW_MASTER_ABORT);
	case AMDVI_WHY_GCR3_ACCESS:
		return FIELD_PREP(EVT_CODE, EVT_PAGETAB_HW_ERROR) | FIELD_PREP(EVT_HW_TYPE, HW_MASTER_ABORT) | EVT_GN;
	case AMDVI_WHY_UNSTABLE:
	case AMDVI_WHY_TV:
		return FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT);
	case AMDVI_WHY_NO_ACCESS:
		return FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_PE;
	case AMDVI_WHY_PASID:
	case AMDVI_WHY_GCR3_V:
		return FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_GN;
	default:
		return 0;
	}
}

static u64 event_of_kind(enum s1_fault_kind kind)
{
	const u64 page = FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_GN | EVT_US;
	const u64 hw = FIELD_PREP(EVT_CODE, EVT_PAGETAB_HW_ERROR) | FIELD_PREP(EVT_HW_TYPE, HW_MASTER_ABORT) | EVT_GN;
	const u64 events[S1_FAULT_KINDS] = {
		[S1_FAULT_ROOT] = hw,
		[S1_FAULT_TABLE] = hw,
		[S1_FAULT_NOT_PRESENT] = page,
		[S1_FAULT_NOT_CANONICAL] = page,
		[S1_FAULT_RESERVED] = page | EVT_PR | EVT_RZ,
		[S1_FAULT_PRIVILEGE] = page | EVT_PR | EVT_PE,
		[S1_FAULT_NO_WRITE] = page | EVT_PR | EVT_PE,
		[S1_FAULT_MSI_RANGE] = page | EVT_PR,
		[S1_FAULT_AD] = page | EVT_PR,
		[S1_FAULT_DENIED] = FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_PE,
		[S1_FAULT_MSI_REQUEST] = FIELD_PREP(EVT_CODE, EVT_INVALID_REQUEST),
	};

	return kind < S1_FAULT_KINDS ? events[kind] : 0;
}

bool amdvi_event_of(const struct s1_fault *f, u64 event[2])
{
	u64 e = f->kind == S1_FAULT_CONFIG ? event_of_why(f->reason) : event_of_kind(f->kind);
	u64 code = FIELD_GET(EVT_CODE, e);

	/* A write there is an interrupt, no fault; the devices of this VMM send theirs another way. */
	if (!code || (f->kind == S1_FAULT_MSI_REQUEST && f->write) || (f->quiet && code == EVT_IO_PAGE_FAULT))
		return false;
	e |= FIELD_PREP(EVT_SID, f->sid) | (f->write && code != EVT_INVALID_REQUEST ? EVT_RW : 0);
	if (f->pasid != DMA_NO_PASID)
		e |= EVT_GN | FIELD_PREP(EVT_PASID_LO, f->pasid) | FIELD_PREP(EVT_PASID_HI, f->pasid >> 16);
	event[0] = e;
	event[1] = (code == EVT_PAGETAB_HW_ERROR || code == EVT_DEVTAB_HW_ERROR) && f->at ? f->at : f->iova;
	return true;
}

/* --- commands --- */

/* Bits that may be set in a command of each opcode, the opcode itself left out. */
struct shape {
	u64 qw0, qw1;
	bool known;
};

static const struct shape shapes[16] = {
	[CMD_COMPLETION_WAIT] = { CMD_WAIT_S | CMD_WAIT_I | CMD_WAIT_F | CMD_WAIT_ADDR, ~0ULL, true },
	[CMD_INV_DEVTAB] = { CMD_SID, 0, true },
	[CMD_INV_PAGES] = { CMD_PASID | CMD_DOMID, CMD1_S | CMD1_PDE | CMD1_GN | CMD1_ADDR, true },
	[CMD_INV_IOTLB] = { GENMASK(59, 0), CMD1_S | CMD1_GN | CMD1_TYPE | CMD1_ADDR, true },
	[CMD_INV_INTR] = { CMD_SID, 0, true },
	[CMD_INV_ALL] = { 0, 0, true },
};

/*
 * S=1: the lowest 0 bit of the address from bit 12 on says how large the range is; bit 63 is no data. GN=0 names every PASID: kernels up to
 * 6.1 flush guest tables with it. PDE is always taken as set.
 */
static void decode_pages(const u64 qw[2], struct s1_inv *s)
{
	u64 addr = qw[1] & CMD1_ADDR;
	unsigned n = 12;

	*s = (struct s1_inv){ .scope = S1_INV_TAG, .tag = (u32)FIELD_GET(CMD_DOMID, qw[0]) };
	if (!(qw[1] & CMD1_GN))
		return;
	s->scope = S1_INV_PASID;
	s->pasid = (u32)FIELD_GET(CMD_PASID, qw[0]);
	if (qw[1] & CMD1_S) {
		while (n < 51 && (addr & BIT(n)))
			n++;
		if (n == 51)
			return;
		n++;
	}
	s->scope = S1_INV_RANGE;
	s->npages = BIT(n - 12);
	s->addr = ALIGN_DOWN(addr, BIT(n));
}

bool amdvi_decode_cmd(const u64 qw[2], struct amdvi_cmd *out)
{
	u64 op = FIELD_GET(CMD_OP, qw[0]);
	const struct shape *s = &shapes[op];

	*out = (struct amdvi_cmd){ .kind = AMDVI_CMD_NOTHING };
	if (!s->known || (qw[0] & ~(s->qw0 | CMD_OP)) || (qw[1] & ~s->qw1))
		return false;
	switch (op) {
	case CMD_COMPLETION_WAIT:
		out->kind = AMDVI_CMD_WAIT;
		out->store = qw[0] & CMD_WAIT_S;
		out->interrupt = qw[0] & CMD_WAIT_I;
		out->addr = qw[0] & CMD_WAIT_ADDR;
		out->data = qw[1];
		break;
	case CMD_INV_DEVTAB:
		out->kind = AMDVI_CMD_DEVTAB;
		out->sid = (u16)FIELD_GET(CMD_SID, qw[0]);
		break;
	case CMD_INV_PAGES:
		out->kind = AMDVI_CMD_PAGES;
		decode_pages(qw, &out->s1);
		break;
	case CMD_INV_ALL:
		out->kind = AMDVI_CMD_ALL;
		break;
	default: /* device TLBs and interrupt tables: nothing is cached */
		break;
	}
	return true;
}
