/* SPDX-License-Identifier: Apache-2.0 */
// wrap: mem_load
#include "tests/unit/flipped_load.h"
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup(void **state)
{
	flips_left = 0;
	return setup_soft(state);
}

static void up_with_page(void)
{
	guest_structures(&rig);
	guest_first(&rig, 0, 0, 7, PT(0));
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
}

/* --- registers --- */

static void test_vtd_register_table_is_sound(void **state)
{
	assert_null(reg_table_fault(vtd_model.regs, vtd_model.n_regs, VTD_PAGE_LEN));
}

static void test_vtd_registers_have_reset_values_in_pieces_too(void **state)
{
	static const struct { u64 off; unsigned size; u64 want; } rows[] = {
		{ VTD_VER, 4, 0x60 }, { VTD_CAP, 8, 0x81C00700226F0086 }, { VTD_GCMD, 4, 0 }, { VTD_GSTS, 4, 0 },
		{ VTD_RTADDR, 8, 0 }, { VTD_FSTS, 4, 0 }, { VTD_FECTL, 4, 0x80000000 }, { VTD_IECTL, 4, 0x80000000 }, { VTD_IQH, 8, 0 },
		{ 0x58, 8, 0 }, { 0x64, 4, 0 }, { 0x100, 8, 0 }, { 0xc0, 8, 0 }, { 0xff8, 8, 0 }, { VTD_FRCD + 8, 8, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(rd(&rig, rows[i].off, rows[i].size), rows[i].want);
	assert_int_equal(rd(&rig, VTD_ECAP, 8), 0x0001880000000F43 | ECAP_SC | ECAP_PASID | FIELD_PREP(ECAP_PSS, 19));
	assert_int_equal(rd(&rig, VTD_CAP, 4) | rd(&rig, VTD_CAP + 4, 4) << 32, rd(&rig, VTD_CAP, 8));
	assert_int_equal(rd(&rig, VTD_ECAP, 4) | rd(&rig, VTD_ECAP + 4, 4) << 32, rd(&rig, VTD_ECAP, 8));
}

static void test_vtd_address_registers_read_back_for_kdump(void **state)
{
	wr(&rig, VTD_RTADDR, 8, 0x123456789400);
	wr(&rig, VTD_IQA, 8, 0x40000 | IQA_DW | 7);
	wr(&rig, VTD_IRTA, 8, 0x5000f);
	assert_int_equal(rd(&rig, VTD_RTADDR, 8), 0x123456789400);
	assert_int_equal(rd(&rig, VTD_IQA, 8), 0x40000 | IQA_DW | 7);
	assert_int_equal(rd(&rig, VTD_IRTA, 8), 0x5000f);
}

static void test_vtd_status_follows_commands(void **state)
{
	guest_structures(&rig);
	guest_queue_on(&rig);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE);
	guest_root(&rig, ROOT | 0x400);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP);
	guest_te(&rig, true);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP | GCMD_TE);
	guest_te(&rig, false);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP);
	/* What is not offered does nothing. */
	wr(&rig, VTD_GCMD, 4, GCMD_QIE | 0x3b800000);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP);
}

/* --- structures --- */

static void test_vtd_off_is_identity_and_pasids_are_blocked(void **state)
{
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
	assert_int_equal(try_dma(&rig, 0, 5, BUF(1)), 0xff);
}

static void test_vtd_pass_through_entry_is_identity(void **state)
{
	guest_structures(&rig);
	guest_pe(&rig, 0, 0, 4 << 6 | 1, 3, 0);
	guest_up(&rig);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(1)), BUF(1));
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, RIG_RAM), 0xff);
	assert_int_equal(try_dma(&rig, 1, DMA_NO_PASID, BUF(1)), FR_PE_P);
}

static void test_vtd_second_root_takes_effect_while_on(void **state)
{
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	poke(&rig, 0x18000, CTX | 1);
	guest_first(&rig, 0, 0, 7, PT(2));
	for (unsigned level = 0; level < 3; level++)
		poke(&rig, PT(2) + 0x1000 * level, (PT(2) + 0x1000 * (level + 1)) | PTE_RWU);
	guest_map(&rig, 2, 0x5000, BUF(2) | PTE_RWU);
	guest_root(&rig, 0x18000 | 0x400);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(2));
}

