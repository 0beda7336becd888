/* SPDX-License-Identifier: Apache-2.0 */
// rig: tests/system/vfio_edu.sh
/*
 * DMA by real hardware (as far as it knows: QEMU's edu, assigned) through the unit that this guest programs itself. What is mapped is reached;
 * nothing else is: outside the mapping, after an invalidated unmap, beyond RAM, registers, and in every state that blocks. Numbers in
 * messages are those of the malformed inputs (tests/malformed.txt).
 */
#include "guests/lib/edu.h"
#include "guests/lib/vtd.h"

#define DID 7
#define LEN 64
#define IOVA 0x123456000ULL
#define IOVA_SRC (IOVA + 0x100000)
#define IOVA_RES (IOVA + 0x101000)
#define IOVA_RO (IOVA + 0x102000)
#define IOVA_OUT (IOVA + 0x200000)
#define BLOCKED_TE ((u32)GCMD_TE)

/* Where the pattern comes from, where the buffer is read back, what DMA is aimed at, and what no DMA may reach. */
enum { SRC, RES, A, B, RO, PAGES };
static volatile u64 page[PAGES][512] __attribute__((aligned(PAGE)));
static u64 foreign[2][512] __attribute__((aligned(PAGE))); /* a root and a context table for other uses */
static struct vtd_unit u;
static struct edu dev;
static u64 *top, *top_b;
static u64 pattern = 0x1111;

#define SECRET 0x5ec2e700ULL
#define CANARY 0xca4a2700ULL

static u64 gpa(unsigned i)
{
	return (u64)page[i];
}

static void fill_canaries(void)
{
	for (unsigned i = A; i < PAGES; i++) {
		for (unsigned k = 0; k < 512; k++)
			page[i][k] = CANARY + i;
	}
}

static void check_canaries(const char *what)
{
	for (unsigned i = A; i < PAGES; i++) {
		for (unsigned k = 0; k < 512; k++)
			CHECK(page[i][k] == CANARY + i, "%s: page %u was written: %x", what, i, page[i][k]);
	}
}

/* A pattern of its own into the device's buffer. src: where page[SRC] is for the device now. */
static void prepare(u64 src)
{
	pattern++;
	for (unsigned k = 0; k < LEN / 8; k++)
		page[SRC][k] = pattern;
	edu_load(&dev, src, LEN);
}

/* The device's buffer, brought to page[RES] at res. */
static u64 buffer(u64 res)
{
	page[RES][0] = 0;
	edu_store(&dev, res, LEN);
	return page[RES][0];
}

/* Both ways through what is mapped: src, at, res are the device's addresses of page[SRC], page[to], page[RES]. */
static void reaches(const char *what, u64 src, u64 at, unsigned to, u64 res)
{
	prepare(src);
	fill_canaries();
	edu_store(&dev, at, LEN);
	CHECK(page[to][0] == pattern && page[to][LEN / 8 - 1] == pattern, "%s: a write does not arrive: %x", what, page[to][0]);
	for (unsigned k = 0; k < LEN / 8; k++)
		page[to][k] = CANARY + to;
	check_canaries(what);
	page[to][0] = SECRET + to;
	edu_load(&dev, at, LEN);
	CHECK(buffer(res) == SECRET + to, "%s: a read brings %x", what, page[RES][0]);
	say("%s: reached\n", what);
}

static void table_reaches(const char *what)
{
	reaches(what, IOVA_SRC, IOVA, A, IOVA_RES);
}

/* One address while everything else of the table works: nothing is written, nothing read. */
static void misses(const char *what, u64 at)
{
	prepare(IOVA_SRC);
	fill_canaries();
	edu_store(&dev, at, LEN);
	check_canaries(what);
	page[A][0] = SECRET;
	edu_load(&dev, at, LEN);
	page[A][0] = CANARY + A;
	CHECK(buffer(IOVA_RES) != SECRET, "%s: it was read", what);
	check_canaries(what);
	say("%s: out of reach\n", what);
}

/* --- states of the unit in which nothing passes --- */

static volatile u64 *entry(void)
{
	return vtd_entry(&u, dev.bdf, 0);
}

