/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close nanosleep
/*
 * The VT-d unit on the nested backend, on a host that refuses any call, or any run of calls: the guest writes tables and descriptors, and
 * what is in force in the host is what it asked for, or nothing.
 */
#include "tests/unit/unit.h"

#include "tests/unit/event_rounds.h"
#include "tests/unit/nested_rig.h"

static void to_table_b(void)
{
	pe(PGTT_FIRST << 6 | ENTRY_P, RIG_DID, TABLE_B);
	invalidate(QI_PC | 3 << 4, 0);
}

static void to_pass(void)
{
	pe(PGTT_PASS << 6 | ENTRY_P, RIG_DID, 0);
	invalidate(QI_PC | 3 << 4, 0);
}

/* A second-stage entry is nothing that this unit has. */
static void to_malformed(void)
{
	pe(2 << 6 | ENTRY_P, RIG_DID, TABLE_A);
	invalidate(QI_PC | 3 << 4, 0);
}

static void flush_domain(void)
{
	invalidate(QI_PIOTLB | 2 << 4 | RIG_DID << 16, 0);
}

static void flush_pages(void)
{
	put_desc(QI_PIOTLB | 3 << 4 | RIG_DID << 16, 0x5000);
	put_desc(QI_PIOTLB | 3 << 4 | RIG_DID << 16, 0x9000);
	invalidate(QI_PIOTLB | 3 << 4 | RIG_DID << 16, 0x200000);
}

static void set_root_again(void)
{
	set_root(ROOT | 0x400);
}

static void reset_function(void)
{
	vfio_rig_write(&r, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void translation_off(void)
{
	wr(VTD_GCMD, 4, GCMD_QIE);
}

static void reset_machine(void)
{
	pci_host_reset(r.pci.host);
	units_reset(&u);
	tail = 0;
}

static const struct {
	void (*step)(void);
	u64 root; /* in force afterwards, as in_force() says */
	unsigned flushed; /* what was cached by the table must be gone: entries that the host has to have carried out */
} steps[] = {
	{ translation_on, TABLE_A, 0 }, { to_table_b, TABLE_B, 0 }, { flush_domain, TABLE_B, 1 }, { flush_pages, TABLE_B, 3 },
	{ set_root_again, TABLE_B, 1 }, { reset_function, TABLE_B, 0 }, { to_malformed, 0, 0 },     { to_pass, PARENT, 0 },
	{ to_table_b, TABLE_B, 0 },     { translation_off, PARENT, 0 }, { translation_on, TABLE_A, 0 }, { reset_machine, PARENT, 0 },
};

static void test_nested_vtd_host_follows_the_guest(void **state)
{
	assert_true(nested_start());
	assert_int_equal(in_force(), PARENT);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned calls = fake.n_inv_calls, entries = fake.n_inv_done;

		steps[i].step();
		assert_int_equal(in_force(), steps[i].root);
		assert_true(waited());
		assert_true(fake.n_inv_done >= entries + steps[i].flushed);
		/* One call for all entries of a table. */
		if (steps[i].step == flush_domain || steps[i].step == flush_pages)
			assert_int_equal(fake.n_inv_calls, calls + 1);
	}
	assert_int_equal(vm_stopped, 0);
	units_end();
}

/* Calls number n to n + len - 1 fail. */
static unsigned run_with_failures(unsigned n, unsigned len)
{
	unsigned start;

	assert_true(nested_start());
	put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	start = fake.calls;
	fake.fail_at = start + n;
	fake.fail_len = len;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned entries = fake.n_inv_done;
		u32 before = fake.attached;
		bool flushed;

		steps[i].step();
		/* For a table that was attached only now nothing is cached. */
		flushed = fake.attached != before || fake.n_inv_done >= entries + steps[i].flushed;
		/* A guest that has seen its wait end, or its command done, relies on this: */
		assert_true(waited() || vm_stopped);
		if (!in_force() || (in_force() == steps[i].root && flushed))
			continue;
		/* Not blocked, so it must not be able to reach memory: off the bus, if that can be had, and the VM ends in any case. */
		assert_true(vm_stopped);
		assert_true(!masters_the_bus() || len > 1);
	}
	start = fake.calls - start;
	units_end();
	return start;
}

static void test_nested_vtd_any_call_failing_blocks(void **state)
{
	/* One, the blocking after it too, that and the cut, everything from there on. */
	static const unsigned len[] = { 1, 2, 3, 100000 };

	for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
		unsigned last = 0, n;

		for (n = 1; n <= 300 && (n == 1 || last >= n - 1); n++)
			last = run_with_failures(n, len[i]);
		assert_in_range(n, 30, 299);
	}
}

/* The host is resetting the function while another CPU changes its table: blocked until the reset is over, then as the guest has it. */
static void test_nested_vtd_busy_host_is_asked_again(void **state)
{
	assert_true(nested_start());
	translation_on();
	fake.attach_errno = EBUSY;
	to_table_b();
	assert_true(waited());
	assert_int_equal(in_force(), 0);
	assert_int_equal(vm_stopped, 0);
	fake.attach_errno = 0;
	reset_function();
	assert_int_equal(event_rounds(r.ev, 2), 0);
	assert_int_equal(in_force(), TABLE_B);
	assert_int_equal(recorded(), 0);
	units_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_vtd_host_follows_the_guest),
		cmocka_unit_test(test_nested_vtd_any_call_failing_blocks),
		cmocka_unit_test(test_nested_vtd_busy_host_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
