/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/amdvi_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	rig_init(&rig, NULL);
	guest_structures(&rig);
	guest_up(&rig);
	amdvi_msi_set(rig.v, true, 0xfee02000, 0x21);
	guest_control(&rig, UP | CTL_EVT_INT_EN);
	return 0;
}

static void log_again(u64 base)
{
	guest_control(&rig, UP & ~CTL_EVT_LOG_EN);
	wr(&rig, AMDVI_EVTBASE, 8, base);
	wr(&rig, AMDVI_EVTHEAD, 4, 0);
	wr(&rig, AMDVI_EVTTAIL, 4, 0);
	wr(&rig, AMDVI_STATUS, 8, STS_EVT_INT | STS_EVT_OVERFLOW);
	guest_control(&rig, UP | CTL_EVT_INT_EN);
	rig.msi.n = 0;
}

static void test_event_says_who_where_why(void **state)
{
	u64 ev[2];

	one_fault(2, 0x123456);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(rig.msi.addr, 0xfee02000);
	assert_int_equal(rig.msi.data, 0x21);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(ev[0], FIELD_PREP(EVT_CODE, EVT_IO_PAGE_FAULT) | EVT_GN | EVT_US | PCI_BDF(0, 3, 0));
	assert_int_equal(ev[1], 0x123456);
}

static void test_event_interrupt_once_until_cleared(void **state)
{
	u64 ev[2];

	one_fault(0, 0x1000);
	one_fault(0, 0x2000);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
	assert_int_equal(ev[1], 0x2000);
	one_fault(0, 0x3000);
	assert_int_equal(rig.msi.n, 2);
}

static void test_event_interrupt_enabled_late_is_sent_then(void **state)
{
	guest_control(&rig, UP);
	one_fault(0, 0x1000);
	assert_int_equal(rig.msi.n, 0);
	guest_control(&rig, UP | CTL_EVT_INT_EN);
	assert_int_equal(rig.msi.n, 1);
	/* Without MSI in the function there is nobody to send it. */
	amdvi_msi_set(rig.v, false, 0, 0);
	wr(&rig, AMDVI_STATUS, 8, STS_EVT_INT);
	one_fault(0, 0x1000);
	assert_int_equal(rig.msi.n, 1);
}

static void test_event_log_off_drops_silently(void **state)
{
	guest_control(&rig, UP & ~CTL_EVT_LOG_EN);
	one_fault(0, 0x1000);
	assert_int_equal(rd(&rig, AMDVI_EVTTAIL, 4), 0);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN);
}

static void test_event_suppressed_by_sa(void **state)
{
	u64 ev[2];

	guest_dte(&rig, 0, dte_q0(GCR3(0), DTE_V2), dte_q1(GCR3(0), 7) | DTE1_SA, 0);
	guest_inv_dte(&rig, 0);
	one_fault(0, 0x1000);
	assert_int_equal(guest_event(&rig, ev), 0);
	/* Errors that are no page faults are told all the same. */
	poke(&rig, PT(0), RIG_RAM | PTE_RWU);
	one_fault(0, 0x1000);
	assert_int_equal(guest_event(&rig, ev), EVT_PAGETAB_HW_ERROR);
	/* Also where the entry itself lets nothing pass. */
	guest_dte(&rig, 0, DTE_V, DTE1_SA, 0);
	guest_inv_dte(&rig, 0);
	one_fault(0, 0x1000);
	assert_int_equal(guest_event(&rig, ev), 0);
	guest_dte(&rig, 0, DTE_V, 0, 0);
	guest_inv_dte(&rig, 0);
	one_fault(0, 0x1000);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
}

static void test_amdvi_bad_26_full_log_overflows_once_and_stops(void **state)
{
	u64 ev[2];

	for (unsigned i = 0; i < EVENTS_LEN / 16 + 3; i++)
		one_fault(i % RIG_FNS, 0x1000ULL * (i + 1));
	assert_int_equal(rig.msi.n, 2); /* of the first event, and of the overflow */
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN | STS_EVT_OVERFLOW | STS_EVT_INT);
	assert_int_equal(rd(&rig, AMDVI_EVTTAIL, 4), EVENTS_LEN - 16);
	/* Linux: off, clear, on again. */
	log_again(EVENTS | LEN_512);
	one_fault(0, 0x7000);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
}

static void test_amdvi_bad_26_log_without_length_or_outside_ram(void **state)
{
	log_again(EVENTS | 7ULL << 56);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN);
	one_fault(0, 0x1000);
	assert_int_equal(rig.msi.n, 0);
	log_again(RIG_RAM | LEN_512);
	one_fault(0, 0x1000);
	one_fault(0, 0x1000);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN | STS_EVT_OVERFLOW);
	assert_int_equal(rig.msi.n, 1);
	assert_int_equal(rd(&rig, AMDVI_EVTTAIL, 4), 0);
}

/* The length is taken away after the log began to run. */
static void test_amdvi_bad_26_length_changed_while_it_runs(void **state)
{
	wr(&rig, AMDVI_EVTBASE, 8, EVENTS);
	one_fault(0, 0x1000);
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN | STS_EVT_OVERFLOW);
}

static void test_amdvi_bad_27_garbage_in_head_and_tail_is_masked(void **state)
{
	static const u64 values[] = { 0xffffffff, 0x2000, 0x7ff8 };
	u64 ev[2];

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		guest_control(&rig, UP & ~CTL_EVT_LOG_EN);
		wr(&rig, AMDVI_EVTHEAD, 4, values[i]);
		wr(&rig, AMDVI_EVTTAIL, 4, values[i]);
		guest_control(&rig, UP);
		one_fault(0, 0x5000);
		assert_true(rd(&rig, AMDVI_EVTTAIL, 4) < EVENTS_LEN);
		assert_int_equal(peek(&rig, EVENTS + (values[i] & 0x1ff0) + 8), 0x5000);
	}
	log_again(EVENTS | LEN_512);
	one_fault(0, 0x6000);
	assert_int_equal(guest_event(&rig, ev), EVT_IO_PAGE_FAULT);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_event_says_who_where_why),
		T(test_event_interrupt_once_until_cleared),
		T(test_event_interrupt_enabled_late_is_sent_then),
		T(test_event_log_off_drops_silently),
		T(test_event_suppressed_by_sa),
		T(test_amdvi_bad_26_full_log_overflows_once_and_stops),
		T(test_amdvi_bad_26_log_without_length_or_outside_ram),
		T(test_amdvi_bad_26_length_changed_while_it_runs),
		T(test_amdvi_bad_27_garbage_in_head_and_tail_is_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
