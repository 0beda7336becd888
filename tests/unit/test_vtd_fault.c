/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup(void **state)
{
	rig_init(&rig, NULL);
	guest_structures(&rig);
	guest_up(&rig);
	wr(&rig, VTD_FEDATA, 4, 0x21);
	wr(&rig, VTD_FEADDR, 4, 0xfee02000);
	wr(&rig, VTD_FECTL, 4, 0);
	return 0;
}

static u64 frcd_hi(unsigned n)
{
	return rd(&rig, VTD_FRCD + 16 * n + 8, 8);
}

static void clear_record(unsigned n)
{
	wr(&rig, VTD_FRCD + 16 * n + 12, 4, 0x80000000);
}

static void test_fault_record_says_who_where_why(void **state)
{
	struct dma_span s;
	struct iovec iov;
	u64 lo, hi;

	assert_int_equal(dma_get_pasid(rig.dma[2], 0xabcde, 0x123456, 4, DMA_WRITE, &s, &iov, 1), -EFAULT);
	assert_int_equal(guest_fault(&rig, &lo, &hi), FR_PASID_RANGE);
	assert_int_equal(lo, 0x123000);
	assert_int_equal(FIELD_GET(FRCD_HI_SID, hi), PCI_BDF(0, 3, 0));
	assert_true(hi & FRCD_HI_PP);
	assert_int_equal(FIELD_GET(FRCD_HI_PASID, hi), 0xabcde);
	assert_false(hi & FRCD_HI_T1);
	one_fault(1, 0x1000);
	assert_int_equal(guest_fault(&rig, &lo, &hi), FR_PE_P);
	assert_true(hi & FRCD_HI_T1);
	assert_false(hi & (FRCD_HI_PP | FRCD_HI_PASID));
}

static void test_fault_is_not_recorded_of_a_probe(void **state)
{
	struct dma_span s;
	struct iovec iov;

	assert_int_equal(dma_probe(rig.dma[1], 0x1000, 4096, DMA_READ, &s, &iov, 1), -EFAULT);
	assert_int_equal(dma_probe(rig.dma[1], 0xfee00000, 4096, DMA_READ, &s, &iov, 1), -EFAULT);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), 0);
	assert_int_equal(rig.msi.n, 0);
	/* A writable page that has not been written is clean, for a read only. */
	guest_first(&rig, 1, 0, 7, PT(1));
	guest_map(&rig, 1, 0x5000, BUF(1) | PTE_RWU);
	assert_int_equal(dma_probe(rig.dma[1], 0x5000, 4096, DMA_READ, &s, &iov, 1), 1);
	assert_true(s.clean);
	assert_int_equal(s.allowed, DMA_READ);
	dma_put(&s);
	assert_int_equal(dma_get(rig.dma[1], 0x5000, 4096, DMA_WRITE, &s, &iov, 1), 1);
	assert_false(s.clean);
	dma_put(&s);
	assert_int_equal(dma_probe(rig.dma[1], 0x5000, 4096, DMA_READ, &s, &iov, 1), 1);
	assert_false(s.clean);
	assert_int_equal(s.allowed, DMA_RW);
	dma_put(&s);
}

static void test_fault_ring_overflow_sets_pfo_with_one_event(void **state)
{
	for (unsigned i = 0; i < VTD_NUM_FRCD + 2; i++)
		one_fault(i % RIG_FNS, 0x1000ULL * i);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(rig.msi.addr, 0xfee02000);
	assert_int_equal(rig.msi.data, 0x21);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), FSTS_PFO | FSTS_PPF);
	for (unsigned i = 0; i < VTD_NUM_FRCD; i++) {
		assert_int_equal(rd(&rig, VTD_FRCD + 16 * i, 8), 0x1000 * i);
		clear_record(i);
	}
	assert_int_equal(rd(&rig, VTD_FSTS, 4), FSTS_PFO);
	one_fault(0, 0);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), FSTS_PFO);
	wr(&rig, VTD_FSTS, 4, FSTS_PFO);
	one_fault(0, 0x7000);
	assert_int_equal(rig.msi.n, 2);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), FSTS_PPF);
}

