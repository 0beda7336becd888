/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"
#include "tests/unit/viommu_storm.h"

static int setup(void **state)
{
	rig_init(&rig, NULL);
	guest_structures(&rig);
	guest_first(&rig, 0, 0, 7, PT(0));
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
	return 0;
}

static void queue_again(u64 iqa)
{
	wr(&rig, VTD_GCMD, 4, GCMD_TE);
	wr(&rig, VTD_IQT, 4, 0);
	wr(&rig, VTD_IQA, 8, iqa);
	wr(&rig, VTD_GCMD, 4, GCMD_TE | GCMD_QIE);
	rig.tail = 0;
}

static void assert_stopped(u8 iqei)
{
	assert_true(rd(&rig, VTD_FSTS, 4) & FSTS_IQE);
	assert_int_equal(rd(&rig, VTD_IQER, 8), iqei);
	assert_false(guest_waited(&rig));
}

static void test_queue_every_type_completes(void **state)
{
	static const u64 q0[] = {
		QI_CC | 1 << 4, QI_CC | 2 << 4, QI_CC | 3 << 4, QI_IOTLB | 1 << 4, QI_IOTLB | 2 << 4, QI_IOTLB | 3 << 4, QI_DEVTLB, QI_IEC, QI_IEC | 1 << 4,
		QI_PIOTLB | 2 << 4, QI_PIOTLB | 3 << 4, QI_PC, QI_PC | 1 << 4, QI_PC | 3 << 4, QI_PDEVTLB, QI_PGRP, QI_WAIT | QI_WAIT_FN,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(q0); i++) {
		guest_inv(&rig, q0[i], 0);
		assert_true(guest_waited(&rig));
		assert_int_equal(rd(&rig, VTD_IQH, 8), rig.tail);
	}
	assert_int_equal(rd(&rig, VTD_FSTS, 4), 0);
}

static void test_queue_narrow_entries_work_before_any_root(void **state)
{
	viommu_reset(rig.v);
	wr(&rig, VTD_IQA, 8, IQ);
	wr(&rig, VTD_GCMD, 4, GCMD_QIE);
	poke(&rig, IQ, QI_CC | 1 << 4);
	poke(&rig, IQ + 8, 0);
	poke(&rig, IQ + 16, QI_WAIT | QI_WAIT_SW | 77ULL << 32);
	poke(&rig, IQ + 24, STATUS);
	wr(&rig, VTD_IQT, 4, 0x20);
	assert_int_equal((u32)peek(&rig, STATUS), 77);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0x20);
}

static void test_queue_wait_in_last_slot_wraps(void **state)
{
	for (unsigned i = 0; i < IQ_LEN / 32 - 1; i++)
		guest_wait(&rig);
	assert_int_equal(rig.tail, IQ_LEN - 32);
	guest_wait(&rig);
	assert_int_equal(rig.tail, 0);
	assert_true(guest_waited(&rig));
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0);
}

static void test_queue_full_ring_of_work_ends_in_the_event_thread(void **state)
{
	queue_again(IQ | IQA_DW | 7);
	for (gpa_t at = 0; at + 64 < 0x80000; at += 32) {
		poke(&rig, 0x800000 + at, INV_PAGE(7, 0));
		poke(&rig, 0x800000 + at + 8, at << 12);
	}
	poke(&rig, 0x800000 + 0x80000 - 64, QI_WAIT | QI_WAIT_SW | 99ULL << 32);
	poke(&rig, 0x800000 + 0x80000 - 56, STATUS);
	queue_again(0x800000 | IQA_DW | 7);
	wr(&rig, VTD_IQT, 4, 0x80000 - 32);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 32 * QUEUE_SLICE_ENTRIES);
	for (unsigned i = 0; i < 100 && (u32)peek(&rig, STATUS) != 99; i++)
		rig_events(&rig);
	assert_int_equal((u32)peek(&rig, STATUS), 99);
}

static void test_queue_wait_interrupt_fires_once_until_cleared(void **state)
{
	wr(&rig, VTD_IEDATA, 4, 0x33);
	wr(&rig, VTD_IEADDR, 4, 0xfee01000);
	wr(&rig, VTD_IEUADDR, 4, 0x100);
	wr(&rig, VTD_IECTL, 4, 0);
	guest_put(&rig, QI_WAIT | QI_WAIT_IF, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(rig.msi.addr, 0x100fee01000);
	assert_int_equal(rig.msi.data, 0x33);
	assert_int_equal(rd(&rig, VTD_ICS, 4), ICS_IWC);
	guest_put(&rig, QI_WAIT | QI_WAIT_IF, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 1);
	wr(&rig, VTD_ICS, 4, ICS_IWC);
	guest_put(&rig, QI_WAIT | QI_WAIT_IF, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 2);
}

static void test_queue_wait_interrupt_masked_is_pending(void **state)
{
	guest_put(&rig, QI_WAIT | QI_WAIT_IF, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 0);
	assert_true(rd(&rig, VTD_IECTL, 4) & FECTL_IP);
	wr(&rig, VTD_IECTL, 4, 0);
	assert_int_equal(rig.msi.n, 1);
	assert_false(rd(&rig, VTD_IECTL, 4) & FECTL_IP);
}

static void test_queue_unmap_without_invalidation_may_hit_with_it_must_fault(void **state)
{
	static const u64 masks[] = { 0, 9, 18, 30, 51, 52, 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
		guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
		assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
		guest_map(&rig, 0, 0x5000, 0);
		guest_inv(&rig, INV_PAGE(7, 0), 0x5000 | masks[i]);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_FS_P);
	}
}

