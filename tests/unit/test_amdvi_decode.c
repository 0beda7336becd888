/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/amdvi_decode.h"
#include "devices/viommu/amdvi_regs.h"
#include "tests/unit/unit.h"

static struct amdvi_caps caps;

#define GCR3_AT 0x7654321f000ULL /* below 2^46 */
#define V2 (DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_IR | DTE_IW)

static int setup(void **state)
{
	struct s1_caps s1 = { .software = true, .iova_bits = 48, .pasid_bits = 20, .max_configs = 8 };

	amdvi_caps_from(&s1, 46, &caps);
	return 0;
}

static void entry(u64 dte[4], u64 q0, gpa_t gcr3, u16 did)
{
	dte[0] = q0 | FIELD_PREP(DTE_GCR3_14_12, gcr3 >> 12);
	dte[1] = did | FIELD_PREP(DTE1_GCR3_30_15, gcr3 >> 15) | FIELD_PREP(DTE1_GCR3_51_31, gcr3 >> 31);
	dte[2] = dte[3] = 0;
}

static enum amdvi_why why_of(const u64 dte[4])
{
	struct amdvi_dte d;

	return amdvi_decode_dte(&caps, true, true, dte, &d);
}

static void test_caps_offer_guest_tables_and_nothing_that_needs_more(void **state)
{
	struct s1_caps s1 = { .levels_5 = true, .pasid_bits = 20 };

	assert_int_equal(caps.efr, 0x00010000000000D0);
	assert_int_equal(caps.efr2, 0);
	assert_int_equal(FIELD_GET(EFR_HATS, caps.efr), 0);
	amdvi_caps_from(&s1, 46, &caps);
	assert_int_equal(caps.efr, 0x00010000000010D0);
}

static void test_dte_v2_gives_root_domain_and_a_clean_host_entry(void **state)
{
	struct amdvi_dte d;
	u64 dte[4];

	entry(dte, V2, GCR3_AT, 0xabcd);
	assert_int_equal(amdvi_decode_dte(&caps, true, false, dte, &d), AMDVI_WHY_NONE);
	assert_true(d.guest && d.giov && !d.deny && !d.untagged && !d.quiet);
	assert_int_equal(d.gcr3, GCR3_AT);
	assert_int_equal(d.domid, 0xabcd);
	assert_int_equal(d.levels, 4);
	assert_memory_equal(d.host, dte, sizeof(dte));
}

static void test_dte_identity_and_no_translation(void **state)
{
	static const struct { u64 q0; enum amdvi_why why; u8 deny; } rows[] = {
		{ DTE_V | DTE_TV | DTE_IR | DTE_IW, AMDVI_WHY_NONE, 0 },
		{ DTE_V | DTE_TV | DTE_IR, AMDVI_WHY_NONE, DMA_WRITE },
		{ DTE_V | DTE_TV | DTE_IW, AMDVI_WHY_NONE, DMA_READ },
		{ DTE_V | DTE_TV, AMDVI_WHY_NO_ACCESS, 0 },
		{ DTE_V, AMDVI_WHY_TV, 0 },
		{ DTE_V | DTE_TV | DTE_GV | DTE_GIOV, AMDVI_WHY_NO_ACCESS, 0 },
		{ DTE_V | DTE_TV | DTE_GIOV | DTE_IR | DTE_IW, AMDVI_WHY_GUEST, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 dte[4] = { rows[i].q0, 5 };
		struct amdvi_dte d = { 0 };

		assert_int_equal(amdvi_decode_dte(&caps, true, true, dte, &d), rows[i].why);
		assert_int_equal(d.deny, rows[i].deny);
		assert_false(d.guest);
		assert_int_equal(d.domid, rows[i].why ? 0 : 5);
	}
}

static void test_amdvi_bad_02_mode_or_host_root_alone_is_refused(void **state)
{
	for (unsigned bit = 9; bit < 52; bit++) {
		u64 dte[4] = { DTE_V | DTE_TV | DTE_IR | DTE_IW | BIT(bit) };

		assert_int_equal(why_of(dte), AMDVI_WHY_V1);
	}
}

static void test_amdvi_bad_03_each_reserved_bit_alone_is_refused(void **state)
{
	const u64 reserved[4] = { GENMASK(6, 2) | BIT(63) | DTE_PPR | DTE_GPRP, 0, GENMASK(53, 52), GENMASK(14, 0) | GENMASK(52, 48) };

	for (unsigned q = 0; q < 4; q++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			struct s1_fault f = { .kind = S1_FAULT_CONFIG, .reason = AMDVI_WHY_RSVD, .pasid = DMA_NO_PASID };
			u64 dte[4], ev[2];

			if (!(reserved[q] & BIT(bit)))
				continue;
			entry(dte, V2, GCR3_AT, 1);
			dte[q] |= BIT(bit);
			assert_int_equal(why_of(dte), AMDVI_WHY_RSVD);
			assert_true(amdvi_event_of(&f, ev));
			assert_int_equal(FIELD_GET(EVT_CODE, ev[0]), EVT_ILLEGAL_DTE);
			assert_true(ev[0] & EVT_RZ);
		}
	}
	for (unsigned n = 0; n < 4; n++) {
		u64 dte[4];

		entry(dte, V2, GCR3_AT, 1);
		dte[1] |= FIELD_PREP(DTE1_IOCTL, n);
		assert_int_equal(why_of(dte), n == 3 ? AMDVI_WHY_RSVD : AMDVI_WHY_NONE);
		entry(dte, V2, GCR3_AT, 1);
		dte[2] |= FIELD_PREP(DTE2_INTCTL, n);
		assert_int_equal(why_of(dte), n == 3 ? AMDVI_WHY_RSVD : AMDVI_WHY_NONE);
	}
}

