/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/vtd_decode.h"
#include "devices/viommu/vtd_regs.h"
#include "tests/unit/unit.h"

/* Offers nothing optional, as a host may force it. */
static const struct s1_caps plain = { .iova_bits = 48, .max_configs = 1 };
static const struct s1_caps full = {
	.software = true, .page_1g = true, .levels_5 = true, .coherent_walk = true, .snoop = true, .supervisor = true,
	.iova_bits = 57, .pasid_bits = 20, .max_configs = 64,
};

static struct vtd_caps caps(const struct s1_caps *s1)
{
	struct vtd_caps c;

	vtd_caps_from(s1, 46, &c);
	return c;
}

static void test_caps_nested_only_host_gives_sheet_values(void **state)
{
	struct s1_caps s1 = plain;
	struct vtd_caps c = caps(&s1);

	assert_int_equal(c.cap, 0x80C00700226F0086);
	assert_int_equal(c.ecap, 0x0000880000000F43);
	s1.page_1g = s1.coherent_walk = true;
	c = caps(&s1);
	assert_int_equal(c.cap, 0x81C00700226F0086);
	assert_int_equal(c.ecap, 0x0001880000000F43);
}

static void test_caps_never_offer_second_stage_or_legacy(void **state)
{
	const struct s1_caps *all[] = { &plain, &full };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct vtd_caps c = caps(all[i]);

		assert_int_equal(c.cap & CAP_SAGAW, 0);
		assert_int_equal(c.ecap & (ECAP_SSTS | ECAP_NEST), 0);
		assert_true(c.cap & CAP_CM);
		assert_int_equal(c.ecap & (ECAP_SMTS | ECAP_FSTS | ECAP_QI | ECAP_C), ECAP_SMTS | ECAP_FSTS | ECAP_QI | ECAP_C);
	}
	assert_int_equal(FIELD_GET(ECAP_PSS, caps(&full).ecap), 19);
	assert_true(caps(&full).ecap & ECAP_PASID);
	assert_true(caps(&full).cap & CAP_FS5LP);
}

static void test_root_entry_each_defect_has_its_reason(void **state)
{
	static const struct { u64 qw; u8 want; } rows[] = {
		{ 0x11001, 0 }, { 0x11000, FR_ROOT_P }, { 0, FR_ROOT_P }, { 0x11003, FR_ROOT_RSVD }, { 0x11801, FR_ROOT_RSVD }, { BIT(46) | 1, FR_ROOT_RSVD },
		{ BIT(63) | 1, FR_ROOT_RSVD }, { BIT(45) | 1, 0 },
	};
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		gpa_t at = 0;

		assert_int_equal(vtd_decode_root(&c, rows[i].qw, &at), rows[i].want);
		assert_int_equal(at, rows[i].want ? 0 : rows[i].qw & ~1ULL);
	}
}

static void test_context_entry_each_defect_has_its_reason(void **state)
{
	static const struct { u64 qw[4]; u8 want; } rows[] = {
		{ { 0x20001 }, 0 }, { { 0x20e09, 0x1fffff }, 0 }, { { 0x20000 }, FR_CTX_P }, { { 0x20021 }, FR_CTX_RSVD }, { { 0x20101 }, FR_CTX_RSVD },
		{ { 0x20005 }, FR_CTX_RSVD }, { { 0x20011 }, FR_CTX_RSVD }, { { 0x20001, BIT(21) }, FR_CTX_RSVD }, { { 0x20001, BIT(63) }, FR_CTX_RSVD },
		{ { 0x20001, 0, 1 }, FR_CTX_RSVD }, { { 0x20001, 0, 0, BIT(63) }, FR_CTX_RSVD }, { { BIT(46) | 1 }, FR_CTX_RSVD },
	};
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vtd_ctx ctx;
		bool fpd = false;

		assert_int_equal(vtd_decode_ctx(&c, rows[i].qw, &ctx, &fpd), rows[i].want);
		assert_false(fpd);
	}
}

static void test_context_entry_fields_are_read(void **state)
{
	const u64 qw[4] = { 0x20000 | 7ULL << 9 | CTX_PASIDE | ENTRY_FPD | ENTRY_P };
	struct vtd_caps c = caps(&full);
	struct vtd_ctx ctx;
	bool fpd = false;

	assert_int_equal(vtd_decode_ctx(&c, qw, &ctx, &fpd), 0);
	assert_int_equal(ctx.dir, 0x20000);
	assert_int_equal(ctx.max_pasid, 1U << 20);
	assert_true(ctx.pasid_enabled);
	assert_true(fpd);
}