static volatile u64 *context(void)
{
	return (u64 *)(u.root[2 * (dev.bdf >> 8)] & ENTRY_PTR) + 4 * (dev.bdf & 0x7f);
}

static void entry_changed(void)
{
	vtd_queue(&u, QI_PC | FIELD_PREP(QI_G, 3), 0);
	vtd_inv_all(&u, DID, 0);
	vtd_wait(&u);
}

static void context_changed(void)
{
	vtd_queue(&u, QI_CC | FIELD_PREP(QI_G, 1), 0);
	vtd_wait(&u);
}

static void good_table(void)
{
	vtd_set_table(&u, dev.bdf, 0, DID, top);
}

/* What the guest's words say here must be what it finds in a record: reason 0 means that there is none. */
static void nothing_passes(const char *what, u8 reason)
{
	struct vtd_fault f;
	bool told = vtd_fault(&u, &f);

	CHECK(told == (reason != 0), "%s: %s", what, told ? "a record" : "no record");
	CHECK(!told || (f.reason == reason && f.rid == dev.bdf), "%s: reason %x of %x", what, (u64)f.reason, (u64)f.rid);
	fill_canaries();
	edu_store(&dev, IOVA, LEN);
	edu_store(&dev, gpa(A), LEN);
	page[B][0] = SECRET;
	edu_load(&dev, gpa(B), LEN);
	page[B][0] = CANARY + B;
	check_canaries(what);
}

/* After the state is a good one again. */
static void passes_again(const char *what)
{
	CHECK(buffer(IOVA_RES) != SECRET, "%s: memory was read", what);
	say("%s: blocked\n", what);
}

/* Words 0 and 2 of a PASID entry that must block, and the reason that is recorded. */
static void bad_entry(const char *what, u64 q0, u64 q1, u64 q2, u8 reason)
{
	volatile u64 *e = entry();

	prepare(IOVA_SRC);
	e[0] &= ~ENTRY_P;
	e[1] = DID | q1;
	e[2] = q2;
	e[0] = q0;
	entry_changed();
	nothing_passes(what, reason);
	for (unsigned i = 0; i < 8; i++)
		e[i] = 0;
	good_table();
	passes_again(what);
}