static void test_vtd_bad_19_unknown_type_stops_with_head_on_it(void **state)
{
	guest_wait(&rig);
	guest_put(&rig, 0xf, 0);
	guest_wait(&rig);
	assert_stopped(IQEI_TYPE);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 32);
}

static void test_vtd_bad_20_reserved_bits_stop_the_queue(void **state)
{
	guest_inv(&rig, QI_PC | 3 << 4, 1);
	assert_stopped(IQEI_RSVD);
}

static void test_vtd_bad_21_tail_beyond_the_ring_processes_nothing(void **state)
{
	guest_put(&rig, QI_WAIT | QI_WAIT_SW | 1ULL << 32, STATUS);
	rig.seq = 1;
	wr(&rig, VTD_IQT, 4, IQ_LEN);
	assert_stopped(IQEI_TAIL);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0);
}

static void test_vtd_bad_22_tail_between_wide_entries(void **state)
{
	guest_put(&rig, QI_WAIT | QI_WAIT_SW | 1ULL << 32, STATUS);
	rig.seq = 1;
	wr(&rig, VTD_IQT, 4, 0x30);
	assert_stopped(IQEI_TAIL_ALIGN);
}

static void test_vtd_bad_23_narrow_queue_in_scalable_mode(void **state)
{
	queue_again(IQ | 1);
	wr(&rig, VTD_IQT, 4, 0x10);
	rig.seq = 1;
	assert_stopped(IQEI_WIDTH);
}

static void test_vtd_bad_24_queue_outside_ram(void **state)
{
	static const u64 at[] = { RIG_RAM, RIG_BASE, 0xfee00000, ~0xfffULL };

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		queue_again((at[i] & ~0xfffULL) | IQA_DW);
		wr(&rig, VTD_IQT, 4, 0x20);
		rig.seq = 1;
		assert_stopped(IQEI_FETCH);
		wr(&rig, VTD_IQT, 4, 0);
		wr(&rig, VTD_FSTS, 4, FSTS_IQE);
		assert_int_equal(rd(&rig, VTD_FSTS, 4) & FSTS_IQE, 0);
	}
}

static void test_vtd_bad_25_status_outside_ram_is_dropped(void **state)
{
	static const u64 at[] = { RIG_RAM, RIG_BASE + VTD_RTADDR, 0xfee00000, ~3ULL };

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		guest_put(&rig, QI_WAIT | QI_WAIT_SW | 1ULL << 32, at[i] & ~3ULL);
		guest_wait(&rig);
		assert_true(guest_waited(&rig));
	}
	assert_int_equal(rd(&rig, VTD_RTADDR, 8), ROOT | 0x400);
	/* Into the queue itself: the overwritten entry is what it then is. */
	guest_put(&rig, QI_WAIT | QI_WAIT_SW | (u64)(QI_WAIT | QI_WAIT_FN) << 32, IQ + rig.tail + 32);
	guest_put(&rig, 0xf, 0);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
}

static void test_vtd_bad_26_wait_that_asks_for_nothing_is_a_no_op(void **state)
{
	guest_inv(&rig, QI_WAIT, 0);
	assert_true(guest_waited(&rig));
}

static void test_vtd_bad_27_reserved_granularity_stops_the_queue(void **state)
{
	guest_inv(&rig, QI_PC | 2 << 4, 0);
	assert_stopped(IQEI_RSVD);
}

static void test_vtd_bad_29_unknown_names_succeed(void **state)
{
	static const struct { u64 q0, q1; } rows[] = {
		{ INV_PIOTLB(0xffff, 0xfffff), 0 }, { INV_PAGE(1234, 77), 0x5000 }, { INV_PC(0xfffff), 0 }, { QI_CC | 3 << 4 | 0xffffULL << 32, 0 },
	};

	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		guest_inv(&rig, rows[i].q0, rows[i].q1);
		assert_true(guest_waited(&rig));
	}
	assert_int_equal(rd(&rig, VTD_FSTS, 4), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
}

static void test_vtd_bad_32_queue_disabled_with_work_left(void **state)
{
	guest_put(&rig, 0xf, 0);
	guest_wait(&rig);
	wr(&rig, VTD_GCMD, 4, GCMD_TE);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_QIE, 0);
	guest_ring(&rig);
	rig_events(&rig);
	assert_false(guest_waited(&rig));
	wr(&rig, VTD_FSTS, 4, FSTS_IQE);
	guest_queue_on(&rig);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
}