static void test_directory_entry_each_defect_has_its_reason(void **state)
{
	static const struct { u64 qw; u8 want; bool fpd; } rows[] = {
		{ 0x30001, 0, false }, { 0x30003, 0, true }, { 0x30000, FR_DIR_P, false }, { 2, FR_DIR_P, true }, { 0x30005, FR_DIR_RSVD, false },
		{ BIT(52) | 1, FR_DIR_RSVD, false },
	};
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		gpa_t at;
		bool fpd = false;

		assert_int_equal(vtd_decode_dir(&c, rows[i].qw, &at, &fpd), rows[i].want);
		assert_int_equal(fpd, rows[i].fpd);
	}
}

#define FIRST (1ULL << 6 | ENTRY_P)
#define PASS (4ULL << 6 | ENTRY_P)

static void test_pasid_entry_accepted_forms(void **state)
{
	static const struct { u64 qw[8]; enum s1_kind kind; u32 tag; gpa_t root; u8 levels; } rows[] = {
		{ { FIRST, 5, 0x40000 }, S1_TABLE, 5, 0x40000, 4 },
		{ { FIRST | PE_AW | 0xabcd000, 0xffff, 0x40004 }, S1_TABLE, 0xffff, 0x40000, 5 },
		{ { PASS | 2 << 2, 9, 0 }, S1_BYPASS, 9, 0, 0 },
		{ { PASS, 9, PE2_SRE | PE2_WPE | PE2_NXE | PE2_SMEP }, S1_BYPASS, 9, 0, 0 },
		{ { FIRST, 5 | PE1_PWSNP | PE1_PGSNP, 0x40000 }, S1_TABLE, 5, 0x40000, 4 },
	};
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct s1_config cfg = { 0 };
		bool fpd = false;

		assert_int_equal(vtd_decode_pe(&c, rows[i].qw, &cfg, &fpd), 0);
		assert_int_equal(cfg.kind, rows[i].kind);
		assert_int_equal(cfg.tag, rows[i].tag);
		assert_int_equal(cfg.table.root, rows[i].root);
		assert_int_equal(cfg.table.levels, rows[i].levels);
	}
}

static void test_pasid_entry_supervisor_bits_pass_only_if_offered(void **state)
{
	const u64 qw[8] = { FIRST, 1, 0x40000 | PE2_SRE | PE2_WPE };
	struct vtd_caps c = caps(&full);
	struct s1_config cfg;
	bool fpd = false;

	assert_int_equal(vtd_decode_pe(&c, qw, &cfg, &fpd), 0);
	assert_true(cfg.table.supervisor && cfg.table.write_protect);
	c = caps(&plain);
	assert_int_equal(vtd_decode_pe(&c, qw, &cfg, &fpd), 0);
	assert_false(cfg.table.supervisor || cfg.table.write_protect);
}

static void assert_pe(const struct vtd_caps *c, const u64 qw[8], u8 want)
{
	struct s1_config cfg = { .tag = 77 };
	bool fpd = false;

	assert_int_equal(vtd_decode_pe(c, qw, &cfg, &fpd), want);
	assert_int_equal(cfg.tag, 77);
}

static void test_pasid_entry_reserved_bits_are_rejected(void **state)
{
	static const u64 rows[][8] = {
		{ FIRST | BIT(5), 0, 0x40000 }, { FIRST | BIT(10), 0, 0x40000 }, { FIRST, BIT(16), 0x40000 }, { FIRST, BIT(22), 0x40000 }, { FIRST, PE1_CD, 0x40000 },
		{ FIRST, BIT(26), 0x40000 }, { FIRST, BIT(32), 0x40000 }, { FIRST, 0, 0x40100 }, { FIRST, 0, 0x40800 }, { FIRST, 0, 0x40000, 1 },
		{ FIRST, 0, 0x40000, 0, 1 }, { FIRST, 0, 0x40000, 0, 0, 1 }, { FIRST, 0, 0x40000, 0, 0, 0, 1 }, { FIRST, 0, 0x40000, 0, 0, 0, 0, 1 }, { PASS, 0, 0, BIT(63) },
	};
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_pe(&c, rows[i], FR_PE_RSVD);
}

static void test_vtd_bad_11_pgtt_not_first_or_pass_is_invalid(void **state)
{
	static const u8 bad[] = { 0, 2, 3, 5, 6, 7 };
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		const u64 qw[8] = { (u64)bad[i] << 6 | ENTRY_P, 0, 0x40000 };

		assert_pe(&c, qw, FR_PE_INVALID);
	}
}

