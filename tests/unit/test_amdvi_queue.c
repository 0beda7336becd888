/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/amdvi_rig.h"
#include "tests/unit/viommu_bench.h"
#include "tests/unit/viommu_storm.h"

static int setup(void **state)
{
	rig_init(&rig, NULL);
	guest_structures(&rig);
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
	return 0;
}

static void ring_again(u64 base)
{
	guest_control(&rig, UP & ~CTL_CMD_BUF_EN);
	wr(&rig, AMDVI_CMDBASE, 8, base);
	wr(&rig, AMDVI_CMDHEAD, 4, 0);
	wr(&rig, AMDVI_CMDTAIL, 4, 0);
	guest_control(&rig, UP);
	rig.tail = 0;
}

/* The buffer has stopped with head on the command, and the log says so. */
static void assert_stopped(u8 code, u64 head, gpa_t at)
{
	u64 ev[2];

	assert_false(rd(&rig, AMDVI_STATUS, 8) & STS_CMD_RUN);
	assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), head);
	assert_int_equal(guest_event(&rig, ev), code);
	assert_int_equal(ev[1], at);
	assert_int_equal(guest_event(&rig, ev), 0);
}

static void test_queue_every_command_completes(void **state)
{
	static const u64 q0[] = { CMD(CMD_INV_DEVTAB) | 8, CMD(CMD_INV_PAGES), CMD(CMD_INV_IOTLB) | 8, CMD(CMD_INV_INTR) | 8, CMD(CMD_INV_ALL), CMD(CMD_COMPLETION_WAIT) };

	for (unsigned i = 0; i < ARRAY_SIZE(q0); i++) {
		guest_cmd(&rig, q0[i], 0);
		assert_true(guest_waited(&rig));
		assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), rig.tail);
	}
	assert_int_equal(rd(&rig, AMDVI_STATUS, 8), STS_CMD_RUN | STS_EVT_RUN);
}

static void test_queue_runs_only_with_unit_and_buffer_on(void **state)
{
	static const u64 missing[] = { CTL_IOMMU_EN, CTL_CMD_BUF_EN };

	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		guest_control(&rig, UP & ~missing[i]);
		guest_wait(&rig);
		assert_false(guest_waited(&rig));
		/* What is pending is done when the last of them comes. */
		guest_control(&rig, UP);
		assert_true(guest_waited(&rig));
	}
}

static void test_queue_wait_in_last_slot_wraps(void **state)
{
	for (unsigned i = 0; i < CMDS_LEN / 16; i++)
		guest_wait(&rig);
	assert_int_equal(rig.tail, 0);
	assert_true(guest_waited(&rig));
	assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), 0);
}

static void test_queue_unmap_without_invalidation_may_hit_with_it_must_fault(void **state)
{
	static const struct { u64 q0, q1; } rows[] = {
		{ CMD_PAGES_OF(7, 0), 0x5000 | CMD1_GN }, { CMD_PAGES_OF(7, 0), 0x4000 | CMD1_S | CMD1_GN }, { CMD_PAGES_OF(7, 0), ALL_PAGES | CMD1_GN },
		/* 6.1 */
		{ CMD_PAGES_OF(7, 0), 0x5000 }, { CMD_PAGES_OF(7, 0), ALL_PAGES }, { CMD(CMD_INV_ALL), 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
		assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
		guest_map(&rig, 0, 0x5000, 0);
		guest_cmd(&rig, rows[i].q0, rows[i].q1);
		assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), EVT_IO_PAGE_FAULT);
	}
}

static void test_queue_wait_holds_for_dma_in_flight(void **state)
{
	struct dma_span s;
	struct iovec iov;

	assert_int_equal(dma_get(rig.dma[0], 0x5000, 8, DMA_WRITE, &s, &iov, 1), 1);
	guest_map(&rig, 0, 0x5000, 0);
	guest_cmd(&rig, CMD_PAGES_OF(7, 0), 0x5000 | CMD1_GN);
	assert_false(guest_waited(&rig));
	dma_put(&s);
	rig_events(&rig);
	assert_true(guest_waited(&rig));
}

