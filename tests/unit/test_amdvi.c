/* SPDX-License-Identifier: Apache-2.0 */
// wrap: mem_load
#include "tests/unit/flipped_load.h"
#include "tests/unit/amdvi_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup(void **state)
{
	flips_left = 0;
	return setup_soft(state);
}

static int setup_fake(void **state)
{
	flips_left = 0;
	return setup_fake_of(1, 0);
}

static void up_with_page(void)
{
	guest_structures(&rig);
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
}

/* Gives device 0 the entry and says so; 0 or the event that a write to 0x5000 leaves. */
static u8 with_dte(u64 q0, u64 q1, u64 q2)
{
	guest_dte(&rig, 0, q0, q1, q2);
	guest_inv_dte(&rig, 0);
	assert_true(guest_waited(&rig));
	return try_dma(&rig, 0, DMA_NO_PASID, 0x5000);
}

/* --- registers --- */

static void test_amdvi_register_table_is_sound(void **state)
{
	assert_null(reg_table_fault(amdvi_model.regs, amdvi_model.n_regs, AMDVI_MMIO_LEN));
	assert_int_equal(viommu_mmio_len(VIOMMU_AMDVI), AMDVI_MMIO_LEN);
}

static void test_amdvi_registers_have_reset_values_in_pieces_too(void **state)
{
	assert_int_equal(rd(&rig, AMDVI_EFR, 8), 0x00010000000000D0);
	assert_int_equal(rd(&rig, AMDVI_EFR, 4), 0xD0);
	assert_int_equal(rd(&rig, AMDVI_EFR + 4, 4), 0x10000);
	for (u64 off = 0; off < AMDVI_MMIO_LEN; off += 8)
		assert_int_equal(rd(&rig, off, 8), off == AMDVI_EFR ? 0x00010000000000D0 : 0);
}

static void test_amdvi_bases_in_two_halves_read_back_for_kdump(void **state)
{
	wr(&rig, AMDVI_DEVTAB, 4, 0x2345607f);
	wr(&rig, AMDVI_DEVTAB + 4, 4, 0x1);
	assert_int_equal(rd(&rig, AMDVI_DEVTAB, 8), 0x12345607f);
	wr(&rig, AMDVI_CMDBASE, 8, CMDS | LEN_512);
	assert_int_equal(rd(&rig, AMDVI_CMDBASE, 8), CMDS | LEN_512);
	assert_int_equal(rd(&rig, AMDVI_CMDBASE + 4, 4), LEN_512 >> 32);
}

static void test_amdvi_status_follows_control(void **state)
{
	guest_up(&rig);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN | STS_EVT_RUN);
	guest_control(&rig, UP & ~CTL_CMD_BUF_EN);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_EVT_RUN);
	guest_control(&rig, UP & ~CTL_IOMMU_EN);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), 0);
}

/* --- what devices undergo --- */

static void test_amdvi_off_is_identity_and_pasids_are_blocked(void **state)
{
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
	assert_int_equal(try_dma(&rig, 0, 5, BUF(1)), 0xff);
}

static void test_amdvi_guest_table_translates(void **state)
{
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5123), BUF(0) + 0x123);
	/* Every entry is marked as used, the leaf as written by a write. */
	assert_int_equal(peek(&rig, guest_pte(0, 0x5000)) & 0x60, 0x20);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
	assert_int_equal(peek(&rig, guest_pte(0, 0x5000)) & 0x60, 0x60);
	assert_int_equal(try_dma(&rig, 1, DMA_NO_PASID, 0x5000), EVT_IO_PAGE_FAULT);
}

