/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
/*
 * The malformed inputs of tests/malformed.txt that concern attachment and invalidation, on the nested backend: what the host's kernel is
 * then told, and what it is not.
 */
#include "tests/unit/unit.h"

#include "tests/unit/nested_rig.h"

#define PIOTLB(g, did, pasid) (QI_PIOTLB | (u64)(g) << 4 | (u64)(did) << 16 | (u64)(pasid) << 32)
#define FIRST (PGTT_FIRST << 6 | ENTRY_P)

static int setup(void **state)
{
	assert_true(nested_start());
	translation_on();
	assert_int_equal(in_force(), TABLE_A);
	fake.n_inv = fake.n_inv_calls = 0;
	return 0;
}

static int setup_off(void **state)
{
	assert_true(nested_start());
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(vm_stopped, 0);
	units_end();
	return 0;
}

static void entry_changed(void)
{
	invalidate(QI_PC | 3 << 4, 0);
	assert_true(waited());
}

static void context_changed(void)
{
	invalidate(QI_CC | 1 << 4, 0);
	assert_true(waited());
}

/* Nothing passes, the guest is told why, and no nested table is left in the host. */
static void assert_blocked(u8 reason)
{
	assert_int_equal(in_force(), 0);
	assert_int_equal(recorded(), reason);
	assert_int_equal(fake.n_live, 2); /* address space, parent */
}

static void bad_entry(u64 q0, u64 q1, u64 q2, u8 reason)
{
	pe(q0, q1, q2);
	entry_changed();
	assert_blocked(reason);
	pe(FIRST, RIG_DID, TABLE_B);
	entry_changed();
	assert_int_equal(in_force(), TABLE_B);
}

static void bad_root(u64 rtaddr, u8 reason)
{
	set_root(rtaddr);
	assert_blocked(reason);
	set_root(ROOT | 0x400);
	assert_int_equal(in_force(), TABLE_A);
}

static void test_vtd_bad_01_nested_translation_without_root_detaches(void **state)
{
	wr(VTD_GCMD, 4, GCMD_TE);
	assert_blocked(FR_ROOT_ACCESS);
	wr(VTD_GCMD, 4, 0);
	assert_int_equal(in_force(), PARENT);
}

static void test_vtd_bad_02_nested_reserved_table_mode_detaches(void **state)
{
	bad_root(ROOT | 0x800, FR_TTM);
	set_root(ROOT | 0xc00);
	assert_blocked(FR_TTM);
	invalidate(PIOTLB(2, RIG_DID, 0), 0);
	assert_false(waited());
	assert_int_equal(FIELD_GET(IQER_IQEI, rd(VTD_IQER, 8)), IQEI_TTM);
	assert_int_equal(in_force(), 0);
}

static void test_vtd_bad_03_nested_legacy_root_detaches(void **state)
{
	bad_root(ROOT, FR_LEGACY_INVALID);
}

static void test_vtd_bad_04_nested_root_outside_ram_detaches(void **state)
{
	bad_root(MiB(1) | 0x400, FR_ROOT_ACCESS);
	bad_root(BASE | 0x400, FR_ROOT_ACCESS);
}

static void test_vtd_bad_05_nested_root_entry_reserved_bits_detach(void **state)
{
	for (unsigned bit = 1; bit < 12; bit++) {
		poke(ROOT + 16, CTX | ENTRY_P | BIT(bit));
		context_changed();
		assert_blocked(FR_ROOT_RSVD);
		poke(ROOT + 16, CTX | ENTRY_P);
		context_changed();
		assert_int_equal(in_force(), TABLE_A);
	}
}

static void test_vtd_bad_06_nested_context_reserved_bits_detach(void **state)
{
	static const struct { unsigned word; u64 bits; } rows[] = { { 0, BIT(5) }, { 0, BIT(8) }, { 0, BIT(2) }, { 1, BIT(21) }, { 2, 1 }, { 3, BIT(63) } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 good = rows[i].word ? 0 : DIR | CTX_PASIDE | ENTRY_P;

		poke(CTX + 8 * rows[i].word, good | rows[i].bits);
		context_changed();
		assert_blocked(FR_CTX_RSVD);
		poke(CTX + 8 * rows[i].word, good);
		context_changed();
		assert_int_equal(in_force(), TABLE_A);
	}
}