static void bad_entries(void)
{
	static const struct { const char *what; u64 q0, q1, q2; u8 reason; } rows[] = {
		{ "absent entry", 0, 0, 0, 0 },
		{ "11: PGTT 0", 0 << 6 | 1, 0, 0, FR_PE_INVALID },
		{ "11: PGTT 2, second stage", 2 << 6 | 1, 0, 0, FR_PE_INVALID },
		{ "11: PGTT 3, nested", 3 << 6 | 1, 0, 0, FR_PE_INVALID },
		{ "11: PGTT 7", 7 << 6 | 1, 0, 0, FR_PE_INVALID },
		{ "12: five levels", 1 << 6 | 1, 0, 1 << 2, FR_PE_INVALID },
		{ "12: FSPM 3", 1 << 6 | 1, 0, 3 << 2, FR_PE_INVALID },
		{ "13: table beyond the width", 1 << 6 | 1, 0, 1ULL << 51, FR_PE_RSVD },
		{ "14: ERE", 1 << 6 | 1, 0, 1 << 1, FR_PE_RSVD },
		{ "14: EAFE", 1 << 6 | 1, 0, 1 << 7, FR_PE_RSVD },
		{ "14: SSADE", 1 << 9 | 1 << 6 | 1, 0, 0, FR_PE_RSVD },
		{ "14: CD", 1 << 6 | 1, 1 << 25, 0, FR_PE_RSVD },
		{ "14: pass-through with SSADE", 1 << 9 | 4 << 6 | 1, 0, 0, FR_PE_RSVD },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		bad_entry(rows[i].what, rows[i].q0, rows[i].q1, (rows[i].q0 >> 6 & 7) == 1 ? rows[i].q2 | (u64)top : rows[i].q2, rows[i].reason);
}

/* Set-up and root structures; each is undone before the next. */
static void bad_root(const char *what, u64 rtaddr, u8 reason)
{
	prepare(IOVA_SRC);
	vtd_root(&u, rtaddr);
	nothing_passes(what, reason);
	vtd_root(&u, (u64)u.root | FIELD_PREP(RTADDR_TTM, TTM_SCALABLE));
	passes_again(what);
}

static void bad_structures(u64 ram_end)
{
	volatile u64 *half = &u.root[2 * (dev.bdf >> 8)], *ctx = context();
	u64 root = *half, dir = ctx[0];

	/* What a unit with legacy mode would take for pass-through. */
	foreign[0][2 * (dev.bdf >> 8)] = (u64)foreign[1] | ENTRY_P;
	foreign[1][2 * (dev.bdf & 0xff)] = 2 << 2 | ENTRY_P;
	foreign[1][2 * (dev.bdf & 0xff) + 1] = DID << 8 | 2;
	bad_root("3: legacy root", (u64)foreign[0], FR_LEGACY_INVALID);
	bad_root("2: TTM 2", (u64)u.root | FIELD_PREP(RTADDR_TTM, 2), FR_TTM);
	bad_root("2: TTM 3", (u64)u.root | FIELD_PREP(RTADDR_TTM, 3), FR_TTM);
	bad_root("4: root beyond RAM", ram_end | FIELD_PREP(RTADDR_TTM, TTM_SCALABLE), FR_ROOT_ACCESS);
	bad_root("4: root in the unit's registers", u.base | FIELD_PREP(RTADDR_TTM, TTM_SCALABLE), FR_ROOT_ACCESS);

	prepare(IOVA_SRC);
	*half = root | BIT(5);
	context_changed();
	nothing_passes("5: root entry, reserved bits", FR_ROOT_RSVD);
	*half = root;
	context_changed();
	passes_again("5: root entry, reserved bits");

	prepare(IOVA_SRC);
	ctx[0] = dir | BIT(6);
	context_changed();
	nothing_passes("6: context entry, reserved bits", FR_CTX_RSVD);
	ctx[0] = dir;
	ctx[2] = 1;
	context_changed();
	nothing_passes("6: context entry, third word", 0); /* blocked for the same reason already */
	ctx[2] = 0;
	context_changed();
	passes_again("6: context entry, reserved bits");

	prepare(IOVA_SRC);
	ctx[0] = (dir & ~ENTRY_PTR) | ram_end;
	context_changed();
	nothing_passes("7: directory beyond RAM", FR_DIR_ACCESS);
	ctx[0] = dir;
	context_changed();
	passes_again("7: directory beyond RAM");
}

/* --- invalidation --- */

/* Maps and uses IOVA (so that it is cached), unmaps it, sends the descriptor; afterwards it must not be reached. */
static void unmap_by(const char *what, u64 q0, u64 q1)
{
	vtd_map(top, IOVA, gpa(A), PAGE, true);
	table_reaches(what);
	vtd_unmap(top, IOVA, PAGE);
	vtd_queue(&u, q0, q1);
	vtd_wait(&u);
	misses(what, IOVA);
}

static void unmaps(void)
{
	static const struct { const char *what; unsigned am; } masks[] = {
		{ "28: AM 0", 0 }, { "28: AM 9", 9 }, { "28: AM 51", 51 }, { "28: AM 52", 52 }, { "28: AM 63", 63 },
	};
	const u64 piotlb = QI_PIOTLB | FIELD_PREP(QI_DID, DID);

	unmap_by("unmap, one page", piotlb | FIELD_PREP(QI_G, 3), IOVA);
	unmap_by("unmap, all of the PASID", piotlb | FIELD_PREP(QI_G, 2), 0);
	unmap_by("unmap, the domain", QI_IOTLB | FIELD_PREP(QI_G, 2) | FIELD_PREP(QI_DID, DID), 0);
	unmap_by("unmap, everything", QI_IOTLB | FIELD_PREP(QI_G, 1), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++)
		unmap_by(masks[i].what, piotlb | FIELD_PREP(QI_G, 3), (IOVA & QI_ADDR) | masks[i].am);
	/* The address of the highest page and a mask that goes beyond 2^64. */
	unmap_by("28: range that wraps", piotlb | FIELD_PREP(QI_G, 3), (~0ULL & QI_ADDR) | 60);
	vtd_map(top, IOVA, gpa(A), PAGE, true);
}

/* Names that nothing has, then descriptors that do not exist: the former complete, the latter stop the queue; the mapping stays as it is. */
static void bad_descriptors(void)
{
	static const struct { const char *what; u64 q0; } rows[] = {
		{ "27: PIOTLB granularity 0", QI_PIOTLB }, { "27: PIOTLB granularity 1", QI_PIOTLB | 1 << 4 },
		{ "27: PC granularity 2", QI_PC | 2 << 4 },  { "27: CC granularity 0", QI_CC }, { "27: IOTLB granularity 0", QI_IOTLB },
	};

	vtd_inv_all(&u, DID + 100, 0);
	vtd_inv_pages(&u, DID, 99, IOVA, 0);
	vtd_queue(&u, QI_PC | FIELD_PREP(QI_G, 1) | FIELD_PREP(QI_DID, 5) | FIELD_PREP(QI_PASID, 0xfffff), 0);
	vtd_queue(&u, QI_CC | FIELD_PREP(QI_G, 3) | FIELD_PREP(QI_CC_SID, 0xffff), 0);
	vtd_wait(&u);
	table_reaches("29: unknown names");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned at = u.tail;
		u64 start = cpu_ticks();

		vtd_queue(&u, rows[i].q0, 0);
		vtd_wait_post(&u);
		while (!(vtd_get(&u, VTD_FSTS, 4) & FSTS_IQE))
			CHECK(cpu_ticks() - start < PATIENCE, "%s: it is taken", rows[i].what);
		CHECK(FIELD_GET(IQER_IQEI, vtd_get(&u, VTD_IQER, 8)) == IQEI_RSVD, "%s: error %x", rows[i].what, vtd_get(&u, VTD_IQER, 8));
		CHECK(vtd_get(&u, VTD_IQH, 8) == 32 * at && !vtd_wait_over(&u), "%s: the head moved on", rows[i].what);
		u.queue[4 * at] = QI_IOTLB | FIELD_PREP(QI_G, 1);
		vtd_put(&u, VTD_FSTS, 4, FSTS_IQE);
		while (!vtd_wait_over(&u))
			CHECK(cpu_ticks() - start < PATIENCE, "%s: the queue does not go on", rows[i].what);
	}
	table_reaches("27: after stopped queues");
}