static void test_amdvi_bad_04_entry_without_v_is_ignored_as_a_whole(void **state)
{
	u64 dte[4] = { ~DTE_V, ~0ULL, ~0ULL, ~0ULL };
	struct amdvi_dte d;

	assert_int_equal(amdvi_decode_dte(&caps, true, true, dte, &d), AMDVI_WHY_NONE);
	assert_true(d.untagged && !d.guest && !d.deny);
}

static void test_amdvi_bad_06_guest_translation_without_gten_is_refused(void **state)
{
	struct amdvi_dte d;
	u64 dte[4];

	entry(dte, V2, GCR3_AT, 1);
	assert_int_equal(amdvi_decode_dte(&caps, false, true, dte, &d), AMDVI_WHY_GUEST);
}

static void test_amdvi_bad_07_gcr3_levels_beyond_the_offer_are_refused(void **state)
{
	for (unsigned offer = 0; offer < 4; offer++) {
		for (unsigned glx = 0; glx < 4; glx++) {
			u64 dte[4];

			caps.efr = (caps.efr & ~EFR_GLXSUP) | FIELD_PREP(EFR_GLXSUP, offer);
			entry(dte, V2 | FIELD_PREP(DTE_GLX, glx), GCR3_AT, 1);
			assert_int_equal(why_of(dte), glx <= offer && glx < 3 ? AMDVI_WHY_NONE : AMDVI_WHY_GUEST);
		}
	}
}

static void test_amdvi_bad_08_paging_mode_beyond_the_offer_is_refused(void **state)
{
	for (unsigned offer = 0; offer < 4; offer++) {
		for (unsigned gpm = 0; gpm < 4; gpm++) {
			u64 dte[4];

			caps.efr = (caps.efr & ~EFR_GATS) | FIELD_PREP(EFR_GATS, offer);
			entry(dte, V2, GCR3_AT, 1);
			dte[2] = FIELD_PREP(DTE2_GPM, gpm);
			assert_int_equal(why_of(dte), gpm <= offer && gpm < 2 ? AMDVI_WHY_NONE : AMDVI_WHY_GUEST);
		}
	}
}

static void test_amdvi_bad_09_gcr3_root_zero_or_beyond_the_width_is_refused(void **state)
{
	static const gpa_t roots[] = { 0, BIT(46), BIT(51) };

	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		u64 dte[4];

		entry(dte, V2, roots[i], 1);
		assert_int_equal(why_of(dte), AMDVI_WHY_GUEST);
	}
}

static void test_amdvi_bad_11_other_bits_never_reach_the_host(void **state)
{
	/* Everything that is neither reserved nor decides about translation. */
	const u64 noise[4] = {
		GENMASK(8, 7), GENMASK(34, 32) | BIT(37) | BIT(38) | BIT(39) | GENMASK(42, 40),
		GENMASK(51, 0) | GENMASK(59, 56) | GENMASK(63, 62), GENMASK(47, 15) | GENMASK(63, 53),
	};
	struct amdvi_dte clean, noisy;
	u64 dte[4];

	entry(dte, V2, GCR3_AT, 7);
	assert_int_equal(amdvi_decode_dte(&caps, true, false, dte, &clean), AMDVI_WHY_NONE);
	for (unsigned q = 0; q < 4; q++)
		dte[q] |= noise[q];
	assert_int_equal(amdvi_decode_dte(&caps, true, false, dte, &noisy), AMDVI_WHY_NONE);
	assert_memory_equal(clean.host, noisy.host, sizeof(clean.host));
}