static void test_vtd_scalable_legacy_scalable_is_the_kexec_sequence(void **state)
{
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	/* The next kernel ignores the unit: translation off, plain DMA. */
	guest_te(&rig, false);
	wr(&rig, VTD_GCMD, 4, 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(3)), BUF(3));
	guest_up(&rig);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_true(guest_waited(&rig));
}

/* What Linux does at suspend and resume; with power lost between, all registers are at their reset values. */
static void suspend_resume(bool power_lost)
{
	static const u64 saved_off[] = { VTD_FECTL, VTD_FEDATA, VTD_FEADDR, VTD_FEUADDR };
	u64 saved[ARRAY_SIZE(saved_off)], lo, hi;
	unsigned msis;

	up_with_page();
	wr(&rig, VTD_FEDATA, 4, 0x21);
	wr(&rig, VTD_FEADDR, 4, 0xfee02000);
	wr(&rig, VTD_FECTL, 4, 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));

	guest_inv(&rig, QI_CC | 1 << 4, 0);
	guest_inv(&rig, QI_IOTLB | 1 << 4, 0);
	assert_true(guest_waited(&rig));
	guest_te(&rig, false);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_TE, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(saved); i++)
		saved[i] = rd(&rig, saved_off[i], 4);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(3)), BUF(3));
	if (power_lost)
		viommu_reset(rig.v);

	assert_int_equal(rd(&rig, VTD_IQH, 8), rd(&rig, VTD_IQT, 8));
	wr(&rig, VTD_GCMD, 4, rd(&rig, VTD_GSTS, 4) & GCMD_TE);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_QIE, 0);
	guest_queue_on(&rig);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_QIE, GCMD_QIE);
	guest_root(&rig, ROOT | 0x400);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	guest_inv(&rig, INV_PC_ALL, 0);
	guest_inv(&rig, QI_IOTLB | 1 << 4, 0);
	assert_true(guest_waited(&rig));
	guest_te(&rig, true);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP | GCMD_TE);
	for (unsigned i = 0; i < ARRAY_SIZE(saved); i++)
		wr(&rig, saved_off[i], 4, saved[i]);

	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	guest_map(&rig, 0, 0x5000, 0);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_true(guest_waited(&rig));
	msis = rig.msi.n;
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), ~0ULL);
	assert_int_equal(rig.msi.n, msis + 1);
	assert_int_equal(rig.msi.addr, 0xfee02000);
	assert_int_equal(rig.msi.data, 0x21);
	assert_int_equal(guest_fault(&rig, &lo, &hi), FR_FS_P);
}

static void test_vtd_suspend_and_resume_with_registers_kept(void **state)
{
	suspend_resume(false);
}

static void test_vtd_suspend_and_resume_with_registers_lost(void **state)
{
	suspend_resume(true);
}

/* A crash kernel reads back where the root is, copies the tables, and swaps root and queue while devices go on. */
static void test_vtd_crash_kernel_takes_over_while_on(void **state)
{
	u64 rtaddr;

	up_with_page();
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP | GCMD_TE);
	assert_int_equal(rd(&rig, VTD_IQH, 8), rd(&rig, VTD_IQT, 8));
	wr(&rig, VTD_GCMD, 4, GCMD_TE);
	guest_queue_on(&rig);
	rtaddr = rd(&rig, VTD_RTADDR, 8);
	assert_int_equal(rtaddr, ROOT | 0x400);
	for (unsigned i = 0; i < 512; i++)
		poke(&rig, 0x18000 + 8 * i, peek(&rig, (rtaddr & ~0xfffULL) + 8 * i));
	guest_root(&rig, 0x18000 | 0x400);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x6000), FR_FS_P);
	/* Its driver takes the device: new tables. */
	guest_first(&rig, 0, 0, 9, PT(2));
	guest_map(&rig, 2, 0x5000, BUF(2) | PTE_RWU);
	guest_inv(&rig, INV_PC(0), 0);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_true(guest_waited(&rig));
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(2));
}