/* --- what is no RAM --- */

/* Maps IOVA_OUT onto something that is no RAM, writes there, and reads back: what was written is not there. */
static void no_ram(const char *what, u64 to)
{
	vtd_map(top, IOVA_OUT, to, PAGE, true);
	prepare(IOVA_SRC);
	fill_canaries();
	edu_store(&dev, IOVA_OUT, LEN);
	check_canaries(what);
	for (unsigned k = 0; k < LEN / 8; k++)
		page[SRC][k] = 0;
	edu_load(&dev, IOVA_SRC, LEN);
	edu_load(&dev, IOVA_OUT, LEN);
	CHECK(buffer(IOVA_RES) != pattern, "%s: what was written is read again", what);
	vtd_unmap(top, IOVA_OUT, PAGE);
	vtd_inv_pages(&u, DID, 0, IOVA_OUT, 0);
	vtd_wait(&u);
	say("%s: out of reach\n", what);
}

static void places_that_are_no_ram(u64 ram_end)
{
	u64 cap = vtd_get(&u, VTD_CAP, 8), rtaddr = vtd_get(&u, VTD_RTADDR, 8);
	u32 scratch = 0x13572468, ids = pci_read(dev.bdf, 0, 4), command = pci_read(dev.bdf, 4, 2), ioapic;

	edu_set_scratch(&dev, scratch);
	mmio_write(X86_IOAPIC_BASE, 4, 0x10);
	ioapic = (u32)mmio_read(X86_IOAPIC_BASE + 0x10, 4);
	no_ram("beyond RAM", ram_end);
	no_ram("far beyond RAM", 1ULL << 35);
	no_ram("where a PC has its ROM", 0xfffe0000);
	no_ram("KVM's own pages", X86_TSS_ADDR);
	no_ram("configuration space", pci_addr(dev.bdf, 0));
	no_ram("its own registers", dev.bar);
	no_ram("the unit's registers", u.base);
	no_ram("the IOAPIC", X86_IOAPIC_BASE);
	CHECK(edu_scratch(&dev) == scratch, "its own registers were written");
	CHECK(pci_read(dev.bdf, 0, 4) == ids && pci_read(dev.bdf, 4, 2) == command, "configuration space was written");
	CHECK(vtd_get(&u, VTD_CAP, 8) == cap && vtd_get(&u, VTD_RTADDR, 8) == rtaddr, "the unit's registers were written");
	CHECK((u32)mmio_read(X86_IOAPIC_BASE + 0x10, 4) == ioapic, "the IOAPIC was written");
}