static void test_amdvi_linux_states_of_an_entry(void **state)
{
	up_with_page();
	assert_int_equal(with_dte(DTE_V | DTE_TV, 0, 0), EVT_IO_PAGE_FAULT); /* at boot */
	assert_int_equal(with_dte(DTE_V, 0, 0), EVT_IO_PAGE_FAULT); /* blocked domain */
	assert_int_equal(with_dte(DTE_V | DTE_TV | DTE_IR | DTE_IW, 0, 0), 0); /* identity */
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
	assert_int_equal(with_dte(dte_q0(GCR3(0), DTE_V2), dte_q1(GCR3(0), 7), 0), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	/* Guest translation for PASIDs only: requests without one pass. */
	assert_int_equal(with_dte(dte_q0(GCR3(0), DTE_V2 & ~DTE_GIOV), dte_q1(GCR3(0), 7), 0), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
	assert_int_equal(where(&rig, 0, 0, 0x5000), BUF(0));
}

static void test_amdvi_pasids_by_three_levels_of_gcr3_tables(void **state)
{
	const u32 pasid = 0x81234; /* 2, 9, 0x34 */
	u64 ev[2];

	up_with_page();
	amdvi_of(rig.v)->caps.efr |= FIELD_PREP(EFR_GLXSUP, 2);
	guest_gcr3(&rig, 0, 0, 0);
	poke(&rig, GCR3(0) + 8 * 2, GCR3(1) | GCR3_V);
	poke(&rig, GCR3(1) + 8 * 9, GCR3(2) | GCR3_V);
	poke(&rig, GCR3(2) + 8 * 0x34, PT(0) | GCR3_V);
	guest_dte(&rig, 0, dte_q0(GCR3(0), DTE_V2 | FIELD_PREP(DTE_GLX, 2)), dte_q1(GCR3(0), 7), 0);
	guest_inv_dte(&rig, 0);
	assert_int_equal(where(&rig, 0, pasid, 0x5000), BUF(0));
	assert_int_equal(try_dma(&rig, 0, pasid + 1, 0x5000), EVT_IO_PAGE_FAULT);
	poke(&rig, GCR3(1) + 8 * 9, RIG_RAM | GCR3_V);
	guest_inv_all(&rig);
	assert_int_equal(request(&rig, 0, pasid, 0x5000, DMA_READ, ev), EVT_PAGETAB_HW_ERROR);
	assert_int_equal(ev[1], RIG_RAM + 8 * 0x34);
}

static void test_amdvi_changed_gcr3_entry_is_seen_after_its_invalidation(void **state)
{
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	guest_map(&rig, 2, 0x5000, BUF(2) | PTE_RWU);
	guest_gcr3(&rig, 0, 0, PT(2) | GCR3_V);
	guest_cmd(&rig, CMD_PAGES_OF(7, 0), ALL_PAGES | CMD1_GN);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(2));
	guest_gcr3(&rig, 0, 0, 0);
	guest_cmd(&rig, CMD_PAGES_OF(7, 0), ALL_PAGES | CMD1_GN);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), EVT_IO_PAGE_FAULT);
}

static void test_amdvi_device_table_moves_while_on(void **state)
{
	up_with_page();
	guest_map(&rig, 2, 0x5000, BUF(2) | PTE_RWU);
	poke(&rig, 0x18000 + 32 * 8, dte_q0(GCR3(2), DTE_V2));
	poke(&rig, 0x18000 + 32 * 8 + 8, dte_q1(GCR3(2), 3));
	wr(&rig, AMDVI_DEVTAB, 8, 0x18000);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(2));
}

/* --- on a host's IOMMU --- */

static void test_amdvi_host_gets_a_clean_entry_once(void **state)
{
	struct amdvi_dte d;
	u64 dte[4] = { dte_q0(GCR3(0), DTE_V2), dte_q1(GCR3(0), 7) };

	guest_structures(&rig);
	guest_up(&rig);
	assert_string_equal(fake.log, "iiTTTT");
	fake_clear(&fake);
	assert_int_equal(amdvi_decode_dte(&amdvi_of(rig.v)->caps, true, false, dte, &d), AMDVI_WHY_NONE);
	assert_memory_equal(fake.last[0][0].table.raw, d.host, sizeof(d.host));
	assert_int_equal(fake.last[0][0].tag, 7);
	/* I, EX, SysMgt: none of the host's business. */
	guest_dte(&rig, 0, dte[0], dte[1] | BIT(32) | BIT(39) | GENMASK(41, 40), 0);
	guest_inv_dte(&rig, 0);
	assert_string_equal(fake.log, "");
	guest_v2(&rig, 0, 99);
	guest_inv_dte(&rig, 0);
	assert_string_equal(fake.log, "T");
}