static void test_vtd_reasons_along_the_walk(void **state)
{
	static const struct { gpa_t at; u64 q; u32 pasid; u8 want; } rows[] = {
		{ ROOT, 0, DMA_NO_PASID, FR_ROOT_P }, { ROOT, RIG_RAM | 1, DMA_NO_PASID, FR_CTX_ACCESS },
		{ CTX + 32 * 8, 0, DMA_NO_PASID, FR_CTX_P }, { CTX + 32 * 8, DIR(0) | 1, 5, FR_PASID_DISABLED },
		{ CTX + 32 * 8, DIR(0) | CTX_PASIDE | 1, 1 << 13, FR_PASID_RANGE }, { CTX + 32 * 8, DIR(0) | CTX_PASIDE | 7 << 9 | 1, 0x100000, FR_PASID_RANGE },
		{ DIR(0), 0, DMA_NO_PASID, FR_DIR_P }, { DIR(0), PTAB(0) | 0x81, DMA_NO_PASID, FR_DIR_RSVD }, { DIR(0), RIG_RAM | 1, DMA_NO_PASID, FR_PE_ACCESS },
		{ PTAB(0), 0, DMA_NO_PASID, FR_PE_P }, { PTAB(0) + 8, BIT(16), DMA_NO_PASID, FR_PE_RSVD }, { PTAB(0) + 16, RIG_RAM, DMA_NO_PASID, FR_FS_ROOT_ACCESS },
		{ PT(0), RIG_RAM | 7, DMA_NO_PASID, FR_FS_ACCESS }, { PT(0) + 0x3000 + 8 * 5, BUF(0) | 5, DMA_NO_PASID, FR_FS_WRITE },
		{ PT(0) + 0x3000 + 8 * 5, BUF(0) | 3, DMA_NO_PASID, FR_FS_US }, { PT(0), PT(0) | 0x87, DMA_NO_PASID, FR_FS_RSVD },
	};

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 keep = peek(&rig, rows[i].at);

		poke(&rig, rows[i].at, rows[i].q);
		guest_inv(&rig, INV_PC_ALL, 0);
		guest_inv(&rig, QI_IOTLB | 1 << 4, 0);
		assert_int_equal(try_dma(&rig, 0, rows[i].pasid, 0x5000), rows[i].want);
		poke(&rig, rows[i].at, keep);
	}
	guest_inv(&rig, INV_PC_ALL, 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BIT(47)), FR_NOT_CANONICAL);
}

/* --- malformed inputs, numbered as in the fact sheet --- */

static void test_vtd_bad_01_translation_without_root_blocks_all(void **state)
{
	guest_te(&rig, true);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_TE);
	for (unsigned i = 0; i < RIG_FNS; i++)
		assert_int_equal(try_dma(&rig, i, DMA_NO_PASID, BUF(0)), FR_ROOT_ACCESS);
}

static void test_vtd_bad_02_reserved_table_mode_blocks_and_stops_queue(void **state)
{
	for (u64 ttm = 2; ttm < 4; ttm++) {
		guest_structures(&rig);
		guest_queue_on(&rig);
		guest_root(&rig, ROOT | ttm << 10);
		guest_te(&rig, true);
		assert_int_equal(rd(&rig, VTD_RTADDR, 8), ROOT | ttm << 10);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), FR_TTM);
		guest_wait(&rig);
		assert_int_equal(rd(&rig, VTD_IQER, 8), IQEI_TTM);
		viommu_reset(rig.v);
	}
}

static void test_vtd_bad_03_legacy_root_is_blocked_and_harms_nothing(void **state)
{
	guest_structures(&rig);
	/* A legacy context entry that would pass through, of the widest address width. */
	poke(&rig, CTX + 16 * 8, 1 | 2 << 2);
	poke(&rig, CTX + 16 * 8 + 8, 2);
	guest_queue_on(&rig);
	guest_root(&rig, ROOT);
	guest_te(&rig, true);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), FR_LEGACY_INVALID);
	assert_int_equal(try_dma(&rig, 0, 5, BUF(0)), FR_LEGACY_PASID);
	guest_root(&rig, ROOT);
	assert_int_equal(try_dma(&rig, 1, DMA_NO_PASID, BUF(0)), FR_LEGACY_INVALID);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	guest_te(&rig, false);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), 0);
}