static void test_vtd_bad_07_nested_directory_unmapped_detaches(void **state)
{
	poke(CTX, MiB(1) | CTX_PASIDE | ENTRY_P);
	context_changed();
	assert_blocked(FR_DIR_ACCESS);
}

static void test_vtd_bad_09_nested_rid_pasid_is_ignored(void **state)
{
	poke(CTX + 8, 0xfffff);
	pe(FIRST, RIG_DID, TABLE_B);
	context_changed();
	assert_int_equal(in_force(), TABLE_B);
}

static void test_vtd_bad_10_nested_directory_aliasing_the_root_is_data(void **state)
{
	poke(CTX, ROOT | CTX_PASIDE | ENTRY_P);
	poke(ROOT, ROOT | ENTRY_P);
	context_changed();
	/* The root's first entry, taken for a PASID entry: present, translation type 0. */
	assert_blocked(FR_PE_INVALID);
}

static void test_vtd_bad_11_nested_other_translation_types_detach(void **state)
{
	static const u64 types[] = { 0, 2, 3, 5, 6, 7 };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		bad_entry(types[i] << 6 | ENTRY_P, RIG_DID, TABLE_A, FR_PE_INVALID);
}

static void test_vtd_bad_12_nested_paging_mode_not_offered_detaches(void **state)
{
	/* The fake host has five levels, the unit does not offer them. */
	for (u64 mode = 1; mode < 4; mode++)
		bad_entry(FIRST, RIG_DID, TABLE_A | mode << 2, FR_PE_INVALID);
}

static void test_vtd_bad_13_nested_table_pointer_reaches_the_host_clean(void **state)
{
	bad_entry(FIRST, RIG_DID, BIT(40), FR_PE_RSVD);
	bad_entry(FIRST, RIG_DID, BIT(63), FR_PE_RSVD);
	/* Bits that share the word with the pointer and are accepted: only the table's address goes to the host, flags in their own field. */
	pe(FIRST, RIG_DID, TABLE_A | BIT(5) | BIT(6) | BIT(4) | BIT(0));
	entry_changed();
	assert_int_equal(in_force(), TABLE_A);
	assert_int_equal(fake.s1.pgtbl_addr, TABLE_A);
	assert_int_equal(fake.s1.flags, IOMMUFD_VTD_S1_SRE | IOMMUFD_VTD_S1_WPE);
	assert_int_equal(fake.s1.addr_width, 48);
}