static u64 end_of_ram(void)
{
	struct ram_range r;
	u64 end = 0;

	for (unsigned i = 0; boot_map(i, &r); i++) {
		if (r.type == 1)
			end = MAX(end, r.gpa + r.len);
	}
	return end;
}

static void without_translation(void)
{
	reaches("translation off", gpa(SRC), gpa(A), A, gpa(RES));
	/* 1: on, without a root table. */
	prepare(gpa(SRC));
	vtd_cmd_set(&u, BLOCKED_TE);
	nothing_passes("1: no root table", FR_ROOT_ACCESS);
	vtd_cmd_clear(&u, BLOCKED_TE);
	CHECK(buffer(gpa(RES)) != SECRET, "1: memory was read");
	say("1: no root table: blocked\n");
}

static void switches(void)
{
	vtd_set_table(&u, dev.bdf, 0, DID + 1, top_b);
	reaches("another table, another domain", IOVA_SRC, IOVA, B, IOVA_RES);
	vtd_set_table(&u, dev.bdf, 0, DID, top);
	table_reaches("the first table again");
	/* In place and announced with the old domain. */
	entry()[2] = (u64)top_b;
	entry_changed();
	reaches("table changed in place", IOVA_SRC, IOVA, B, IOVA_RES);
	vtd_set_pass(&u, dev.bdf, 0, DID + 2);
	reaches("pass-through", gpa(SRC), gpa(A), A, gpa(RES));
	vtd_cmd_clear(&u, BLOCKED_TE);
	reaches("translation off again", gpa(SRC), gpa(B), B, gpa(RES));
	vtd_set_table(&u, dev.bdf, 0, DID, top);
	vtd_cmd_set(&u, BLOCKED_TE);
	table_reaches("and on");
}

void guest_main(void)
{
	u64 ram_end = end_of_ram();
	u64 *tables[2];

	top = tables[0] = vtd_page();
	top_b = tables[1] = vtd_page();
	edu_find(&dev);
	edu_master(&dev, true);
	CHECK(vtd_find(&u, dev.port), "no unit for the port above edu");
	without_translation();
	for (unsigned i = 0; i < 2; i++) {
		vtd_map(tables[i], IOVA, gpa(i ? B : A), PAGE, true);
		vtd_map(tables[i], IOVA_SRC, gpa(SRC), PAGE, true);
		vtd_map(tables[i], IOVA_RES, gpa(RES), PAGE, true);
		vtd_map(tables[i], IOVA_RO, gpa(RO), PAGE, false);
	}
	vtd_set_up(&u);
	good_table();
	vtd_cmd_set(&u, BLOCKED_TE);
	table_reaches("mapped");
	misses("outside the mapping", IOVA + PAGE);
	misses("a guest address that is not mapped", gpa(A));
	misses("not canonical", BIT(52) | IOVA);
	/* Read-only: reading is allowed, so only the write is tried. */
	prepare(IOVA_SRC);
	fill_canaries();
	edu_store(&dev, IOVA_RO, LEN);
	check_canaries("read-only page");
	/* Half of it mapped: the other half's neighbours stay whole. */
	edu_store(&dev, IOVA_RO + PAGE - LEN / 2, LEN);
	check_canaries("end of a read-only page");
	unmaps();
	switches();
	places_that_are_no_ram(ram_end);
	bad_entries();
	bad_structures(ram_end);
	bad_descriptors();
	vtd_set_none(&u, dev.bdf, 0);
}