static void test_vtd_bad_04_root_outside_ram_is_blocked(void **state)
{
	static const u64 roots[] = { RIG_RAM, RIG_BASE, 0xfffffffff000, ~0xfffULL };

	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		guest_root(&rig, (roots[i] & ~0xfffULL) | 0x400);
		guest_te(&rig, true);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), FR_ROOT_ACCESS);
	}
}

static void test_vtd_bad_05_root_entry_reserved_bits_block(void **state)
{
	up_with_page();
	for (unsigned bit = 1; bit < 12; bit++) {
		poke(&rig, ROOT, CTX | 1 | BIT(bit));
		guest_inv(&rig, QI_CC | 1 << 4, 0);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_ROOT_RSVD);
	}
}

static void test_vtd_bad_06_context_reserved_bits_block(void **state)
{
	static const struct { unsigned qw, bit; } rows[] = { { 0, 5 }, { 0, 8 }, { 2, 0 }, { 2, 63 }, { 3, 0 }, { 3, 63 } };

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		gpa_t at = CTX + 32 * 8 + 8 * rows[i].qw;
		u64 keep = peek(&rig, at);

		poke(&rig, at, keep | BIT(rows[i].bit));
		guest_inv(&rig, QI_CC | 3 << 4 | 8ULL << 32, 0);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_CTX_RSVD);
		poke(&rig, at, keep);
	}
}

static void test_vtd_bad_07_directory_pointer_unmapped_blocks(void **state)
{
	up_with_page();
	guest_ctx(&rig, 0, RIG_RAM | 1, 0);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_DIR_ACCESS);
}

static void test_vtd_bad_08_directory_past_ram_end_works_where_it_exists(void **state)
{
	up_with_page();
	guest_ctx(&rig, 0, (RIG_RAM - 0x1000) | 7 << 9 | CTX_PASIDE | 1, 0);
	poke(&rig, RIG_RAM - 0x1000, PTAB(0) | 1);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
	assert_int_equal(try_dma(&rig, 0, 0xfffff, 0x5000), FR_DIR_ACCESS);
}

static void test_vtd_bad_09_rid_pasid_is_ignored(void **state)
{
	up_with_page();
	guest_ctx(&rig, 0, DIR(0) | CTX_PASIDE | 1, 0xfffff);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
}

static void test_vtd_bad_10_directory_aliasing_the_root_is_data(void **state)
{
	up_with_page();
	poke(&rig, DIR(0), ROOT | 1);
	guest_inv(&rig, INV_PC_ALL, 0);
	assert_int_not_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
	guest_ctx(&rig, 0, ROOT | 1, 0);
	poke(&rig, ROOT, ROOT | 1);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	assert_int_not_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
}

static void test_vtd_bad_15_entry_flipped_while_read_is_old_or_new(void **state)
{
	up_with_page();
	guest_pe(&rig, 0, 0, 0, 7, PT(0));
	guest_inv(&rig, INV_PC(0), 0);
	flip_at = PTAB(0);
	flip_mask = 1 << 6 | 1;
	for (unsigned n = 1; n < 40; n++) {
		u8 why;

		flips_left = n;
		loads = 0;
		why = try_dma(&rig, 0, DMA_NO_PASID, 0x5000);
		assert_true(why == 0 || why == FR_PE_P);
		assert_true(loads < 100);
		flips_left = 0;
		guest_pe(&rig, 0, 0, 0, 7, PT(0));
		guest_inv(&rig, INV_PC(0), 0);
	}
}