static void test_vtd_bad_14_nested_bits_without_capability_detach(void **state)
{
	static const struct { u64 q0, q1, q2; } rows[] = {
		{ BIT(9), 0, 0 }, { BIT(5), 0, 0 }, { 0, BIT(25), 0 }, { 0, BIT(26), 0 }, { 0, 0, BIT(1) }, { 0, 0, BIT(7) }, { 0, 0, BIT(8) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		bad_entry(FIRST | rows[i].q0, RIG_DID | rows[i].q1, TABLE_A | rows[i].q2, FR_PE_RSVD);
		bad_entry(PGTT_PASS << 6 | ENTRY_P | rows[i].q0, RIG_DID | rows[i].q1, rows[i].q2, FR_PE_RSVD);
	}
	for (unsigned word = 3; word < 8; word++) {
		poke(PTAB + 8 * word, 1);
		entry_changed();
		assert_blocked(FR_PE_RSVD);
		poke(PTAB + 8 * word, 0);
		entry_changed();
		assert_int_equal(in_force(), TABLE_B);
	}
}

/* The unit offers no PASIDs, so however many are present, the host has one table for the device. */
static void test_vtd_bad_16_nested_many_pasids_are_one_table(void **state)
{
	for (unsigned i = 1; i < 64; i++) {
		poke(PTAB + 64 * i + 8, RIG_DID);
		poke(PTAB + 64 * i + 16, TABLE_B);
		poke(PTAB + 64 * i, FIRST);
	}
	for (unsigned d = 1; d < 64; d++)
		poke(DIR + 8 * d, PTAB | ENTRY_P);
	entry_changed();
	context_changed();
	assert_int_equal(in_force(), TABLE_A);
	assert_int_equal(fake.n_live, 3);
}

static void test_vtd_bad_17_nested_toggling_present_leaks_nothing(void **state)
{
	unsigned attaches = fake.n_attach, detaches = fake.n_detach;

	for (unsigned i = 0; i < 500; i++) {
		pe(0, RIG_DID, TABLE_A);
		entry_changed();
		assert_int_equal(in_force(), 0);
		pe(FIRST, RIG_DID, TABLE_A);
		entry_changed();
		assert_int_equal(in_force(), TABLE_A);
		assert_int_equal(fake.n_live, 3);
	}
	assert_int_equal(fake.n_attach - attaches, 500);
	assert_int_equal(fake.n_detach - detaches, 500);
	/* Changes that nobody can have seen cost nothing. */
	for (unsigned i = 0; i < 500; i++)
		put_desc(QI_PC | 3 << 4, 0);
	entry_changed();
	assert_int_equal(fake.n_attach - attaches, 500);
}

static void test_vtd_bad_18_nested_refused_table_detaches_records_and_completes(void **state)
{
	/* Which call of the change fails: the making of the table, its attachment. */
	for (unsigned n = 1; n <= 2; n++) {
		pe(FIRST, RIG_DID, TABLE_B);
		fake.fail_at = fake.calls + n;
		entry_changed();
		fake.fail_at = 0;
		assert_blocked(FR_PE_INVALID);
		pe(FIRST, RIG_DID, TABLE_A);
		entry_changed();
		assert_int_equal(in_force(), TABLE_A);
	}
}

static void test_vtd_bad_27_nested_reserved_granularity_tells_the_host_nothing(void **state)
{
	static const u64 bad[] = { PIOTLB(0, RIG_DID, 0), PIOTLB(1, RIG_DID, 0), QI_PC | 2 << 4, QI_CC, QI_IOTLB };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned calls = fake.calls;
		u32 at = tail;

		invalidate(bad[i], 0);
		assert_false(waited());
		assert_int_equal(FIELD_GET(IQER_IQEI, rd(VTD_IQER, 8)), IQEI_RSVD);
		assert_int_equal(fake.calls, calls);
		assert_int_equal(in_force(), TABLE_A);
		/* Replaced by one that exists, it goes on. */
		poke(IQ + at, PIOTLB(2, RIG_DID, 0));
		wr(VTD_FSTS, 4, FSTS_IQE);
		assert_true(waited());
		assert_int_equal(fake.calls, calls + 1);
	}
}

/* Any mask and address: what the host is told is a power of two of pages at an aligned address, or all of it, and covers what was asked. */
static void test_vtd_bad_28_nested_any_address_mask_is_told_in_range(void **state)
{
	static const u64 addrs[] = { 0, 0x5000, 0x7ffffffff000, 0xffffffffffffe000, 0xfffffffffffff000 };

	for (unsigned i = 0; i < ARRAY_SIZE(addrs); i++) {
		for (unsigned am = 0; am < 64; am++) {
			const struct iommufd_vtd_s1_inv *e = &fake.inv[0];

			fake.n_inv = fake.n_inv_calls = 0;
			invalidate(PIOTLB(3, RIG_DID, 0), addrs[i] | am);
			assert_true(waited());
			assert_int_equal(fake.n_inv_calls, 1);
			assert_int_equal(fake.n_inv, 1);
			if (am > 18) {
				assert_true(e->addr == 0 && e->npages == ~0ULL && !e->flags);
				continue;
			}
			assert_true(e->npages == 1ULL << am && !(e->addr & ((e->npages << 12) - 1)));
			assert_true(addrs[i] - e->addr < e->npages << 12);
		}
	}
}