/* What Linux does: the bad slot becomes its wait, then IQE is cleared. */
static void test_vtd_bad_33_cleared_error_resumes_at_the_head(void **state)
{
	u32 bad = rig.tail;

	guest_put(&rig, 0xf, 0);
	guest_wait(&rig);
	assert_stopped(IQEI_TYPE);
	guest_wait(&rig);
	assert_false(guest_waited(&rig));
	poke(&rig, IQ + bad, QI_WAIT | QI_WAIT_FN);
	wr(&rig, VTD_FSTS, 4, FSTS_IQE);
	assert_true(guest_waited(&rig));
	assert_int_equal(rd(&rig, VTD_IQER, 8), 0);
	assert_int_equal(rd(&rig, VTD_IQH, 4), rig.tail);
}

static void test_queue_shrunk_while_running_stops(void **state)
{
	for (unsigned i = 0; i < 0x1000 / 32; i++)
		guest_wait(&rig);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0x1000);
	wr(&rig, VTD_IQA, 8, IQ | IQA_DW);
	rig.seq++;
	wr(&rig, VTD_IQT, 4, 0x20);
	assert_stopped(IQEI_FETCH);
}

/* Every descriptor of the ring is sound: what is random is who rings, and what else is written meanwhile. */
static void test_queue_and_registers_by_many_threads(void **state)
{
	static const struct storm_write w[] = {
		{ VTD_GCMD, 4, GCMD_TE | GCMD_QIE, 0 }, { VTD_GCMD, 4, GCMD_TE | GCMD_QIE | GCMD_SRTP, 0 }, { VTD_GCMD, 4, GCMD_TE, 0 }, { VTD_GCMD, 4, GCMD_QIE, 0 },
		{ VTD_RTADDR, 8, ROOT | 0x400, 0 }, { VTD_IQA, 8, IQ | IQA_DW | 1, 0 }, { VTD_IQT, 4, 0, IQ_LEN / 16 }, { VTD_IQT, 4, 0, IQ_LEN / 16 },
		{ VTD_IQT, 4, 0, IQ_LEN / 16 }, { VTD_FSTS, 4, FSTS_IQE | FSTS_PFO, 0 }, { VTD_ICS, 4, ICS_IWC, 0 }, { VTD_FECTL, 4, 0, 0 },
		{ VTD_FECTL, 4, FECTL_IM, 0 }, { VTD_IECTL, 4, 0, 0 }, { VTD_IECTL, 4, FECTL_IM, 0 }, { VTD_FEADDR, 4, 0xfee00000, 0x1000 },
		{ VTD_FEDATA, 4, 0x30, 1 }, { VTD_IEADDR, 4, 0xfee00000, 0x1000 }, { VTD_IEDATA, 4, 0x40, 1 }, { VTD_FRCD + 12, 4, 0x80000000, 0 },
	};

	guest_first(&rig, 1, 0, 8, PT(1));
	guest_map(&rig, 1, 0x5000, BUF(1) | 5); /* read-only: faults */
	rig.tail = 0;
	for (unsigned i = 0; i < IQ_LEN / 128; i++) {
		guest_put(&rig, INV_PAGE(7, 0), 0x5000);
		guest_put(&rig, INV_PC_ALL, 0);
		guest_put(&rig, INV_PIOTLB(8, 0), 0);
		guest_put(&rig, QI_WAIT | QI_WAIT_SW | (i & 1 ? QI_WAIT_IF : 0) | 1ULL << 32, STATUS);
	}
	storm_run(&rig, w, ARRAY_SIZE(w));
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_queue_every_type_completes),
		T(test_queue_narrow_entries_work_before_any_root),
		T(test_queue_wait_in_last_slot_wraps),
		T(test_queue_full_ring_of_work_ends_in_the_event_thread),
		T(test_queue_wait_interrupt_fires_once_until_cleared),
		T(test_queue_wait_interrupt_masked_is_pending),
		T(test_queue_unmap_without_invalidation_may_hit_with_it_must_fault),
		T(test_vtd_bad_19_unknown_type_stops_with_head_on_it),
		T(test_vtd_bad_20_reserved_bits_stop_the_queue),
		T(test_vtd_bad_21_tail_beyond_the_ring_processes_nothing),
		T(test_vtd_bad_22_tail_between_wide_entries),
		T(test_vtd_bad_23_narrow_queue_in_scalable_mode),
		T(test_vtd_bad_24_queue_outside_ram),
		T(test_vtd_bad_25_status_outside_ram_is_dropped),
		T(test_vtd_bad_26_wait_that_asks_for_nothing_is_a_no_op),
		T(test_vtd_bad_27_reserved_granularity_stops_the_queue),
		T(test_vtd_bad_29_unknown_names_succeed),
		T(test_vtd_bad_32_queue_disabled_with_work_left),
		T(test_vtd_bad_33_cleared_error_resumes_at_the_head),
		T(test_queue_shrunk_while_running_stops),
		T(test_queue_and_registers_by_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