static void test_vtd_bad_17_toggling_present_costs_and_leaks_nothing(void **state)
{
	up_with_page();
	for (unsigned i = 0; i < 1000; i++) {
		guest_pe(&rig, 0, 0, i & 1 ? 1 << 6 | 1 : 0, 7, PT(0));
		guest_inv(&rig, INV_PC(0), 0);
		assert_true(guest_waited(&rig));
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), i & 1 ? 0 : FR_PE_P);
	}
}

static void test_vtd_bad_34_register_invalidation_answers_at_once(void **state)
{
	wr(&rig, VTD_CCMD, 8, BIT(63) | 1ULL << 61);
	assert_int_equal(rd(&rig, VTD_CCMD, 8) & (BIT(63) | GENMASK(60, 59)), 0);
	wr(&rig, VTD_IOTLB, 8, BIT(63) | 1ULL << 60);
	assert_int_equal(rd(&rig, VTD_IOTLB, 8) & (BIT(63) | GENMASK(58, 57)), 0);
	wr(&rig, VTD_IOTLB + 4, 4, 0x80000000);
	assert_int_equal(rd(&rig, VTD_IOTLB + 4, 4) & 0x80000000, 0);
}

static void test_vtd_bad_35_odd_accesses_are_total(void **state)
{
	static const unsigned sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const u64 vals[] = { 0, ~0ULL, 0x5555555555555555 };

	for (u64 off = 0; off < VTD_PAGE_LEN + 8; off++) {
		for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
			u64 v = rd(&rig, off, sizes[s]);

			if (off + sizes[s] <= VTD_PAGE_LEN && (sizes[s] < 4 || off % 4 || sizes[s] % 4))
				assert_int_equal(v, 0);
			if ((sizes[s] != 4 && sizes[s] != 8) || off % sizes[s])
				wr(&rig, off, sizes[s], ~0ULL);
		}
	}
	assert_int_equal(rd(&rig, VTD_GSTS, 4), 0);
	assert_int_equal(rd(&rig, VTD_RTADDR, 8), 0);
	/* Halves merge, and nothing happens before the command. */
	wr(&rig, VTD_RTADDR + 4, 4, 0x12);
	wr(&rig, VTD_RTADDR, 4, 0x34567400);
	assert_int_equal(rd(&rig, VTD_RTADDR, 8), 0x1234567400);
	assert_int_equal(((struct vtd *)rig.v)->root, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(vals); i++) {
		wr(&rig, VTD_CAP, 8, vals[i]);
		wr(&rig, VTD_GSTS, 4, vals[i]);
		wr(&rig, VTD_IQH, 8, vals[i]);
	}
	assert_int_equal(rd(&rig, VTD_CAP, 8), 0x81C00700226F0086);
	assert_int_equal(rd(&rig, VTD_IQH, 8), 0);
}

static void test_vtd_bad_35_every_register_takes_every_value(void **state)
{
	for (unsigned i = 0; i < vtd_model.n_regs; i++) {
		const struct reg_desc *r = &vtd_model.regs[i];

		for (unsigned bit = 0; bit < 8U * r->size + 2; bit++) {
			wr(&rig, r->off, r->size, bit < 8U * r->size ? BIT(bit) : bit & 1 ? 0 : ~0ULL);
			(void)rd(&rig, r->off, r->size);
			rig_events(&rig);
		}
	}
	viommu_reset(rig.v);
	up_with_page();
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
}

static void test_vtd_bad_36_several_commands_in_one_write_are_ordered(void **state)
{
	guest_structures(&rig);
	guest_first(&rig, 0, 0, 7, PT(0));
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	wr(&rig, VTD_IQA, 8, IQ | IQA_DW | 1);
	wr(&rig, VTD_RTADDR, 8, ROOT | 0x400);
	guest_put(&rig, INV_PC_ALL, 0);
	guest_wait(&rig);
	assert_false(guest_waited(&rig));
	wr(&rig, VTD_GCMD, 4, GCMD_TE | GCMD_SRTP | GCMD_QIE);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_TE | GCMD_SRTP | GCMD_QIE);
	assert_true(guest_waited(&rig));
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
}