static void test_vtd_bad_12_paging_mode_not_offered_is_invalid(void **state)
{
	static const struct { u64 fspm; const struct s1_caps *s1; u8 want; } rows[] = {
		{ 1, &plain, FR_PE_INVALID }, { 2, &plain, FR_PE_INVALID }, { 3, &plain, FR_PE_INVALID }, { 2, &full, FR_PE_INVALID }, { 3, &full, FR_PE_INVALID },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const u64 qw[8] = { FIRST, 0, 0x40000 | rows[i].fspm << 2 };
		struct vtd_caps c = caps(rows[i].s1);

		assert_pe(&c, qw, rows[i].want);
	}
}

static void test_vtd_bad_13_table_pointer_beyond_width_is_reserved(void **state)
{
	static const u64 rows[][8] = { { FIRST, 0, BIT(46) }, { FIRST, 0, BIT(63) }, { PASS, 0, BIT(52) } };
	struct vtd_caps c = caps(&full);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_pe(&c, rows[i], FR_PE_RSVD);
}

static void test_vtd_bad_14_bits_without_capability_are_reserved(void **state)
{
	static const u64 rows[][8] = {
		{ FIRST, 0, 0x40000 | PE2_EAFE }, { FIRST, 0, 0x40000 | PE2_ERE }, { FIRST | PE_SSADE, 0, 0x40000 }, { FIRST, PE1_PGSNP, 0x40000 },
		{ FIRST, PE1_PWSNP, 0x40000 },
	};
	static const u64 ignored[8] = { FIRST, 0, 0x40000 | PE2_SRE | PE2_WPE | PE2_NXE | PE2_SMEP };
	struct vtd_caps c = caps(&plain);
	struct s1_config cfg;
	bool fpd = false;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_pe(&c, rows[i], FR_PE_RSVD);
	assert_int_equal(vtd_decode_pe(&c, ignored, &cfg, &fpd), 0);
}

static u8 inv1(u64 q0, u64 q1, bool dw, struct vtd_inv *out)
{
	const u64 qw[4] = { q0, q1 };

	return vtd_decode_inv(qw, dw, out);
}

static void test_inv_context_granularities(void **state)
{
	static const struct { u64 q0; u16 sid, mask; } rows[] = {
		{ 1 | 1 << 4, 0, 0 }, { 1 | 2 << 4 | 5 << 16, 0, 0 }, { 1 | 3 << 4 | 0x1234ULL << 32, 0x1234, 0xffff },
		{ 1 | 3 << 4 | 0x1234ULL << 32 | 1ULL << 48, 0x1234, 0xfffb }, { 1 | 3 << 4 | 3ULL << 48, 0, 0xfff8 },
	};
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(inv1(rows[i].q0, 0, false, &inv), 0);
		assert_int_equal(inv.kind, VTD_INV_CONTEXT);
		assert_int_equal(inv.sid_mask, rows[i].mask);
		if (rows[i].mask)
			assert_int_equal(inv.sid, rows[i].sid);
	}
}

