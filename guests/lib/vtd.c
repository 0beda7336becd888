/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/vtd.h"

#define POOL_PAGES 128
#define FS_P BIT(0)
#define FS_RW BIT(1)
#define FS_US BIT(2)
#define FS_A BIT(5)
#define FS_D BIT(6)
#define FS_PS BIT(7)
#define CTX_PDTS_128K FIELD_PREP(CTX_PDTS, 4) /* 2^11 directory entries of 8 bytes: PASIDs below 2^17 */
#define DIR_PAGES 4

/* DMAR: header 48 bytes; remapping structures: type, length; DRHD: base at 8, scopes from 16 on. */
#define DMAR_HEADER 48
#define DRHD_SCOPES 16

static u64 pool[POOL_PAGES][512] __attribute__((aligned(PAGE)));
static unsigned pool_used;

static u64 *pages(unsigned n)
{
	CHECK(pool_used + n <= POOL_PAGES, "no more pages for IOMMU tables");
	pool_used += n;
	return pool[pool_used - n];
}

u64 *vtd_page(void)
{
	return pages(1);
}

/* --- finding the unit --- */

/* Table with this signature, from the XSDT; 0 if there is none. */
static u64 acpi_table(const char *sig)
{
	u64 rsdp = boot_rsdp(), xsdt = rsdp ? mmio_read(rsdp + 24, 8) : 0;
	u32 len = xsdt ? (u32)mmio_read(xsdt + 4, 4) : 0;

	for (u64 at = xsdt + 36; xsdt && at + 8 <= xsdt + len; at += 8) {
		u64 table = mmio_read(at, 8);

		if (memcmp((const void *)table, sig, 4) == 0)
			return table;
	}
	return 0;
}

static bool lists(u64 drhd, u32 len, u16 scope)
{
	for (u64 s = drhd + DRHD_SCOPES; s + 8 <= drhd + len; s += mmio_read(s + 1, 1)) {
		u16 bdf = (u16)(mmio_read(s + 5, 1) << 8 | mmio_read(s + 6, 1) << 3 | mmio_read(s + 7, 1));

		if (bdf == scope)
			return true;
		CHECK(mmio_read(s + 1, 1) >= 8, "DMAR: a scope of no length");
	}
	return false;
}

bool vtd_find(struct vtd_unit *u, u16 scope)
{
	u64 dmar = acpi_table("DMAR");
	u32 len = dmar ? (u32)mmio_read(dmar + 4, 4) : 0;

	for (u64 at = dmar + DMAR_HEADER; dmar && at + 4 <= dmar + len;) {
		u32 n = (u32)mmio_read(at + 2, 2);

		CHECK(n >= 4, "DMAR: a structure of no length");
		if (mmio_read(at, 2) == 0 && lists(at, n, scope)) {
			*u = (struct vtd_unit){ .base = mmio_read(at + 8, 8) };
			u->cap = vtd_get(u, VTD_CAP, 8);
			u->ecap = vtd_get(u, VTD_ECAP, 8);
			return true;
		}
		at += n;
	}
	return false;
}

/* --- registers --- */

u64 vtd_get(const struct vtd_unit *u, unsigned reg, unsigned size)
{
	return mmio_read(u->base + reg, size);
}

void vtd_put(const struct vtd_unit *u, unsigned reg, unsigned size, u64 val)
{
	mmio_write(u->base + reg, size, val);
}

static void await_status(struct vtd_unit *u, u32 bits, u32 want)
{
	u64 start = cpu_ticks();

	while ((vtd_get(u, VTD_GSTS, 4) & bits) != want) {
		CHECK(cpu_ticks() - start < PATIENCE, "GSTS does not follow: %x of %x", (u64)want, (u64)bits);
		cpu_relax();
	}
}

void vtd_cmd_set(struct vtd_unit *u, u32 bits)
{
	u32 sticky = (u32)vtd_get(u, VTD_GSTS, 4) & (u32)(GCMD_TE | GCMD_QIE);

	vtd_put(u, VTD_GCMD, 4, sticky | bits);
	await_status(u, bits, bits);
}

void vtd_cmd_clear(struct vtd_unit *u, u32 bits)
{
	u32 sticky = (u32)vtd_get(u, VTD_GSTS, 4) & (u32)(GCMD_TE | GCMD_QIE);

	vtd_put(u, VTD_GCMD, 4, sticky & ~bits);
	await_status(u, bits, 0);
}

void vtd_root(struct vtd_unit *u, u64 rtaddr)
{
	vtd_put(u, VTD_RTADDR, 8, rtaddr);
	vtd_cmd_set(u, (u32)GCMD_SRTP);
}

void vtd_set_up(struct vtd_unit *u)
{
	u->root = vtd_page();
	u->queue = vtd_page();
	u->tail = 0;
	vtd_put(u, VTD_IQT, 8, 0);
	vtd_put(u, VTD_IQA, 8, (u64)u->queue | IQA_DW);
	vtd_cmd_set(u, (u32)GCMD_QIE);
	vtd_root(u, (u64)u->root | FIELD_PREP(RTADDR_TTM, TTM_SCALABLE));
}

