/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close nanosleep
/*
 * The AMD unit on the nested backend, in front of one assigned function of a host kernel that can nest AMD's tables (no released one can):
 * what reaches it, in which order, and what happens when it refuses.
 */
#include "tests/unit/unit.h"

#include "devices/viommu/amdvi_regs.h"
#include "tests/unit/vfio_units.h"

#define DEVTAB 0x10000
#define DTE (DEVTAB + 32 * 0x100) /* 01:00.0: below the root port */
#define RING 0x40000
#define STATUS 0x50000
#define GCR3_A 0x60000ULL
#define GCR3_B 0x69000ULL
#define DID 5
#define UP (CTL_IOMMU_EN | CTL_CMD_BUF_EN | CTL_GT_EN)

static u32 tail;
static u64 seq;

static int start_as(enum viommu_kind kind, enum tristate viommu)
{
	vfio_rig_init(&r);
	fake.amd = true;
	r.c.viommu = kind;
	r.c.vfios[0].viommu = viommu;
	tail = 0;
	seq = 0;
	return units_start();
}

static void put(u64 q0, u64 q1)
{
	poke(RING + tail, q0);
	poke(RING + tail + 8, q1);
	tail = (tail + 16) % 0x1000;
}

/* What was put, and a wait. */
static void ring(void)
{
	put(FIELD_PREP(CMD_OP, CMD_COMPLETION_WAIT) | CMD_WAIT_S | STATUS, ++seq);
	wr(AMDVI_CMDTAIL, 4, tail);
}

static bool waited(void)
{
	u64 v = 0;

	assert_int_equal(mem_load(r.mem, STATUS, 8, &v), 0);
	return v == seq;
}

static void entry(u64 q0, u64 q1)
{
	poke(DTE + 8, q1);
	poke(DTE, q0);
	put(FIELD_PREP(CMD_OP, CMD_INV_DEVTAB) | 0x100, 0);
	ring();
}

static void to_table(gpa_t gcr3, u16 did)
{
	entry(DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW | FIELD_PREP(DTE_GCR3_14_12, gcr3 >> 12),
	      did | FIELD_PREP(DTE1_GCR3_30_15, gcr3 >> 15));
}

static void to_a(void)
{
	to_table(GCR3_A, DID);
}

static void to_b(void)
{
	to_table(GCR3_B, DID);
}

static void to_identity(void)
{
	entry(DTE_V | DTE_TV | DTE_IR | DTE_IW, DID);
}

static void to_nothing(void)
{
	entry(DTE_V, 0);
}

static void to_v1(void)
{
	entry(DTE_V | DTE_TV | DTE_IR | DTE_IW | FIELD_PREP(DTE_MODE, 3) | GCR3_A, DID);
}

static void flush(void)
{
	put(FIELD_PREP(CMD_OP, CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, DID), GENMASK(62, 12) | CMD1_S | CMD1_PDE | CMD1_GN);
	ring();
}

static void unit_on(void)
{
	wr(AMDVI_DEVTAB, 8, DEVTAB | 2);
	wr(AMDVI_CMDBASE, 8, RING | 8ULL << 56);
	wr(AMDVI_CMDHEAD, 4, 0);
	wr(AMDVI_CMDTAIL, 4, 0);
	tail = 0;
	wr(AMDVI_CONTROL, 8, UP);
	to_a();
}

static void unit_off(void)
{
	wr(AMDVI_CONTROL, 8, 0);
}

static void reset_machine(void)
{
	pci_host_reset(r.pci.host);
	units_reset(&u);
}

/* How the host is to be taken from one state to the next: never from a nested table to anything without a detachment, never to one but from the parent. */
static const struct {
	void (*step)(void);
	u64 root; /* in force afterwards, as in_force() says */
	const char *seq;
	unsigned flushed;
} steps[] = {
	{ unit_on, GCR3_A, "PN", 0 }, { to_b, GCR3_B, "DPN", 0 }, { flush, GCR3_B, "", 1 }, { to_identity, PARENT, "DP", 0 }, { to_b, GCR3_B, "PN", 0 },
	{ to_v1, 0, "D", 0 }, { to_nothing, 0, "", 0 }, { to_a, GCR3_A, "PN", 0 }, { unit_off, PARENT, "DP", 0 }, { unit_on, GCR3_A, "PN", 0 },
	{ reset_machine, PARENT, "DP", 1 },
};

static void clear_seq(void)
{
	fake.n_seq = 0;
	memset(fake.seq, 0, sizeof(fake.seq));
}

static void test_nested_amd_host_follows_the_guest_by_detours(void **state)
{
	assert_int_equal(start_as(VIOMMU_AMDVI, UNSET), 0);
	assert_int_equal(u.kind, VIOMMU_AMDVI);
	assert_int_equal(in_force(), PARENT);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned entries = fake.n_inv_done;

		clear_seq();
		steps[i].step();
		assert_int_equal(in_force(), steps[i].root);
		/* unit_on first has every device looked at, with what was in the table before. */
		if (steps[i].step != unit_on)
			assert_string_equal(fake.seq, steps[i].seq);
		assert_null(strstr(fake.seq, "NP"));
		assert_null(strstr(fake.seq, "NN"));
		assert_true(fake.n_inv_done >= entries + steps[i].flushed);
	}
	assert_int_equal(vm_stopped, 0);
	units_end();
}