static void test_inv_tlb_forms(void **state)
{
	static const struct { u64 q0, q1; struct s1_inv want; } rows[] = {
		{ 2 | 1 << 4, 0, { .scope = S1_INV_ALL } },
		{ 2 | 2 << 4 | 9 << 16, 0, { .scope = S1_INV_TAG, .tag = 9 } },
		{ 2 | 3 << 4 | 9 << 16 | 3 << 6, 0x1000 | 1, { .scope = S1_INV_TAG, .tag = 9 } },
		{ 6 | 2 << 4 | 9 << 16 | 0xfffffULL << 32, 0, { .scope = S1_INV_PASID, .tag = 9, .pasid = 0xfffff } },
		{ 6 | 3 << 4 | 9 << 16 | 4ULL << 32, 0x123000, { .scope = S1_INV_RANGE, .tag = 9, .pasid = 4, .addr = 0x123000, .npages = 1 } },
		{ 6 | 3 << 4 | 9 << 16, 0x123000 | 9, { .scope = S1_INV_RANGE, .tag = 9, .addr = 0, .npages = 512 } },
		{ 6 | 3 << 4 | 9 << 16, ~0xfffULL | 0x40 | 51, { .scope = S1_INV_RANGE, .tag = 9, .addr = BIT(63), .npages = BIT(51), .leaf = true } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct s1_inv *w = &rows[i].want;
		struct vtd_inv inv;

		assert_int_equal(inv1(rows[i].q0, rows[i].q1, true, &inv), 0);
		assert_int_equal(inv.kind, VTD_INV_TLB);
		assert_int_equal(inv.s1.scope, w->scope);
		assert_int_equal(inv.s1.tag, w->tag);
		assert_int_equal(inv.s1.pasid, w->pasid);
		assert_int_equal(inv.s1.addr, w->addr);
		assert_int_equal(inv.s1.npages, w->npages);
		assert_int_equal(inv.s1.leaf, w->leaf);
	}
}

static void test_vtd_bad_28_any_address_mask_is_full_flush_without_overflow(void **state)
{
	for (u64 am = 52; am < 64; am++) {
		struct vtd_inv inv;

		assert_int_equal(inv1(6 | 3 << 4 | 9 << 16 | 4ULL << 32, ~0xfffULL | am, true, &inv), 0);
		assert_int_equal(inv.s1.scope, S1_INV_PASID);
		assert_int_equal(inv.s1.pasid, 4);
	}
}

static void test_inv_pasid_cache_forms(void **state)
{
	static const struct { u64 q0; bool all; u32 pasid; } rows[] = {
		{ 7 | 0 << 4 | 9 << 16 | 5ULL << 32, true, 0 }, { 7 | 1 << 4 | 9 << 16 | 5ULL << 32, false, 5 }, { 7 | 3 << 4, true, 0 },
	};
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(inv1(rows[i].q0, 0, true, &inv), 0);
		assert_int_equal(inv.kind, VTD_INV_PASID);
		assert_int_equal(inv.all_pasids, rows[i].all);
		assert_int_equal(inv.pasid, rows[i].pasid);
	}
}

static void test_inv_wait_fields(void **state)
{
	struct vtd_inv inv;

	assert_int_equal(inv1(5 | QI_WAIT_SW | QI_WAIT_IF | 0xcafeULL << 32, 0x50004, false, &inv), 0);
	assert_int_equal(inv.kind, VTD_INV_WAIT);
	assert_true(inv.status_write && inv.interrupt);
	assert_int_equal(inv.status_addr, 0x50004);
	assert_int_equal(inv.status_data, 0xcafe);
	assert_int_equal(inv1(5 | QI_WAIT_FN, 0, false, &inv), 0);
	assert_false(inv.status_write || inv.interrupt);
}

static void test_vtd_bad_19_unknown_type_is_rejected(void **state)
{
	static const struct { u64 type; bool dw; } rows[] = {
		{ 0, true }, { 0xa, true }, { 0xf, true }, { 1 << 9 | 5, true }, { 7 << 9 | 1, true }, { 6, false }, { 7, false }, { 8, false }, { 9, false },
	};
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(inv1(rows[i].type | 1 << 4, 0, rows[i].dw, &inv), IQEI_TYPE);
}

static void test_vtd_bad_20_reserved_bits_are_rejected(void **state)
{
	static const u64 rows[][4] = {
		{ 1 | 1 << 4 | BIT(8) }, { 1 | 1 << 4, 1 }, { 2 | 1 << 4 | BIT(63) }, { 3 | BIT(4) }, { 3, 2 }, { 4 | BIT(5) }, { 4, 1 }, { 5 | BIT(7) }, { 5 | BIT(16) },
		{ 5, 1 }, { 6 | 2 << 4 | BIT(52) }, { 6 | 2 << 4, BIT(7) }, { 7 | 1 << 4, 1 }, { 7 | 1 << 4 | BIT(12) }, { 8, 2 }, { 9, 1 }, { 9 | BIT(5) },
		{ 5 | QI_WAIT_SW, 0, 1 }, { 1 | 1 << 4, 0, 0, 1 }, { 6 | 2 << 4, 0, 0, BIT(63) },
	};
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(vtd_decode_inv(rows[i], true, &inv), IQEI_RSVD);
}

static void test_vtd_bad_27_reserved_granularity_is_rejected(void **state)
{
	static const u64 rows[] = { 7 | 2 << 4, 6 | 0 << 4, 6 | 1 << 4, 1 | 0 << 4, 2 | 0 << 4 };
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(inv1(rows[i], 0, true, &inv), IQEI_RSVD);
}