static void test_vtd_bad_39_addresses_above_the_width_fail_on_use(void **state)
{
	wr(&rig, VTD_IVA, 8, ~0ULL);
	guest_structures(&rig);
	guest_root(&rig, BIT(63) | ROOT | 0x400);
	guest_te(&rig, true);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), FR_ROOT_ACCESS);
}

static void test_vtd_bad_40_self_referencing_tables_end(void **state)
{
	up_with_page();
	poke(&rig, PT(0), PT(0) | PTE_RWU);
	guest_inv(&rig, QI_IOTLB | 1 << 4, 0);
	loads = 0;
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x10), PT(0) + 0x10);
	assert_true(loads < 40);
	/* Leaves to the unit's own page, and to the interrupt range. */
	poke(&rig, PT(0), (PT(0) + 0x1000) | PTE_RWU);
	guest_map(&rig, 0, 0x6000, RIG_BASE | PTE_RWU);
	guest_map(&rig, 0, 0x7000, 0xfee00000 | PTE_RWU);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x6000), 0xff);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x7000), FR_MSI_RANGE);
}

/* What an unplugged page leaves behind: structures that cannot be read. */
static void test_vtd_bad_41_tables_in_vanished_memory_block(void **state)
{
	static const struct { gpa_t at; u64 q; u8 want; } rows[] = {
		{ ROOT, RIG_RAM | 1, FR_CTX_ACCESS }, { DIR(0), RIG_RAM | 1, FR_PE_ACCESS }, { PT(0), RIG_RAM | 7, FR_FS_ACCESS }, { PT(0) + 0x2000, RIG_RAM | 7, FR_FS_ACCESS },
	};

	up_with_page();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 keep = peek(&rig, rows[i].at);

		poke(&rig, rows[i].at, rows[i].q);
		guest_inv(&rig, INV_PC_ALL, 0);
		guest_inv(&rig, QI_IOTLB | 1 << 4, 0);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), rows[i].want);
		poke(&rig, rows[i].at, keep);
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_vtd_register_table_is_sound),
		T(test_vtd_registers_have_reset_values_in_pieces_too),
		T(test_vtd_address_registers_read_back_for_kdump),
		T(test_vtd_status_follows_commands),
		T(test_vtd_off_is_identity_and_pasids_are_blocked),
		T(test_vtd_pass_through_entry_is_identity),
		T(test_vtd_second_root_takes_effect_while_on),
		T(test_vtd_scalable_legacy_scalable_is_the_kexec_sequence),
		T(test_vtd_suspend_and_resume_with_registers_kept),
		T(test_vtd_suspend_and_resume_with_registers_lost),
		T(test_vtd_crash_kernel_takes_over_while_on),
		T(test_vtd_reasons_along_the_walk),
		T(test_vtd_bad_01_translation_without_root_blocks_all),
		T(test_vtd_bad_02_reserved_table_mode_blocks_and_stops_queue),
		T(test_vtd_bad_03_legacy_root_is_blocked_and_harms_nothing),
		T(test_vtd_bad_04_root_outside_ram_is_blocked),
		T(test_vtd_bad_05_root_entry_reserved_bits_block),
		T(test_vtd_bad_06_context_reserved_bits_block),
		T(test_vtd_bad_07_directory_pointer_unmapped_blocks),
		T(test_vtd_bad_08_directory_past_ram_end_works_where_it_exists),
		T(test_vtd_bad_09_rid_pasid_is_ignored),
		T(test_vtd_bad_10_directory_aliasing_the_root_is_data),
		T(test_vtd_bad_15_entry_flipped_while_read_is_old_or_new),
		T(test_vtd_bad_17_toggling_present_costs_and_leaks_nothing),
		T(test_vtd_bad_34_register_invalidation_answers_at_once),
		T(test_vtd_bad_35_odd_accesses_are_total),
		T(test_vtd_bad_35_every_register_takes_every_value),
		T(test_vtd_bad_36_several_commands_in_one_write_are_ordered),
		T(test_vtd_bad_39_addresses_above_the_width_fail_on_use),
		T(test_vtd_bad_40_self_referencing_tables_end),
		T(test_vtd_bad_41_tables_in_vanished_memory_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