static void test_gcr3_index_by_level(void **state)
{
	static const struct { u8 glx; unsigned level; u32 pasid; bool ok; unsigned index; } rows[] = {
		{ 0, 0, 0, true, 0 }, { 0, 0, 511, true, 511 }, { 0, 0, 512, false, 0 },
		{ 1, 1, 0x3ffff, true, 511 }, { 1, 0, 0x201, true, 1 }, { 1, 1, 0x201, true, 1 }, { 1, 1, 0x40000, false, 0 },
		{ 2, 2, 0xfffff, true, 3 }, { 2, 1, 0xfffff, true, 511 }, { 2, 2, 0x100000, false, 0 }, { 1, 2, 0, false, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned index = 9999;

		assert_int_equal(amdvi_gcr3_index(rows[i].glx, rows[i].level, rows[i].pasid, &index), rows[i].ok);
		if (rows[i].ok)
			assert_int_equal(index, rows[i].index);
	}
}

static void test_command_each_kind(void **state)
{
	struct amdvi_cmd c;
	u64 q[2] = { FIELD_PREP(CMD_OP, CMD_COMPLETION_WAIT) | CMD_WAIT_S | CMD_WAIT_I | CMD_WAIT_F | 0xf123456789ab8, ~1ULL };

	assert_true(amdvi_decode_cmd(q, &c));
	assert_int_equal(c.kind, AMDVI_CMD_WAIT);
	assert_true(c.store && c.interrupt);
	assert_int_equal(c.addr, 0xf123456789ab8);
	assert_int_equal(c.data, ~1ULL);
	q[0] = FIELD_PREP(CMD_OP, CMD_INV_DEVTAB) | 0xabcd;
	q[1] = 0;
	assert_true(amdvi_decode_cmd(q, &c));
	assert_int_equal(c.kind, AMDVI_CMD_DEVTAB);
	assert_int_equal(c.sid, 0xabcd);
	q[0] = FIELD_PREP(CMD_OP, CMD_INV_ALL);
	assert_true(amdvi_decode_cmd(q, &c));
	assert_int_equal(c.kind, AMDVI_CMD_ALL);
	q[0] = FIELD_PREP(CMD_OP, CMD_INV_INTR) | 5;
	assert_true(amdvi_decode_cmd(q, &c));
	assert_int_equal(c.kind, AMDVI_CMD_NOTHING);
	q[0] = FIELD_PREP(CMD_OP, CMD_INV_IOTLB) | GENMASK(59, 0);
	assert_true(amdvi_decode_cmd(q, &c));
	assert_int_equal(c.kind, AMDVI_CMD_NOTHING);
}

static void test_amdvi_bad_17_unknown_opcodes_are_illegal(void **state)
{
	struct amdvi_cmd c;

	for (u64 op = 0; op < 16; op++) {
		u64 q[2] = { FIELD_PREP(CMD_OP, op), 0 };

		assert_int_equal(amdvi_decode_cmd(q, &c), (op >= 1 && op <= 5) || op == 8);
	}
}

static void test_amdvi_bad_18_each_reserved_bit_is_illegal(void **state)
{
	/* Bits that a command may have, opcode left out. */
	static const struct { u64 op, qw0, qw1; } rows[] = {
		{ CMD_COMPLETION_WAIT, GENMASK(51, 0), ~0ULL }, { CMD_INV_DEVTAB, 0xffff, 0 },
		{ CMD_INV_PAGES, GENMASK(19, 0) | GENMASK(47, 32), GENMASK(63, 12) | 7 },
		{ CMD_INV_IOTLB, GENMASK(59, 0), GENMASK(63, 12) | BIT(0) | BIT(2) | GENMASK(5, 4) }, { CMD_INV_INTR, 0xffff, 0 }, { CMD_INV_ALL, 0, 0 },
	};
	struct amdvi_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned bit = 0; bit < 60; bit++) {
			u64 q[2] = { FIELD_PREP(CMD_OP, rows[i].op) | BIT(bit), 0 };

			assert_int_equal(amdvi_decode_cmd(q, &c), !!(rows[i].qw0 & BIT(bit)));
		}
		for (unsigned bit = 0; bit < 64; bit++) {
			u64 q[2] = { FIELD_PREP(CMD_OP, rows[i].op), BIT(bit) };

			assert_int_equal(amdvi_decode_cmd(q, &c), !!(rows[i].qw1 & BIT(bit)));
		}
	}
}