static void test_queue_wait_interrupt_fires_once_until_cleared(void **state)
{
	amdvi_msi_set(rig.v, true, 0x100fee01000, 0x33);
	guest_control(&rig, UP | CTL_COM_WAIT_INT_EN);
	for (unsigned i = 0; i < 2; i++) {
		guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_I, 0);
		guest_ring(&rig);
		assert_int_equal(rig.msi.n, 1);
	}
	assert_int_equal(rig.msi.addr, 0x100fee01000);
	assert_int_equal(rig.msi.data, 0x33);
	assert_true(rd(&rig, AMDVI_STATUS, 8) & STS_COM_WAIT_INT);
	wr(&rig, AMDVI_STATUS, 8, STS_COM_WAIT_INT);
	guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_I, 0);
	guest_ring(&rig);
	assert_int_equal(rig.msi.n, 2);
}

/* --- malformed inputs, numbered as in the fact sheet --- */

static void test_amdvi_bad_15_ring_of_illegal_length_or_place(void **state)
{
	static const gpa_t places[] = { RIG_RAM, RIG_BASE, 0xffffffffff000 };

	for (u64 n = 0; n < 8; n++) {
		ring_again(CMDS | n << 56);
		assert_false(rd(&rig, AMDVI_STATUS, 8) & STS_CMD_RUN);
		guest_wait(&rig);
		assert_false(guest_waited(&rig));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		ring_again(places[i] | LEN_512);
		wr(&rig, AMDVI_CMDTAIL, 4, 16);
		assert_stopped(EVT_CMD_HW_ERROR, 0, places[i]);
	}
	ring_again(CMDS | LEN_512);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
}

static void test_amdvi_bad_16_pointers_of_any_value_are_masked(void **state)
{
	static const u64 values[] = { 0x2000, 0x7fff0, 0xffffffff, 15, 0x2008 };

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		/* Every entry is a legal one, so that the whole ring may be in the way. */
		for (gpa_t at = 0; at < CMDS_LEN; at += 8)
			poke(&rig, CMDS + at, at & 8 ? 0 : CMD(CMD_INV_INTR));
		ring_again(CMDS | LEN_512);
		wr(&rig, AMDVI_CMDHEAD, 4, values[i]);
		wr(&rig, AMDVI_CMDTAIL, 4, values[ARRAY_SIZE(values) - 1 - i]);
		for (unsigned k = 0; k < 10; k++)
			rig_events(&rig);
		assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4) & 0x1ff0, rd(&rig, AMDVI_CMDTAIL, 4) & 0x1ff0);
	}
	ring_again(CMDS | LEN_512);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
}

static void test_amdvi_bad_17_illegal_opcode_stops_until_enabled_again(void **state)
{
	static const u64 ops[] = { 0, 6, 7, 9, 0xa, 0xf };

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		ring_again(CMDS | LEN_512);
		guest_wait(&rig);
		guest_put(&rig, CMD(ops[i]), 0);
		guest_wait(&rig);
		assert_false(guest_waited(&rig));
		assert_stopped(EVT_ILLEGAL_CMD, 16, CMDS + 16);
		/* A doorbell alone does not help; the command mended and the buffer enabled again does. */
		guest_ring(&rig);
		assert_int_equal(rd(&rig, AMDVI_CMDHEAD, 4), 16);
		poke(&rig, CMDS + 16, CMD(CMD_INV_INTR));
		guest_control(&rig, UP & ~CTL_CMD_BUF_EN);
		guest_control(&rig, UP);
		assert_true(guest_waited(&rig));
	}
}

static void test_amdvi_bad_18_reserved_bit_stops_the_buffer(void **state)
{
	guest_cmd(&rig, CMD(CMD_INV_DEVTAB) | BIT(16), 0);
	assert_stopped(EVT_ILLEGAL_CMD, 0, CMDS);
}

static void test_amdvi_bad_19_store_outside_ram_stops_the_buffer(void **state)
{
	static const gpa_t places[] = { RIG_BASE, RIG_RAM, 0xfee00000, 0xffffffffffff8 };

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		ring_again(CMDS | LEN_512);
		guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | places[i], ~0ULL);
		guest_wait(&rig);
		assert_false(guest_waited(&rig));
		assert_stopped(EVT_CMD_HW_ERROR, 0, places[i]);
	}
	/* The last eight bytes are RAM. */
	ring_again(CMDS | LEN_512);
	guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | (RIG_RAM - 8), 0x1122334455667788);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	assert_int_equal(peek(&rig, RIG_RAM - 8), 0x1122334455667788);
}