/* --- structures --- */

static volatile u64 *context(struct vtd_unit *u, u16 rid)
{
	u64 *half = &u->root[2 * (rid >> 8) + (rid >> 7 & 1)];

	if (!(*half & ENTRY_P))
		*half = (u64)vtd_page() | ENTRY_P;
	return (u64 *)(*half & ENTRY_PTR) + 4 * (rid & 0x7f);
}

volatile u64 *vtd_entry(struct vtd_unit *u, u16 rid, u32 pasid)
{
	volatile u64 *ctx = context(u, rid);
	u64 *dir;

	CHECK(pasid < 1 << 17, "PASID %x is beyond the directory", (u64)pasid);
	if (!(ctx[0] & ENTRY_P)) {
		ctx[1] = ctx[2] = ctx[3] = 0;
		ctx[0] = (u64)pages(DIR_PAGES) | CTX_PDTS_128K | CTX_PASIDE | ENTRY_P;
		vtd_queue(u, QI_CC | FIELD_PREP(QI_G, 3) | FIELD_PREP(QI_CC_SID, rid), 0);
	}
	dir = (u64 *)(ctx[0] & ENTRY_PTR) + (pasid >> 6);
	if (!(*dir & ENTRY_P))
		*dir = (u64)vtd_page() | ENTRY_P;
	return (u64 *)(*dir & ENTRY_PTR) + 8 * (pasid & 63);
}

static void tell(struct vtd_unit *u, u32 pasid, u16 did)
{
	vtd_queue(u, QI_PC | FIELD_PREP(QI_G, 1) | FIELD_PREP(QI_DID, did) | FIELD_PREP(QI_PASID, pasid), 0);
	vtd_inv_all(u, did, pasid);
	vtd_wait(u);
}

void vtd_set_none(struct vtd_unit *u, u16 rid, u32 pasid)
{
	volatile u64 *e = vtd_entry(u, rid, pasid);
	u16 did = (u16)e[1];

	e[0] &= ~ENTRY_P;
	tell(u, pasid, did);
	for (unsigned i = 0; i < 8; i++)
		e[i] = 0;
}

static void set(struct vtd_unit *u, u16 rid, u32 pasid, u16 did, u64 q0, u64 q2)
{
	volatile u64 *e = vtd_entry(u, rid, pasid);

	if (e[0] & ENTRY_P)
		vtd_set_none(u, rid, pasid);
	e[1] = did;
	e[2] = q2;
	e[0] = q0 | ENTRY_P;
	tell(u, pasid, did);
}

void vtd_set_table(struct vtd_unit *u, u16 rid, u32 pasid, u16 did, const u64 *top)
{
	set(u, rid, pasid, did, FIELD_PREP(PE_PGTT, PGTT_FIRST), (u64)top);
}

void vtd_set_pass(struct vtd_unit *u, u16 rid, u32 pasid, u16 did)
{
	set(u, rid, pasid, did, FIELD_PREP(PE_PGTT, PGTT_PASS), 0);
}

/* --- first stage --- */

volatile u64 *vtd_leaf(u64 *top, u64 iova, unsigned level)
{
	u64 *t = top;

	for (unsigned l = 4; l > level; l--) {
		u64 *e = &t[iova >> (12 + 9 * (l - 1)) & 511];

		if (!(*e & FS_P))
			*e = (u64)vtd_page() | FS_P | FS_RW | FS_US | FS_A;
		t = (u64 *)(*e & ENTRY_PTR);
	}
	return &t[iova >> (12 + 9 * (level - 1)) & 511];
}

void vtd_map_page(u64 *top, u64 iova, u64 gpa, unsigned level, bool write)
{
	*vtd_leaf(top, iova, level) = gpa | FS_P | FS_US | FS_A | (write ? FS_RW | FS_D : 0) | (level > 1 ? FS_PS : 0);
}

void vtd_map(u64 *top, u64 iova, u64 gpa, u64 len, bool write)
{
	for (u64 off = 0; off < len; off += PAGE)
		vtd_map_page(top, iova + off, gpa + off, 1, write);
}

void vtd_unmap(u64 *top, u64 iova, u64 len)
{
	for (u64 off = 0; off < len; off += PAGE)
		*vtd_leaf(top, iova + off, 1) = 0;
}

/* --- invalidation queue --- */

void vtd_queue(struct vtd_unit *u, u64 q0, u64 q1)
{
	unsigned head = (unsigned)vtd_get(u, VTD_IQH, 8) / 32, next = (u->tail + 1) % VTD_QUEUE_LEN;
	volatile u64 *d = u->queue + 4 * (size_t)u->tail;

	CHECK(next != head, "the invalidation queue is full");
	d[0] = q0;
	d[1] = q1;
	d[2] = d[3] = 0;
	u->tail = next;
}