static void test_fault_index_names_the_first_pending(void **state)
{
	one_fault(0, 0x1000);
	clear_record(0);
	one_fault(1, 0x2000);
	one_fault(2, 0x3000);
	assert_int_equal(FIELD_GET(FSTS_FRI, rd(&rig, VTD_FSTS, 4)), 1);
	assert_int_equal(FIELD_GET(FRCD_HI_SID, frcd_hi(1)), PCI_BDF(0, 2, 0));
}

static void test_fault_event_masked_waits_and_dies_with_its_cause(void **state)
{
	wr(&rig, VTD_FECTL, 4, FECTL_IM);
	one_fault(0, 0x1000);
	assert_int_equal(rig.msi.n, 0);
	assert_int_equal(rd(&rig, VTD_FECTL, 4), FECTL_IM | FECTL_IP);
	clear_record(0);
	assert_int_equal(rd(&rig, VTD_FECTL, 4), FECTL_IM);
	wr(&rig, VTD_FECTL, 4, 0);
	assert_int_equal(rig.msi.n, 0);
	wr(&rig, VTD_FECTL, 4, FECTL_IM);
	one_fault(0, 0x1000);
	wr(&rig, VTD_FECTL, 4, 0);
	assert_int_equal(rig.msi.n, 1);
}

static void test_fault_processing_disabled_hides_qualified_faults_only(void **state)
{
	static const struct { gpa_t at; u64 q; u8 want; } rows[] = {
		{ CTX + 32 * 8, DIR(0) | ENTRY_FPD | 1, 0 }, { CTX + 32 * 8, ENTRY_FPD, 0 }, { DIR(0), PTAB(0) | ENTRY_FPD | 1, 0 }, { PTAB(0), ENTRY_FPD, 0 },
		{ PTAB(0), 1 << 6 | ENTRY_FPD | 1, 0 }, { CTX + 32 * 8, RIG_RAM | ENTRY_FPD | 1, FR_DIR_ACCESS }, { DIR(0), RIG_RAM | ENTRY_FPD | 1, FR_PE_ACCESS },
	};
	u64 lo, hi;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 keep = peek(&rig, rows[i].at);

		poke(&rig, rows[i].at, rows[i].q);
		guest_inv(&rig, QI_CC | 1 << 4, 0);
		one_fault(0, 0x1000);
		assert_int_equal(guest_fault(&rig, &lo, &hi), rows[i].want);
		poke(&rig, rows[i].at, keep);
	}
}

static void test_fault_queue_error_raises_the_event_once(void **state)
{
	guest_put(&rig, 0xf, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 1);
	one_fault(0, 0x1000);
	assert_int_equal(rig.msi.n, 1);
}

static void test_vtd_bad_37_only_f_and_w1c_bits_act(void **state)
{
	one_fault(0, 0x1000);
	wr(&rig, VTD_FSTS, 4, FSTS_PPF | 0xff00);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), FSTS_PPF);
	wr(&rig, VTD_FRCD, 8, ~0ULL);
	wr(&rig, VTD_FRCD + 8, 8, ~FRCD_HI_F);
	assert_int_equal(rd(&rig, VTD_FRCD, 8), 0x1000);
	assert_true(frcd_hi(0) & FRCD_HI_F);
	assert_int_equal(FIELD_GET(FRCD_HI_REASON, frcd_hi(0)), FR_PE_P);
	wr(&rig, VTD_FRCD + 8, 8, FRCD_HI_F);
	assert_int_equal(rd(&rig, VTD_FSTS, 4), 0);
}

/* The page request queue's registers do not exist without page requests: they read zero and nothing indexes by them. */
static void test_vtd_bad_38_page_request_registers_are_absent(void **state)
{
	static const u64 off[] = { 0xc0, 0xc8, 0xd0 };

	for (unsigned i = 0; i < ARRAY_SIZE(off); i++) {
		wr(&rig, off[i], 8, ~0ULL);
		assert_int_equal(rd(&rig, off[i], 8), 0);
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fault_record_says_who_where_why),
		T(test_fault_is_not_recorded_of_a_probe),
		T(test_fault_ring_overflow_sets_pfo_with_one_event),
		T(test_fault_index_names_the_first_pending),
		T(test_fault_event_masked_waits_and_dies_with_its_cause),
		T(test_fault_processing_disabled_hides_qualified_faults_only),
		T(test_fault_queue_error_raises_the_event_once),
		T(test_vtd_bad_37_only_f_and_w1c_bits_act),
		T(test_vtd_bad_38_page_request_registers_are_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