static void test_amdvi_refused_entry_blocks_records_and_completes(void **state)
{
	u64 ev[2];

	guest_structures(&rig);
	guest_up(&rig);
	fake_clear(&fake);
	fake.fail_set_at = 1;
	guest_v2(&rig, 0, 99);
	guest_inv_dte(&rig, 0);
	assert_true(guest_waited(&rig));
	assert_string_equal(fake.log, "B");
	assert_int_equal(guest_event(&rig, ev), EVT_ILLEGAL_DTE);
	assert_int_equal(ev[0] & EVT_SID, 8);
}

/* --- malformed inputs, numbered as in the fact sheet --- */

static void test_amdvi_bad_01_host_page_table_blocks_with_an_event(void **state)
{
	u64 ev[2];

	up_with_page();
	assert_int_equal(with_dte(DTE_V | DTE_TV | FIELD_PREP(DTE_MODE, 3) | PT(0) | DTE_IR | DTE_IW, 7, 0), EVT_ILLEGAL_DTE);
	assert_true(amdvi_of(rig.v)->v1_told);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, BUF(1), DMA_READ, ev), EVT_ILLEGAL_DTE);
	assert_int_equal(ev[0] & EVT_RZ, 0);
	assert_int_equal(ev[1], BUF(1));
	/* The others go on. */
	guest_map(&rig, 1, 0x5000, BUF(1) | PTE_RWU);
	assert_int_equal(where(&rig, 1, DMA_NO_PASID, 0x5000), BUF(1));
}

static void test_amdvi_bad_04_entry_without_v_passes_without_event(void **state)
{
	up_with_page();
	assert_int_equal(with_dte(~DTE_V, ~0ULL, ~0ULL), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
}

static void test_amdvi_bad_05_guest_table_without_tv_blocks(void **state)
{
	up_with_page();
	assert_int_equal(with_dte(dte_q0(GCR3(0), DTE_V2 & ~DTE_TV), dte_q1(GCR3(0), 7), 0), EVT_IO_PAGE_FAULT);
}

static void test_amdvi_bad_06_guest_table_without_gten_blocks(void **state)
{
	up_with_page();
	guest_control(&rig, UP & ~CTL_GT_EN);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), EVT_ILLEGAL_DTE);
	guest_control(&rig, UP);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
}

static void test_amdvi_bad_07_refused_levels_never_reach_the_host(void **state)
{
	u64 ev[2];

	guest_structures(&rig);
	guest_up(&rig);
	for (unsigned glx = 1; glx < 4; glx++) {
		fake_clear(&fake);
		guest_v2(&rig, 0, 7);
		guest_inv_dte(&rig, 0);
		guest_dte(&rig, 0, dte_q0(GCR3(0), DTE_V2 | FIELD_PREP(DTE_GLX, glx)), dte_q1(GCR3(0), 7), 0);
		guest_inv_dte(&rig, 0);
		assert_string_equal(fake.log, glx == 1 ? "B" : "TB");
		assert_int_equal(guest_event(&rig, ev), EVT_ILLEGAL_DTE);
	}
}

static void test_amdvi_bad_09_gcr3_root_outside_ram_blocks(void **state)
{
	static const gpa_t roots[] = { 0, RIG_BASE, RIG_RAM, 0xfffff000, BIT(46) };

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		u8 why = with_dte(dte_q0(roots[i], DTE_V2), dte_q1(roots[i], 7), 0);

		assert_true(why == EVT_ILLEGAL_DTE || why == EVT_PAGETAB_HW_ERROR);
	}
}