static void test_vtd_bad_30_device_tlb_without_capability_does_nothing(void **state)
{
	static const struct { u64 q0, q1; } rows[] = {
		{ 3 | 0x1ffULL << 12 | 0x1234ULL << 32, 0x1001 }, { 8 | 5 << 4 | 0x1234ULL << 16, 0x1801 }, { 4 | 1 << 4 | 0x33ULL << 32, 0 },
	};
	struct vtd_inv inv;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(inv1(rows[i].q0, rows[i].q1, true, &inv), 0);
		assert_int_equal(inv.kind, VTD_INV_NOTHING);
	}
}

static void test_vtd_bad_31_page_response_is_ignored(void **state)
{
	struct vtd_inv inv;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(inv1(9 | BIT(4) | 0xfULL << 12 | 0x1234ULL << 16, 0x1f8, true, &inv), 0);
		assert_int_equal(inv.kind, VTD_INV_NOTHING);
	}
}

static void test_inv_random_bytes_never_break_a_promise(void **state)
{
	u64 seed = 42;

	for (unsigned i = 0; i < 100000; i++) {
		u64 qw[4] = { rnd(&seed), rnd(&seed), 0, 0 };
		struct vtd_inv inv;

		qw[0] = (qw[0] & ~(u64)(QI_TYPE_HI | QI_TYPE_LO)) | rnd(&seed) % 16;
		if (vtd_decode_inv(qw, i & 1, &inv) == 0 && inv.kind == VTD_INV_TLB && inv.s1.scope == S1_INV_RANGE) {
			assert_true(inv.s1.npages && !(inv.s1.npages & (inv.s1.npages - 1)));
			assert_true(IS_ALIGNED(inv.s1.addr, inv.s1.npages << 12));
		}
	}
}

static void test_reason_every_fault_kind_has_one_with_a_name(void **state)
{
	for (unsigned k = S1_FAULT_CONFIG + 1; k < S1_FAULT_KINDS; k++) {
		u8 r = vtd_reason_of((enum s1_fault_kind)k);

		/* AMD's alone; and a request to the interrupt range is no DMA to be judged here. */
		if (k == S1_FAULT_DENIED || k == S1_FAULT_MSI_REQUEST) {
			assert_int_equal(r, 0);
			continue;
		}
		assert_true(r >= 0x70);
		assert_string_not_equal(vtd_reason_name(r), vtd_reason_name(0xff));
		assert_false(vtd_reason_unqualified(r));
	}
	assert_true(vtd_reason_unqualified(FR_ROOT_ACCESS));
	assert_false(vtd_reason_unqualified(FR_PE_P));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps_nested_only_host_gives_sheet_values),
		cmocka_unit_test(test_caps_never_offer_second_stage_or_legacy),
		cmocka_unit_test(test_root_entry_each_defect_has_its_reason),
		cmocka_unit_test(test_context_entry_each_defect_has_its_reason),
		cmocka_unit_test(test_context_entry_fields_are_read),
		cmocka_unit_test(test_directory_entry_each_defect_has_its_reason),
		cmocka_unit_test(test_pasid_entry_accepted_forms),
		cmocka_unit_test(test_pasid_entry_supervisor_bits_pass_only_if_offered),
		cmocka_unit_test(test_pasid_entry_reserved_bits_are_rejected),
		cmocka_unit_test(test_vtd_bad_11_pgtt_not_first_or_pass_is_invalid),
		cmocka_unit_test(test_vtd_bad_12_paging_mode_not_offered_is_invalid),
		cmocka_unit_test(test_vtd_bad_13_table_pointer_beyond_width_is_reserved),
		cmocka_unit_test(test_vtd_bad_14_bits_without_capability_are_reserved),
		cmocka_unit_test(test_inv_context_granularities),
		cmocka_unit_test(test_inv_tlb_forms),
		cmocka_unit_test(test_vtd_bad_28_any_address_mask_is_full_flush_without_overflow),
		cmocka_unit_test(test_inv_pasid_cache_forms),
		cmocka_unit_test(test_inv_wait_fields),
		cmocka_unit_test(test_vtd_bad_19_unknown_type_is_rejected),
		cmocka_unit_test(test_vtd_bad_20_reserved_bits_are_rejected),
		cmocka_unit_test(test_vtd_bad_27_reserved_granularity_is_rejected),
		cmocka_unit_test(test_vtd_bad_30_device_tlb_without_capability_does_nothing),
		cmocka_unit_test(test_vtd_bad_31_page_response_is_ignored),
		cmocka_unit_test(test_inv_random_bytes_never_break_a_promise),
		cmocka_unit_test(test_reason_every_fault_kind_has_one_with_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