void vtd_ring(struct vtd_unit *u)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vtd_put(u, VTD_IQT, 4, 32 * u->tail);
}

void vtd_inv_pages(struct vtd_unit *u, u16 did, u32 pasid, u64 iova, unsigned am)
{
	vtd_queue(u, QI_PIOTLB | FIELD_PREP(QI_G, 3) | FIELD_PREP(QI_DID, did) | FIELD_PREP(QI_PASID, pasid), (iova & QI_ADDR) | am);
}

void vtd_inv_all(struct vtd_unit *u, u16 did, u32 pasid)
{
	vtd_queue(u, QI_PIOTLB | FIELD_PREP(QI_G, 2) | FIELD_PREP(QI_DID, did) | FIELD_PREP(QI_PASID, pasid), 0);
}

void vtd_wait_post(struct vtd_unit *u)
{
	u->waits++;
	vtd_queue(u, QI_WAIT | QI_WAIT_SW | FIELD_PREP(QI_WAIT_DATA, u->waits), (u64)&u->status);
	vtd_ring(u);
}

bool vtd_wait_over(const struct vtd_unit *u)
{
	return u->status == u->waits;
}

void vtd_wait(struct vtd_unit *u)
{
	u64 start = cpu_ticks();

	vtd_wait_post(u);
	while (!vtd_wait_over(u)) {
		CHECK(cpu_ticks() - start < PATIENCE, "the invalidation wait does not end: FSTS %x", vtd_get(u, VTD_FSTS, 4));
		cpu_relax();
	}
}

/* --- faults --- */

bool vtd_fault(struct vtd_unit *u, struct vtd_fault *f)
{
	u64 fsts = vtd_get(u, VTD_FSTS, 4), at = u->base + VTD_FRCD, hi;
	unsigned n = (unsigned)FIELD_GET(CAP_NFR, u->cap) + 1;

	if (!(fsts & FSTS_PPF))
		return false;
	/* FRI names the first record since none was pending; the ones after it follow in turn. */
	for (unsigned i = 0; i < n; i++) {
		at = u->base + VTD_FRCD + 16 * ((FIELD_GET(FSTS_FRI, fsts) + i) % n);
		hi = mmio_read(at + 8, 8);
		if (!(hi & FRCD_HI_F))
			continue;
		*f = (struct vtd_fault){
			.iova = mmio_read(at, 8),
			.rid = (u16)FIELD_GET(FRCD_HI_SID, hi),
			.reason = (u8)FIELD_GET(FRCD_HI_REASON, hi),
			.pasid = (u32)FIELD_GET(FRCD_HI_PASID, hi),
			.has_pasid = hi & FRCD_HI_PP,
			.write = !(hi & FRCD_HI_T1),
		};
		mmio_write(at + 12, 4, FRCD_HI_F >> 32);
		return true;
	}
	fail("FSTS.PPF without a record");
}

/* --- the test device --- */

void tdev_find(struct tdev *t, unsigned n)
{
	u16 bdf = pci_next(0);

	for (; bdf != 0xffff; bdf = pci_next(bdf + 1)) {
		if (pci_read(bdf, 0, 4) == ((u32)TESTDEV_DEVICE << 16 | TESTDEV_VENDOR) && n-- == 0)
			break;
	}
	CHECK(bdf != 0xffff, "no test device");
	pci_write(bdf, 4, 2, 6); /* memory, bus master */
	*t = (struct tdev){ bdf, pci_bar(bdf, 0) };
	CHECK(mmio_read(t->bar + TESTDEV_REG_ID, 4) == TESTDEV_ID, "the test device does not answer");
}

u32 tdev_do(const struct tdev *t, u32 cmd, u32 pasid, u64 iova, u32 len)
{
	mmio_write(t->bar + TESTDEV_REG_IOVA, 8, iova);
	mmio_write(t->bar + TESTDEV_REG_PASID, 4, pasid == DMA_NO_PASID ? 0 : pasid | TESTDEV_PASID_VALID);
	mmio_write(t->bar + TESTDEV_REG_LEN, 4, len);
	mmio_write(t->bar + TESTDEV_REG_CMD, 4, cmd);
	return (u32)mmio_read(t->bar + TESTDEV_REG_STATUS, 4);
}

u32 tdev_load(const struct tdev *t, u32 pasid, u64 iova, u64 *val)
{
	u32 status;

	mmio_write(t->bar + TESTDEV_BUFFER, 8, 0);
	status = tdev_do(t, TESTDEV_CMD_READ, pasid, iova, 8);
	*val = mmio_read(t->bar + TESTDEV_BUFFER, 8);
	return status;
}

u32 tdev_store(const struct tdev *t, u32 pasid, u64 iova, u64 val)
{
	mmio_write(t->bar + TESTDEV_BUFFER, 8, val);
	return tdev_do(t, TESTDEV_CMD_WRITE, pasid, iova, 8);
}