static void test_amdvi_bad_09_host_is_not_given_a_root_outside_ram(void **state)
{
	u64 ev[2];

	guest_structures(&rig);
	guest_up(&rig);
	fake_clear(&fake);
	guest_dte(&rig, 0, dte_q0(RIG_RAM, DTE_V2), dte_q1(RIG_RAM, 7), 0);
	guest_inv_dte(&rig, 0);
	assert_string_equal(fake.log, "B");
	assert_int_equal(guest_event(&rig, ev), EVT_ILLEGAL_DTE);
}

static void test_amdvi_bad_10_one_way_entry_is_honoured_by_software(void **state)
{
	u64 ev[2];

	up_with_page();
	(void)with_dte(dte_q0(GCR3(0), DTE_V2 & ~DTE_IW), dte_q1(GCR3(0), 7), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0x5000, DMA_WRITE, ev), EVT_IO_PAGE_FAULT);
	assert_true(ev[0] & EVT_PE);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0x5000, DMA_RW, ev), EVT_IO_PAGE_FAULT);
	(void)with_dte(DTE_V | DTE_TV | DTE_IW, 7, 0);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, BUF(1), DMA_READ, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, BUF(1), DMA_WRITE, ev), 0);
}

static void test_amdvi_bad_10_one_way_entry_blocks_on_hardware(void **state)
{
	u64 ev[2];

	guest_structures(&rig);
	guest_up(&rig);
	fake_clear(&fake);
	guest_dte(&rig, 0, dte_q0(GCR3(0), DTE_V2 & ~DTE_IW), dte_q1(GCR3(0), 7), 0);
	guest_inv_dte(&rig, 0);
	assert_string_equal(fake.log, "B");
	assert_int_equal(guest_event(&rig, ev), EVT_ILLEGAL_DTE);
}

static void test_amdvi_bad_12_entry_flipped_while_read_is_old_or_new(void **state)
{
	up_with_page();
	flip_at = dte_at(&rig, 0);
	flip_mask = DTE_TV;
	for (unsigned n = 1; n < 40; n++) {
		u8 why;

		guest_v2(&rig, 0, 7);
		flips_left = n;
		loads = 0;
		guest_inv_dte(&rig, 0);
		why = try_dma(&rig, 0, DMA_NO_PASID, 0x5000);
		/* An entry that never holds still blocks: it must not read as one without V, which passes. */
		assert_true(why == 0 || why == EVT_IO_PAGE_FAULT);
		assert_int_not_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
		assert_true(loads < 200);
		flips_left = 0;
		guest_v2(&rig, 0, 7);
		guest_inv_dte(&rig, 0);
		assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	}
}

static void test_amdvi_bad_13_ids_beyond_the_table_or_of_nobody(void **state)
{
	up_with_page();
	guest_cmd(&rig, CMD(CMD_INV_DEVTAB) | 0xffff, 0);
	assert_true(guest_waited(&rig));
	guest_cmd(&rig, CMD(CMD_INV_DEVTAB) | 0x77, 0);
	assert_true(guest_waited(&rig));
	/* On bus 1 the functions are beyond 128 entries: no DMA, and nothing to tell of an entry that is not there. */
	rig_bus = 1;
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0xff);
	rig_bus = 0;
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
}

static void test_amdvi_bad_14_device_table_outside_ram_blocks(void **state)
{
	static const u64 bases[] = { RIG_RAM, RIG_BASE, 0xffffffffff000 | 0x1ff, RIG_RAM - 0x1000 };
	u64 ev[2];

	up_with_page();
	rig_bus = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		/* Large enough, so that only where it is counts. */
		wr(&rig, AMDVI_DEVTAB, 8, bases[i] | 0x1ff);
		assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0x5000, DMA_WRITE, ev), EVT_DEVTAB_HW_ERROR);
		assert_int_equal(ev[1], (bases[i] & BASE_ADDR) + DTE_LEN * PCI_BDF(1, 1, 0));
	}
	rig_bus = 0;
}