static void test_amdvi_bad_21_page_ranges_of_every_size(void **state)
{
	const u64 op = FIELD_PREP(CMD_OP, CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, 9) | 3;
	struct amdvi_cmd c;

	for (unsigned n = 12; n < 64; n++) {
		/* The lowest 0 bit is n. */
		u64 q[2] = { op, (GENMASK(62, 12) & ~BIT(n) & (n > 12 ? GENMASK(n - 1, 12) : 0)) | CMD1_S | CMD1_GN };

		assert_true(amdvi_decode_cmd(q, &c));
		assert_int_equal(c.s1.tag, 9);
		assert_int_equal(c.s1.pasid, 3);
		assert_int_equal(c.s1.scope, n < 51 ? S1_INV_RANGE : S1_INV_PASID);
		if (n < 51) {
			assert_int_equal(c.s1.npages, BIT(n - 11));
			assert_int_equal(c.s1.addr, 0);
		}
	}
	/* All ones, bit 63 included or not. */
	for (unsigned i = 0; i < 2; i++) {
		u64 q[2] = { op, (~0ULL >> i & CMD1_ADDR) | CMD1_S | CMD1_GN };

		assert_true(amdvi_decode_cmd(q, &c));
		assert_int_equal(c.s1.scope, S1_INV_PASID);
	}
	/* One page at the top of the space does not wrap. */
	assert_true(amdvi_decode_cmd((u64[2]){ op, CMD1_ADDR | CMD1_GN }, &c));
	assert_int_equal(c.s1.npages, 1);
	assert_int_equal(c.s1.addr, CMD1_ADDR);
	/* GN=0 names every PASID of the domain. */
	assert_true(amdvi_decode_cmd((u64[2]){ op, 0x5000 }, &c));
	assert_int_equal(c.s1.scope, S1_INV_TAG);
	assert_int_equal(c.s1.tag, 9);
}

static void test_events_say_who_where_why(void **state)
{
	struct s1_fault f = { .kind = S1_FAULT_NOT_PRESENT, .sid = 0x1234, .pasid = 0xabcde, .iova = 0x123456, .write = true };
	u64 ev[2];

	assert_true(amdvi_event_of(&f, ev));
	assert_int_equal(ev[0], FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_GN | EVT_US | EVT_RW | 0x1234 | 0xaULL << 16 | 0xbcdeULL << 32);
	assert_int_equal(ev[1], 0x123456);
	f.kind = S1_FAULT_NO_WRITE;
	f.pasid = DMA_NO_PASID;
	assert_true(amdvi_event_of(&f, ev));
	assert_int_equal(ev[0], FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_GN | EVT_US | EVT_RW | EVT_PR | EVT_PE | 0x1234);
	f.quiet = true;
	assert_false(amdvi_event_of(&f, ev));
	f.kind = S1_FAULT_TABLE;
	f.at = 0x77000;
	assert_true(amdvi_event_of(&f, ev));
	assert_int_equal(FIELD_GET(EVT_CODE, ev[0]), EVT_PAGETAB_HW_ERROR);
	assert_int_equal(ev[1], 0x77000);
	/* A write to the interrupt range is an interrupt. */
	f.kind = S1_FAULT_MSI_REQUEST;
	assert_false(amdvi_event_of(&f, ev));
	f.write = false;
	assert_true(amdvi_event_of(&f, ev));
	assert_int_equal(FIELD_GET(EVT_CODE, ev[0]), EVT_INVALID_REQUEST);
}

static void test_every_reason_has_words_and_malformed_ones_an_event(void **state)
{
	for (unsigned why = 1; why < AMDVI_WHYS; why++) {
		struct s1_fault f = { .kind = S1_FAULT_CONFIG, .reason = (u16)why, .pasid = DMA_NO_PASID };
		u64 ev[2];

		assert_non_null(amdvi_why_name(why));
		assert_string_not_equal(amdvi_why_name(why), "unknown reason");
		if (amdvi_why_malformed(why))
			assert_true(amdvi_event_of(&f, ev));
	}
	assert_string_equal(amdvi_why_name(AMDVI_WHYS), "unknown reason");
}

#define T(t) cmocka_unit_test_setup(t, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_caps_offer_guest_tables_and_nothing_that_needs_more),
		T(test_dte_v2_gives_root_domain_and_a_clean_host_entry),
		T(test_dte_identity_and_no_translation),
		T(test_amdvi_bad_02_mode_or_host_root_alone_is_refused),
		T(test_amdvi_bad_03_each_reserved_bit_alone_is_refused),
		T(test_amdvi_bad_04_entry_without_v_is_ignored_as_a_whole),
		T(test_amdvi_bad_06_guest_translation_without_gten_is_refused),
		T(test_amdvi_bad_07_gcr3_levels_beyond_the_offer_are_refused),
		T(test_amdvi_bad_08_paging_mode_beyond_the_offer_is_refused),
		T(test_amdvi_bad_09_gcr3_root_zero_or_beyond_the_width_is_refused),
		T(test_amdvi_bad_11_other_bits_never_reach_the_host),
		T(test_gcr3_index_by_level),
		T(test_command_each_kind),
		T(test_amdvi_bad_17_unknown_opcodes_are_illegal),
		T(test_amdvi_bad_18_each_reserved_bit_is_illegal),
		T(test_amdvi_bad_21_page_ranges_of_every_size),
		T(test_events_say_who_where_why),
		T(test_every_reason_has_words_and_malformed_ones_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