static void test_amdvi_bad_20_store_into_ring_or_log_is_a_store(void **state)
{
	const u64 next = CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | (STATUS + 8);

	/* The store makes the command that follows. */
	guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | (CMDS + 16), next);
	guest_put(&rig, 0, 77);
	guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | EVENTS, 99);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	assert_int_equal(peek(&rig, STATUS + 8), 77);
	assert_int_equal(peek(&rig, EVENTS), 99);
}

static void test_amdvi_bad_21_any_range_is_one_step(void **state)
{
	for (unsigned n = 12; n < 64; n++) {
		guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
		assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
		guest_map(&rig, 0, 0x5000, 0);
		guest_cmd(&rig, CMD_PAGES_OF(7, 0), (n > 12 ? GENMASK(n - 1, 12) : 0x4000) | CMD1_S | CMD1_GN);
		assert_true(guest_waited(&rig));
		/* 8 KiB around 0x4000; 16 KiB at 0 does not reach it, what is larger does. */
		assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), n == 13 ? BUF(0) : ~0ULL);
		guest_inv_all(&rig);
	}
}

/* Every command of the ring is sound: what is random is who rings, and what else is written meanwhile. */
static void test_queue_and_registers_by_many_threads(void **state)
{
	static const struct storm_write w[] = {
		{ AMDVI_CONTROL, 8, UP, 0 }, { AMDVI_CONTROL, 8, UP | CTL_COM_WAIT_INT_EN | CTL_EVT_INT_EN, 0 }, { AMDVI_CONTROL, 8, UP & ~CTL_CMD_BUF_EN, 0 },
		{ AMDVI_CONTROL, 8, UP & ~CTL_IOMMU_EN, 0 }, { AMDVI_DEVTAB, 8, DEVTAB, 0 }, { AMDVI_CMDBASE, 8, CMDS | LEN_512, 0 },
		{ AMDVI_CMDTAIL, 4, 0, CMDS_LEN / 16 }, { AMDVI_CMDTAIL, 4, 0, CMDS_LEN / 16 }, { AMDVI_CMDTAIL, 4, 0, CMDS_LEN / 16 },
		{ AMDVI_CMDHEAD, 4, 0, CMDS_LEN / 16 }, { AMDVI_EVTBASE, 8, EVENTS | LEN_512, 0 }, { AMDVI_EVTHEAD, 4, 0, EVENTS_LEN / 16 },
		{ AMDVI_STATUS, 8, STS_EVT_INT | STS_EVT_OVERFLOW, 0 }, { AMDVI_STATUS, 8, STS_COM_WAIT_INT, 0 },
	};

	guest_map(&rig, 1, 0x5000, BUF(1) | 5); /* read-only: faults */
	amdvi_msi_set(rig.v, true, 0xfee00000, 0x30);
	rig.tail = 0;
	for (unsigned i = 0; i < CMDS_LEN / 64; i++) {
		guest_put(&rig, CMD_PAGES_OF(7, 0), ALL_PAGES | CMD1_GN);
		guest_put(&rig, CMD(CMD_INV_DEVTAB) | PCI_BDF(rig_bus, 1, 0), 0);
		guest_put(&rig, CMD(CMD_INV_ALL), 0);
		guest_put(&rig, CMD(CMD_COMPLETION_WAIT) | CMD_WAIT_S | (i & 1 ? CMD_WAIT_I : 0) | STATUS, i);
	}
	storm_run(&rig, w, ARRAY_SIZE(w));
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_queue_every_command_completes),
		T(test_queue_runs_only_with_unit_and_buffer_on),
		T(test_queue_wait_in_last_slot_wraps),
		T(test_queue_unmap_without_invalidation_may_hit_with_it_must_fault),
		T(test_queue_wait_holds_for_dma_in_flight),
		T(test_queue_wait_interrupt_fires_once_until_cleared),
		T(test_amdvi_bad_15_ring_of_illegal_length_or_place),
		T(test_amdvi_bad_16_pointers_of_any_value_are_masked),
		T(test_amdvi_bad_17_illegal_opcode_stops_until_enabled_again),
		T(test_amdvi_bad_18_reserved_bit_stops_the_buffer),
		T(test_amdvi_bad_19_store_outside_ram_stops_the_buffer),
		T(test_amdvi_bad_20_store_into_ring_or_log_is_a_store),
		T(test_amdvi_bad_21_any_range_is_one_step),
		T(test_queue_and_registers_by_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