static void test_amdvi_bad_22_ring_of_equal_invalidations_costs_the_host_nothing(void **state)
{
	guest_structures(&rig);
	guest_up(&rig);
	fake_clear(&fake);
	for (gpa_t at = 0; at < 0x80000; at += 16) {
		poke(&rig, 0x800000 + at, CMD(CMD_INV_DEVTAB) | 8);
		poke(&rig, 0x800000 + at + 8, 0);
	}
	guest_control(&rig, UP & ~CTL_CMD_BUF_EN);
	wr(&rig, AMDVI_CMDBASE, 8, 0x800000 | 15ULL << 56);
	guest_control(&rig, UP);
	wr(&rig, AMDVI_CMDTAIL, 4, 0x80000 - 16);
	assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), 16 * QUEUE_SLICE_ENTRIES);
	for (unsigned i = 0; i < 1000 && rd(&rig, AMDVI_CMDHEAD, 4) != 0x80000 - 16; i++)
		rig_events(&rig);
	assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), 0x80000 - 16);
	assert_string_equal(fake.log, "");
}

static void test_amdvi_bad_23_entry_flipped_for_long_stays_consistent(void **state)
{
	static const char want[] = "TPB";

	guest_structures(&rig);
	guest_up(&rig);
	for (unsigned i = 0; i < 3000; i++) {
		fake_clear(&fake);
		if (i % 3 == 1)
			guest_v2(&rig, 0, 7);
		else
			guest_dte(&rig, 0, i % 3 ? DTE_V | DTE_TV | DTE_IR | DTE_IW : DTE_V, 0, 0);
		guest_inv_dte(&rig, 0);
		assert_true(guest_waited(&rig));
		assert_int_equal(fake.n_log, 1);
		assert_int_equal(fake.log[0], want[(i + 2) % 3]);
	}
}

static void test_amdvi_bad_24_one_domain_with_two_roots_is_the_guests_affair(void **state)
{
	up_with_page();
	guest_map(&rig, 1, 0x5000, BUF(1) | PTE_RWU);
	guest_v2(&rig, 1, 7);
	guest_inv_dte(&rig, 1);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	assert_int_equal(where(&rig, 1, DMA_NO_PASID, 0x5000), BUF(1));
}

static void test_amdvi_bad_25_every_domain_id_in_turn_leaves_one_table_each(void **state)
{
	guest_structures(&rig);
	guest_up(&rig);
	for (u32 did = 0; did < 0x10000; did += 7) {
		fake_clear(&fake);
		guest_v2(&rig, 0, (u16)did);
		guest_inv_dte(&rig, 0);
		assert_int_equal(fake.last[0][0].tag, did);
		assert_true(fake.n_log <= 1);
	}
	/* Of all that, one configuration is left in force. */
	assert_int_equal(rig.v->devs->n_att, 1);
}

static void test_amdvi_bad_28_looped_and_overlong_tables_end(void **state)
{
	static const struct { unsigned level; u64 pte; u8 want; } rows[] = {
		{ 4, 0x87, EVT_IO_PAGE_FAULT }, { 3, BIT(46) | 7, EVT_IO_PAGE_FAULT }, { 1, BIT(51) | 7, EVT_IO_PAGE_FAULT },
		{ 2, 0x2000 | 0x87, EVT_IO_PAGE_FAULT },
	};
	u64 ev[2];

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		gpa_t at = PT(0) + 0x1000 * (4 - rows[i].level) + (rows[i].level == 1 ? 8 * 5 : 0);
		u64 keep = peek(&rig, at);

		poke(&rig, at, rows[i].pte);
		guest_inv_all(&rig);
		assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0x5000, DMA_WRITE, ev), rows[i].want);
		assert_true(ev[0] & EVT_RZ);
		poke(&rig, at, keep);
	}
	poke(&rig, PT(0), PT(0) | PTE_RWU);
	guest_inv_all(&rig);
	loads = 0;
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x10), PT(0) + 0x10);
	assert_true(loads < 40);
}