static void test_nested_amd_host_gets_allowed_fields_and_the_guests_id(void **state)
{
	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	unit_on();
	assert_int_equal(fake.virt_id, 0x100);
	assert_int_not_equal(fake.viommu_type, 0);
	/* IOTLB enable, exclusion, SysMgt, interrupt bits: the guest's own. */
	poke(DTE + 16, GENMASK(51, 6) | BIT(0) | GENMASK(58, 56));
	entry(DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW | FIELD_PREP(DTE_GCR3_14_12, GCR3_B >> 12) | GENMASK(8, 7),
	      DID | FIELD_PREP(DTE1_GCR3_30_15, GCR3_B >> 15) | GENMASK(34, 32) | GENMASK(42, 37));
	assert_int_equal(in_force(), GCR3_B);
	assert_int_equal(fake.dte.dte[0], DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW | FIELD_PREP(DTE_GCR3_14_12, GCR3_B >> 12));
	assert_int_equal(fake.dte.dte[1], DID | FIELD_PREP(DTE1_GCR3_30_15, GCR3_B >> 15));
	assert_int_equal(fake.dte.dte[2] | fake.dte.dte[3], 0);
	poke(DTE + 16, 0);
	units_end();
}

static void test_nested_amd_invalidations_are_rebuilt_and_go_together(void **state)
{
	const u64 pages = FIELD_PREP(CMD_OP, CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, DID);
	unsigned calls;

	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	unit_on();
	fake.n_inv = 0;
	calls = fake.n_inv_calls;
	put(pages, 0x5000 | CMD1_GN);
	put(pages, 0x10000 | 0x3000 | CMD1_S | CMD1_GN | CMD1_PDE);
	put(pages, GENMASK(62, 12) | CMD1_S | CMD1_PDE);
	put(FIELD_PREP(CMD_OP, CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, DID + 1), 0x5000 | CMD1_GN); /* nobody's */
	ring();
	assert_true(waited());
	assert_int_equal(fake.n_inv_calls, calls + 1);
	assert_int_equal(fake.n_inv, 3);
	assert_int_equal(fake.amd_inv[0].qw[0], pages);
	assert_int_equal(fake.amd_inv[0].qw[1], 0x5000 | CMD1_GN | CMD1_PDE);
	assert_int_equal(fake.amd_inv[1].qw[1], 0x10000 | 0x3000 | CMD1_S | CMD1_GN | CMD1_PDE);
	assert_int_equal(fake.amd_inv[2].qw[1], GENMASK(62, 12) | CMD1_S | CMD1_PDE);
	units_end();
}

static void test_nested_amd_failed_invalidation_blocks(void **state)
{
	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	unit_on();
	fake.invalidate_errno = EIO;
	flush();
	assert_true(waited());
	assert_int_equal(in_force(), 0);
	fake.invalidate_errno = 0;
	units_end();
}

/* Calls number n to n + len - 1 fail. */
static unsigned run_with_failures(unsigned n, unsigned len)
{
	unsigned start;

	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	start = fake.calls;
	fake.fail_at = start + n;
	fake.fail_len = len;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		steps[i].step();
		if (in_force() && in_force() != steps[i].root)
			assert_true(vm_stopped);
	}
	start = fake.calls - start;
	units_end();
	return start;
}

static void test_nested_amd_any_call_failing_blocks(void **state)
{
	static const unsigned len[] = { 1, 2, 100000 };

	for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
		unsigned last = 0, n;

		for (n = 1; n <= 400 && (n == 1 || last >= n - 1); n++)
			last = run_with_failures(n, len[i]);
		assert_in_range(n, 30, 399);
	}
}

static void test_nested_amd_flips_and_domains_leave_nothing_behind(void **state)
{
	unsigned live;

	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	unit_on();
	live = fake.n_live;
	for (unsigned i = 0; i < 3000; i++) {
		to_table(i & 1 ? GCR3_A : GCR3_B, (u16)(i * 23));
		assert_true(waited());
		assert_int_equal(fake.n_live, live);
	}
	units_end();
}

static void test_nested_amd_renumbered_bus_gets_a_new_place(void **state)
{
	assert_int_equal(start_as(VIOMMU_AMDVI, ON), 0);
	unit_on();
	rig_wr(&r.pci, PCI_BDF(0, PCI_DEV_ROOT_PORT, 0), PCI_SECONDARY_BUS, 2, 0x0202);
	poke(DEVTAB + 32 * 0x200 + 8, DID | FIELD_PREP(DTE1_GCR3_30_15, GCR3_B >> 15));
	poke(DEVTAB + 32 * 0x200, DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW | FIELD_PREP(DTE_GCR3_14_12, GCR3_B >> 12));
	wr(AMDVI_DEVTAB, 8, DEVTAB | 7);
	assert_int_equal(in_force(), GCR3_B);
	assert_int_equal(fake.virt_id, 0x200);
	units_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_amd_host_follows_the_guest_by_detours),
		cmocka_unit_test(test_nested_amd_host_gets_allowed_fields_and_the_guests_id),
		cmocka_unit_test(test_nested_amd_invalidations_are_rebuilt_and_go_together),
		cmocka_unit_test(test_nested_amd_failed_invalidation_blocks),
		cmocka_unit_test(test_nested_amd_any_call_failing_blocks),
		cmocka_unit_test(test_nested_amd_flips_and_domains_leave_nothing_behind),
		cmocka_unit_test(test_nested_amd_renumbered_bus_gets_a_new_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