static void test_vtd_bad_29_nested_unknown_names_tell_the_host_nothing(void **state)
{
	unsigned calls = fake.calls;

	put_desc(PIOTLB(2, RIG_DID + 1, 0), 0);
	put_desc(PIOTLB(3, RIG_DID, 77), 0x5000);
	put_desc(QI_IOTLB | 2 << 4 | 0xffffULL << 16, 0);
	put_desc(QI_PC | 1 << 4 | 0xfffffULL << 32, 0);
	invalidate(QI_CC | 3 << 4 | 0xffffULL << 32, 0);
	assert_true(waited());
	assert_int_equal(fake.calls, calls);
	assert_int_equal(in_force(), TABLE_A);
}

static void test_vtd_bad_32_nested_queue_disabled_with_work_left(void **state)
{
	unsigned calls = fake.calls;

	/* Stopped with work behind the bad entry; switched off, on and started anew: the old work is not done. */
	put_desc(QI_PIOTLB, 0);
	invalidate(PIOTLB(2, RIG_DID, 0), 0);
	wr(VTD_GCMD, 4, GCMD_TE);
	wr(VTD_FSTS, 4, FSTS_IQE);
	assert_int_equal(rd(VTD_IQH, 8), 0);
	assert_int_equal(fake.calls, calls);
	assert_int_equal(in_force(), TABLE_A);
}

static void test_vtd_bad_39_nested_addresses_above_the_width_detach(void **state)
{
	bad_root(BIT(45) | ROOT | 0x400, FR_ROOT_ACCESS);
	poke(ROOT + 16, BIT(45) | CTX | ENTRY_P);
	context_changed();
	assert_blocked(FR_ROOT_RSVD);
}

static void test_vtd_bad_42_nested_reset_gives_the_parent_back(void **state)
{
	pci_host_reset(r.pci.host);
	units_reset(&u);
	assert_int_equal(in_force(), PARENT);
	assert_int_equal(fake.n_live, 2);
	assert_int_equal(rd(VTD_GSTS, 4), 0);
	assert_int_equal(rd(VTD_RTADDR, 8), 0);
}

#define ON(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vtd_bad_01_nested_translation_without_root_detaches, setup_off, teardown),
		ON(test_vtd_bad_02_nested_reserved_table_mode_detaches),
		ON(test_vtd_bad_03_nested_legacy_root_detaches),
		ON(test_vtd_bad_04_nested_root_outside_ram_detaches),
		ON(test_vtd_bad_05_nested_root_entry_reserved_bits_detach),
		ON(test_vtd_bad_06_nested_context_reserved_bits_detach),
		ON(test_vtd_bad_07_nested_directory_unmapped_detaches),
		ON(test_vtd_bad_09_nested_rid_pasid_is_ignored),
		ON(test_vtd_bad_10_nested_directory_aliasing_the_root_is_data),
		ON(test_vtd_bad_11_nested_other_translation_types_detach),
		ON(test_vtd_bad_12_nested_paging_mode_not_offered_detaches),
		ON(test_vtd_bad_13_nested_table_pointer_reaches_the_host_clean),
		ON(test_vtd_bad_14_nested_bits_without_capability_detach),
		ON(test_vtd_bad_16_nested_many_pasids_are_one_table),
		ON(test_vtd_bad_17_nested_toggling_present_leaks_nothing),
		ON(test_vtd_bad_18_nested_refused_table_detaches_records_and_completes),
		ON(test_vtd_bad_27_nested_reserved_granularity_tells_the_host_nothing),
		ON(test_vtd_bad_28_nested_any_address_mask_is_told_in_range),
		ON(test_vtd_bad_29_nested_unknown_names_tell_the_host_nothing),
		ON(test_vtd_bad_32_nested_queue_disabled_with_work_left),
		ON(test_vtd_bad_39_nested_addresses_above_the_width_detach),
		ON(test_vtd_bad_42_nested_reset_gives_the_parent_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