static void test_amdvi_bad_29_tables_in_device_memory_or_vanished_pages(void **state)
{
	static const gpa_t places[] = { RIG_BASE, RIG_RAM, 0xfee00000 };
	u64 ev[2];

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		for (unsigned level = 0; level < 3; level++) {
			gpa_t at = PT(0) + 0x1000 * level;
			u64 keep = peek(&rig, at);

			poke(&rig, at, places[i] | PTE_RWU);
			guest_inv_all(&rig);
			assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0x5000, DMA_WRITE, ev), EVT_PAGETAB_HW_ERROR);
			assert_int_equal(ev[1], places[i] + (level == 2 ? 8 * 5 : 0));
			poke(&rig, at, keep);
		}
		/* A page there is no target either. */
		guest_map(&rig, 0, 0x5000, places[i] | PTE_RWU);
		guest_inv_all(&rig);
		assert_int_not_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
	}
}

static void test_amdvi_bad_31_odd_accesses_are_total(void **state)
{
	for (u64 off = 0; off < AMDVI_MMIO_LEN + 8; off += off == 0x200 ? 0x1e00 : 1) {
		for (unsigned size = 1; size <= 8; size++) {
			if ((size != 4 && size != 8) || off % size) {
				assert_true(off + size > AMDVI_MMIO_LEN || rd(&rig, off, size) == 0);
				wr(&rig, off, size, ~0ULL);
			}
		}
	}
	assert_int_equal(rd(&rig, AMDVI_CONTROL, 8), 0);
	wr(&rig, AMDVI_EFR, 8, ~0ULL);
	wr(&rig, AMDVI_EFR2, 8, ~0ULL);
	wr(&rig, AMDVI_STATUS, 8, ~0ULL);
	assert_int_equal(rd(&rig, AMDVI_EFR, 8), 0x00010000000000D0);
	assert_int_equal(rd(&rig, AMDVI_EFR2, 8), 0);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), 0);
}

static void test_amdvi_bad_31_every_register_takes_every_value(void **state)
{
	for (unsigned i = 0; i < amdvi_model.n_regs; i++) {
		const struct reg_desc *r = &amdvi_model.regs[i];

		for (unsigned bit = 0; bit < 66; bit++) {
			wr(&rig, r->off, 8, bit < 64 ? BIT(bit) : bit & 1 ? 0 : ~0ULL);
			(void)rd(&rig, r->off, 8);
			rig_events(&rig);
		}
	}
	viommu_reset(rig.v);
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
}

static void test_amdvi_bad_32_control_keeps_what_is_offered_only(void **state)
{
	guest_control(&rig, ~0ULL);
	assert_int_equal(rd(&rig, AMDVI_CONTROL, 8), GENMASK(12, 0) | CTL_GT_EN | CTL_GA_EN);
	/* Nothing of it was set up: no ring runs, all devices are cut off. */
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), 0);
}

static void test_amdvi_bad_33_switched_off_under_traffic(void **state)
{
	struct dma_span s;
	struct iovec iov;

	up_with_page();
	assert_int_equal(dma_get(rig.dma[0], 0x5000, 8, DMA_WRITE, &s, &iov, 1), 1);
	guest_control(&rig, 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(3)), BUF(3));
	dma_put(&s);
	assert_int_equal(rd(&rig, AMDVI_EVTTAIL, 4), 0);
	guest_up(&rig);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
}

static void test_amdvi_bad_35_requests_across_borders(void **state)
{
	struct dma_span s;
	struct iovec iov[4];
	u64 ev[2];

	up_with_page();
	guest_map(&rig, 0, 0x6000, BUF(2) | PTE_RWU);
	assert_int_equal(dma_get(rig.dma[0], 0x5ff8, 16, DMA_WRITE, &s, iov, 4), 2);
	assert_int_equal(iov[0].iov_len, 8);
	dma_put(&s);
	assert_int_equal(dma_get(rig.dma[0], 0x5000, 0, DMA_WRITE, &s, iov, 4), -EFAULT);
	/* No sign: bit 47 is an address bit, those above must be 0. */
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, BIT(48) - 4, DMA_WRITE, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, ~0ULL << 47, DMA_WRITE, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(dma_get(rig.dma[0], ~0ULL - 3, 8, DMA_WRITE, &s, iov, 4), -EFAULT);
	poke(&rig, PT(0) + 8 * 256, peek(&rig, PT(0)));
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BIT(47) + 0x5000), BUF(0));
	/* The interrupt range: a write is no DMA, a read an error, and what only reaches into it passes as a whole or not at all. */
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0xfee00000, DMA_WRITE, ev), 0xff);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0xfee00000, DMA_READ, ev), EVT_INVALID_REQUEST);
	assert_int_equal(request(&rig, 0, DMA_NO_PASID, 0xfedffffc, DMA_READ, ev), EVT_INVALID_REQUEST);
}

static void test_amdvi_reset_gives_pass_through_and_reset_registers(void **state)
{
	up_with_page();
	fake_clear(&fake);
	viommu_reset(rig.v);
	assert_string_equal(fake.log, "iPPPP");
	assert_int_equal(rd(&rig, AMDVI_CONTROL, 8), 0);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), 0);
	assert_int_equal(rd(&rig, AMDVI_DEVTAB, 8), 0);
	assert_int_equal(rd(&rig, AMDVI_EFR, 8), 0x00010000000000D0);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define F(t) cmocka_unit_test_setup_teardown(t, setup_fake, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_amdvi_register_table_is_sound),
		T(test_amdvi_registers_have_reset_values_in_pieces_too),
		T(test_amdvi_bases_in_two_halves_read_back_for_kdump),
		T(test_amdvi_status_follows_control),
		T(test_amdvi_off_is_identity_and_pasids_are_blocked),
		T(test_amdvi_guest_table_translates),
		T(test_amdvi_linux_states_of_an_entry),
		T(test_amdvi_pasids_by_three_levels_of_gcr3_tables),
		T(test_amdvi_changed_gcr3_entry_is_seen_after_its_invalidation),
		T(test_amdvi_device_table_moves_while_on),
		F(test_amdvi_host_gets_a_clean_entry_once),
		F(test_amdvi_refused_entry_blocks_records_and_completes),
		T(test_amdvi_bad_01_host_page_table_blocks_with_an_event),
		T(test_amdvi_bad_04_entry_without_v_passes_without_event),
		T(test_amdvi_bad_05_guest_table_without_tv_blocks),
		T(test_amdvi_bad_06_guest_table_without_gten_blocks),
		F(test_amdvi_bad_07_refused_levels_never_reach_the_host),
		T(test_amdvi_bad_09_gcr3_root_outside_ram_blocks),
		F(test_amdvi_bad_09_host_is_not_given_a_root_outside_ram),
		T(test_amdvi_bad_10_one_way_entry_is_honoured_by_software),
		F(test_amdvi_bad_10_one_way_entry_blocks_on_hardware),
		T(test_amdvi_bad_12_entry_flipped_while_read_is_old_or_new),
		T(test_amdvi_bad_13_ids_beyond_the_table_or_of_nobody),
		T(test_amdvi_bad_14_device_table_outside_ram_blocks),
		F(test_amdvi_bad_22_ring_of_equal_invalidations_costs_the_host_nothing),
		F(test_amdvi_bad_23_entry_flipped_for_long_stays_consistent),
		T(test_amdvi_bad_24_one_domain_with_two_roots_is_the_guests_affair),
		F(test_amdvi_bad_25_every_domain_id_in_turn_leaves_one_table_each),
		T(test_amdvi_bad_28_looped_and_overlong_tables_end),
		T(test_amdvi_bad_29_tables_in_device_memory_or_vanished_pages),
		T(test_amdvi_bad_31_odd_accesses_are_total),
		T(test_amdvi_bad_31_every_register_takes_every_value),
		T(test_amdvi_bad_32_control_keeps_what_is_offered_only),
		T(test_amdvi_bad_33_switched_off_under_traffic),
		T(test_amdvi_bad_35_requests_across_borders),
		F(test_amdvi_reset_gives_pass_through_and_reset_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
