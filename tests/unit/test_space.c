/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"

static struct dma_span span;

static void hold(unsigned i, iova_t iova, u64 len)
{
	struct iovec iov[16];

	assert_true(dma_get(rig.dma[i], iova, len, DMA_WRITE, &span, iov, 16) > 0);
}

static void test_dma_translates(void **state)
{
	guest_up_with_pages(&rig);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5010), BUF(0) + 0x10);
	assert_int_equal(where(&rig, 1, DMA_NO_PASID, 0x5010), BUF(1) + 0x10);
}

static void test_span_live_parks_the_wait_until_put(void **state)
{
	guest_up_with_pages(&rig);
	hold(0, 0x5000, 64);
	guest_map(&rig, 0, 0x5000, 0);
	guest_inv(&rig, INV_PAGE(7, 0), 0x5000);
	assert_false(guest_waited(&rig));
	assert_int_not_equal(rd(&rig, VTD_IQH, 4), rd(&rig, VTD_IQT, 4));
	/* Further doorbells change nothing, and other work goes on. */
	guest_ring(&rig);
	assert_false(guest_waited(&rig));
	assert_int_equal(where(&rig, 1, DMA_NO_PASID, 0x5000), BUF(1));
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_FS_P);
	dma_put(&span);
	rig_events(&rig);
	assert_true(guest_waited(&rig));
	assert_int_equal(rd(&rig, VTD_IQH, 4), rd(&rig, VTD_IQT, 4));
}

static void test_span_not_covered_does_not_park(void **state)
{
	static const struct { u64 q0, q1; bool parks; } rows[] = {
		{ INV_PAGE(7, 0), 0x6000, false }, { INV_PAGE(7, 0), 0x4000, false }, { INV_PAGE(8, 0), 0x5000, false }, { INV_PAGE(7, 1), 0x5000, false },
		{ INV_PIOTLB(8, 0), 0, false }, { QI_IOTLB | 2 << 4 | 8 << 16, 0, false }, { INV_PC_ALL, 0, false }, { QI_CC | 1 << 4, 0, false },
		{ INV_PAGE(7, 0), 0x5000, true }, { INV_PAGE(7, 0), 0x4000 | 1, true }, { INV_PAGE(7, 0), 63, true }, { INV_PIOTLB(7, 0), 0, true },
		{ QI_IOTLB | 2 << 4 | 7 << 16, 0, true }, { QI_IOTLB | 1 << 4, 0, true },
	};

	guest_up_with_pages(&rig);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		hold(0, 0x5ff0, 8);
		guest_inv(&rig, rows[i].q0, rows[i].q1);
		assert_int_equal(guest_waited(&rig), !rows[i].parks);
		dma_put(&span);
		rig_events(&rig);
		assert_true(guest_waited(&rig));
	}
}

static void test_span_got_after_flush_does_not_park(void **state)
{
	guest_up_with_pages(&rig);
	guest_put(&rig, INV_PAGE(7, 0), 0x5000);
	guest_ring(&rig);
	hold(0, 0x5000, 8);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	dma_put(&span);
}

static void test_span_of_a_large_page_is_covered_as_a_whole(void **state)
{
	guest_structures(&rig);
	guest_first(&rig, 0, 0, 7, PT(0));
	poke(&rig, PT(0) + 0x2000, 0x200000 | PTE_RWU | 0x80);
	guest_up(&rig);
	hold(0, 0x1000, 8);
	guest_inv(&rig, INV_PAGE(7, 0), 0x1ff000);
	assert_false(guest_waited(&rig));
	dma_put(&span);
	rig_events(&rig);
	assert_true(guest_waited(&rig));
}

static void test_span_changed_configuration_parks(void **state)
{
	guest_up_with_pages(&rig);
	hold(0, 0x5000, 8);
	guest_first(&rig, 0, 0, 7, PT(2));
	guest_inv(&rig, INV_PC(0), 0);
	assert_false(guest_waited(&rig));
	dma_put(&span);
	rig_events(&rig);
	assert_true(guest_waited(&rig));
}

static void test_span_translation_switch_shows_when_drained(void **state)
{
	guest_structures(&rig);
	guest_queue_on(&rig);
	guest_root(&rig, ROOT | 0x400);
	hold(0, BUF(0), 8);
	guest_te(&rig, true);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_TE, 0);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, BUF(0)), FR_PE_P);
	dma_put(&span);
	assert_int_equal(rd(&rig, VTD_GSTS, 4) & GCMD_TE, GCMD_TE);
}

static struct s1_backend_ops early;
static const struct s1_backend_ops *real;
static u64 seen_early;

/* DMA of before ends while translations are still being taken back; another vCPU looks at the status. */
static int inv_early(void *be, const struct s1_inv *invs, unsigned n, unsigned *done, unsigned *calls)
{
	dma_put(&span);
	seen_early = rd(&rig, VTD_GSTS, 4);
	return real->inv(be, invs, n, done, calls);
}

static void test_span_translation_switch_shows_when_in_force(void **state)
{
	guest_up_with_pages(&rig);
	hold(0, 0x5000, 8);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_false(guest_waited(&rig));
	real = rig.v->cfg.backend.ops;
	early = *real;
	early.inv = inv_early;
	rig.v->cfg.backend.ops = &early;
	guest_te(&rig, false);
	assert_int_equal(seen_early, GCMD_QIE | GCMD_SRTP | GCMD_TE);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP);
	guest_root(&rig, ROOT | 0x400);
	assert_int_equal(seen_early, GCMD_QIE);
	assert_int_equal(rd(&rig, VTD_GSTS, 4), GCMD_QIE | GCMD_SRTP);
	rig.v->cfg.backend.ops = real;
}

static void test_span_reset_drops_the_parked_wait(void **state)
{
	guest_up_with_pages(&rig);
	hold(0, 0x5000, 8);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_false(guest_waited(&rig));
	viommu_reset(rig.v);
	dma_put(&span);
	rig_events(&rig);
	assert_false(guest_waited(&rig));
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, BUF(0)), BUF(0));
}

static void test_span_queue_disabled_while_parked_starts_afresh(void **state)
{
	guest_up_with_pages(&rig);
	hold(0, 0x5000, 8);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_false(guest_waited(&rig));
	wr(&rig, VTD_GCMD, 4, GCMD_TE);
	assert_int_equal(rd(&rig, VTD_IQH, 4), 0);
	dma_put(&span);
	rig_events(&rig);
	guest_queue_on(&rig);
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	assert_true(guest_waited(&rig));
}

static void test_dma_crossing_pages_gives_pieces_in_order(void **state)
{
	const struct mem_slot *slot;
	struct iovec iov[3];

	guest_up_with_pages(&rig);
	guest_map(&rig, 0, 0x6000, BUF(3) | PTE_RWU);
	guest_map(&rig, 0, 0x7000, (BUF(3) + 0x1000) | PTE_RWU);
	mem_slots(rig.mem, &slot);
	assert_int_equal(dma_get(rig.dma[0], 0x5800, 0x2000, DMA_READ, &span, iov, 3), 2);
	assert_ptr_equal(iov[0].iov_base, (char *)slot->hva + BUF(0) + 0x800);
	assert_int_equal(iov[0].iov_len, 0x800);
	assert_ptr_equal(iov[1].iov_base, (char *)slot->hva + BUF(3));
	assert_int_equal(iov[1].iov_len, 0x1800);
	dma_put(&span);
	assert_int_equal(dma_get(rig.dma[0], 0x5800, 0x2000, DMA_READ, &span, iov, 1), -E2BIG);
	assert_int_equal(dma_get(rig.dma[0], 0x7800, 0x1000, DMA_READ, &span, iov, 3), -EFAULT);
}

static void test_dma_two_devices_same_domain_swapped_tables_stay_apart(void **state)
{
	guest_structures(&rig);
	for (unsigned i = 0; i < 2; i++) {
		guest_first(&rig, i, 0, 7, PT(i));
		guest_first(&rig, i, 5, 7, PT(1 - i));
		guest_map(&rig, i, 0x5000, BUF(i) | PTE_RWU);
	}
	guest_up(&rig);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(where(&rig, i, DMA_NO_PASID, 0x5000), BUF(i));
			assert_int_equal(where(&rig, i, 5, 0x5000), BUF(1 - i));
		}
		guest_inv(&rig, INV_PIOTLB(7, round), 0);
	}
}

static void test_dma_same_domain_other_pasid_is_not_flushed(void **state)
{
	guest_structures(&rig);
	guest_first(&rig, 0, 5, 7, PT(0));
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
	assert_int_equal(where(&rig, 0, 5, 0x5000), BUF(0));
	guest_map(&rig, 0, 0x5000, 0);
	guest_inv(&rig, INV_PIOTLB(7, 6), 0);
	assert_int_equal(where(&rig, 0, 5, 0x5000), BUF(0));
	guest_inv(&rig, INV_PIOTLB(7, 5), 0);
	assert_int_equal(where(&rig, 0, 5, 0x5000), ~0ULL);
}

static void test_dma_many_pasids_beyond_the_cache_all_work(void **state)
{
	guest_structures(&rig);
	for (u32 p = 0; p < 64; p++)
		guest_first(&rig, 0, p, 7, PT(0));
	poke(&rig, DIR(0) + 8, PTAB(0) | 1);
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
	for (unsigned round = 0; round < 2; round++) {
		for (u32 p = 0; p < 128; p++)
			assert_int_equal(where(&rig, 0, p, 0x5000), BUF(0));
	}
}

static void test_dma_renumbered_bus_is_looked_up_anew(void **state)
{
	guest_up_with_pages(&rig);
	rig_bus = 3;
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), FR_ROOT_P);
	poke(&rig, ROOT + 16 * 3, CTX | 1);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x5000), 0);
}

static void test_dma_to_interrupt_range_is_refused(void **state)
{
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0xfee00000), 0xff);
	guest_up_with_pages(&rig);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0xfee01000), 0xff);
	guest_map(&rig, 0, 0x9000, 0xfee00000 | PTE_RWU);
	assert_int_equal(try_dma(&rig, 0, DMA_NO_PASID, 0x9000), FR_MSI_RANGE);
	guest_pe(&rig, 0, 9, 4 << 6 | 1, 3, 0);
	assert_int_equal(try_dma(&rig, 0, 9, 0xfee00000), FR_MSI_RANGE);
}

static void test_span_of_a_forgotten_pasid_parks(void **state)
{
	struct dma_span held;
	struct iovec iov;

	guest_structures(&rig);
	for (u32 p = 0; p < 64; p++)
		guest_first(&rig, 0, p, 7, PT(0));
	poke(&rig, DIR(0) + 8, PTAB(0) | 1);
	guest_map(&rig, 0, 0x5000, BUF(0) | PTE_RWU);
	guest_up(&rig);
	assert_int_equal(dma_get_pasid(rig.dma[0], 1, 0x5000, 8, DMA_WRITE, &held, &iov, 1), 1);
	for (u32 p = 2; p < 128; p++)
		assert_int_equal(where(&rig, 0, p, 0x5000), BUF(0));
	guest_inv(&rig, INV_PC(1), 0);
	assert_false(guest_waited(&rig));
	dma_put(&held);
	rig_events(&rig);
	assert_true(guest_waited(&rig));
}

/* --- three threads: a device, the event loop, and the vCPU of the test --- */

static gpa_t in_use; /* what the device has a live span of */
static bool stop_device;

static void *device(void *arg)
{
	const struct mem_slot *slot;

	mem_slots(rig.mem, &slot);
	while (!__atomic_load_n(&stop_device, __ATOMIC_SEQ_CST)) {
		struct dma_span s;
		struct iovec iov;

		if (dma_get(rig.dma[0], 0x5000, 8, DMA_WRITE, &s, &iov, 1) < 0)
			continue;
		__atomic_store_n(&in_use, (gpa_t)((char *)iov.iov_base - (char *)slot->hva), __ATOMIC_SEQ_CST);
		__atomic_store_n(&in_use, 0, __ATOMIC_SEQ_CST);
		dma_put(&s);
	}
	return NULL;
}

static void *event_loop(void *arg)
{
	return event_run(rig.ev) ? rig.ev : NULL;
}

static void test_span_completed_wait_means_no_dma_by_the_old_page(void **state)
{
	pthread_t dev, loop;

	guest_up_with_pages(&rig);
	stop_device = false;
	assert_int_equal(pthread_create(&dev, NULL, device, NULL), 0);
	assert_int_equal(pthread_create(&loop, NULL, event_loop, NULL), 0);
	for (unsigned i = 0; i < 3000; i++) {
		gpa_t old = BUF(i & 1 ? 1 : 0), next = BUF(i & 1 ? 0 : 1);
		u64 seen = 0;

		guest_map(&rig, 0, 0x5000, next | PTE_RWU);
		guest_inv(&rig, INV_PAGE(7, 0), 0x5000);
		while ((u32)seen != rig.seq)
			assert_int_equal(mem_load(rig.mem, STATUS, 4, &seen), 0);
		assert_int_not_equal(__atomic_load_n(&in_use, __ATOMIC_SEQ_CST), old);
	}
	__atomic_store_n(&stop_device, true, __ATOMIC_SEQ_CST);
	event_stop(rig.ev);
	pthread_join(dev, NULL);
	pthread_join(loop, NULL);
}

#define SOFT(t) cmocka_unit_test_setup_teardown(t, setup_soft, teardown)

/* --- a device that keeps translations, as one with a device TLB does --- */

static struct {
	unsigned calls;
	iova_t iova, last;
	bool all;  /* one of the calls was for everything */
	bool te;   /* the status showed translation on */
	bool late; /* called after the guest was told that the invalidation is complete */
} watch;

static void on_gone(void *arg, iova_t iova, iova_t last)
{
	watch.calls++;
	watch.iova = iova;
	watch.last = last;
	watch.all |= iova == 0 && last == ~0ULL;
	watch.late |= guest_waited(&rig);
	watch.te = rd(&rig, VTD_GSTS, 4) & GCMD_TE;
}

/* Device 0 watches and has been given its page at 0x5000. */
static void watching(void)
{
	guest_up_with_pages(&rig);
	dma_watch(rig.dma[0], on_gone, NULL);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x5000), BUF(0));
	memset(&watch, 0, sizeof(watch));
}

static void test_watcher_hears_what_concerns_it_before_the_wait_ends(void **state)
{
	static const struct { u64 q0, q1; iova_t iova, last; unsigned calls; } rows[] = {
		{ INV_PAGE(7, 0), 0x5000, 0x5000, 0x5fff, 1 }, { INV_PAGE(7, 0), 0x8000 | 2, 0x8000, 0xbfff, 1 },
		{ INV_PAGE(7, 0), 63, 0, ~0ULL, 1 },           { INV_PIOTLB(7, 0), 0, 0, ~0ULL, 1 },
		{ QI_IOTLB | 2 << 4 | 7 << 16, 0, 0, ~0ULL, 1 }, { QI_IOTLB | 1 << 4, 0, 0, ~0ULL, 1 },
		{ INV_PAGE(8, 0), 0x5000, 0, 0, 0 },           { INV_PAGE(7, 1), 0x5000, 0, 0, 0 },
		{ INV_PIOTLB(8, 0), 0, 0, 0, 0 },              { QI_IOTLB | 2 << 4 | 8 << 16, 0, 0, 0, 0 },
		{ INV_PC_ALL, 0, 0, 0, 0 },
	};

	watching();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		watch.calls = 0;
		guest_inv(&rig, rows[i].q0, rows[i].q1);
		assert_true(guest_waited(&rig));
		assert_int_equal(watch.calls, rows[i].calls);
		assert_false(watch.late);
		if (rows[i].calls)
			assert_true(watch.iova == rows[i].iova && watch.last == rows[i].last);
	}
}

static void test_watcher_hears_of_changed_tables_and_switches(void **state)
{
	watching();
	guest_first(&rig, 0, 0, 7, PT(2));
	guest_inv(&rig, INV_PC(0), 0);
	assert_int_equal(watch.calls, 1);
	assert_true(watch.iova == 0 && watch.last == ~0ULL);
	assert_false(watch.late);
	guest_first(&rig, 0, 5, 7, PT(2));
	guest_inv(&rig, INV_PC(5), 0);
	assert_int_equal(watch.calls, 1);
	guest_te(&rig, false);
	assert_true(watch.calls > 1);
	assert_true(watch.te);
	watch.calls = 0;
	viommu_reset(rig.v);
	assert_true(watch.calls > 0);
}

static void test_watcher_loses_large_pages_as_a_whole(void **state)
{
	guest_structures(&rig);
	guest_first(&rig, 0, 0, 7, PT(0));
	poke(&rig, PT(0) + 0x2000, 0x200000 | PTE_RWU | 0x80);
	guest_up(&rig);
	dma_watch(rig.dma[0], on_gone, NULL);
	assert_int_equal(where(&rig, 0, DMA_NO_PASID, 0x1000), 0x201000);
	memset(&watch, 0, sizeof(watch));
	guest_inv(&rig, INV_PAGE(7, 0), 0x1ff000);
	assert_int_equal(watch.calls, 1);
	assert_true(watch.iova == 0 && watch.last == 0x1fffff);
}

static void test_watcher_of_many_ranges_hears_of_all(void **state)
{
	watching();
	/* No two of them merge, and all are in one batch: more than are told one by one. */
	for (u64 i = 0; i < 40; i++)
		guest_put(&rig, INV_PAGE(7, 0), 0x10000 + 0x3000 * i);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	assert_false(watch.late);
	/* 16, then all of it in one, then the rest of the batch. */
	assert_in_range(watch.calls, 1, VIOMMU_MAX_GONE);
	assert_true(watch.all);
}

static void test_span_says_what_would_pass(void **state)
{
	static const struct { u64 pte; enum dma_perm perm; u8 allowed; } rows[] = {
		{ PTE_RWU | 0x40, DMA_READ, DMA_RW }, { PTE_RWU, DMA_READ, DMA_READ }, { 5 | 0x40, DMA_READ, DMA_READ }, { PTE_RWU, DMA_WRITE, DMA_RW },
	};
	struct iovec iov;

	guest_up_with_pages(&rig);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		guest_map(&rig, 0, 0x5000, BUF(0) | rows[i].pte);
		guest_inv(&rig, INV_PAGE(7, 0), 0x5000);
		/* Walked, then from the cache. */
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(dma_get(rig.dma[0], 0x5000, 8, rows[i].perm, &span, &iov, 1), 1);
			assert_int_equal(span.allowed, rows[i].allowed);
			dma_put(&span);
		}
	}
	guest_te(&rig, false);
	assert_int_equal(dma_get(rig.dma[0], BUF(0), 8, DMA_READ, &span, &iov, 1), 1);
	assert_int_equal(span.allowed, DMA_RW);
	dma_put(&span);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOFT(test_dma_translates),
		SOFT(test_span_live_parks_the_wait_until_put),
		SOFT(test_span_not_covered_does_not_park),
		SOFT(test_span_got_after_flush_does_not_park),
		SOFT(test_span_of_a_large_page_is_covered_as_a_whole),
		SOFT(test_span_changed_configuration_parks),
		SOFT(test_span_translation_switch_shows_when_drained),
		SOFT(test_span_translation_switch_shows_when_in_force),
		SOFT(test_span_reset_drops_the_parked_wait),
		SOFT(test_span_queue_disabled_while_parked_starts_afresh),
		SOFT(test_dma_crossing_pages_gives_pieces_in_order),
		SOFT(test_dma_two_devices_same_domain_swapped_tables_stay_apart),
		SOFT(test_dma_same_domain_other_pasid_is_not_flushed),
		SOFT(test_dma_many_pasids_beyond_the_cache_all_work),
		SOFT(test_dma_renumbered_bus_is_looked_up_anew),
		SOFT(test_dma_to_interrupt_range_is_refused),
		SOFT(test_span_of_a_forgotten_pasid_parks),
		SOFT(test_span_completed_wait_means_no_dma_by_the_old_page),
		cmocka_unit_test_setup_teardown(test_watcher_hears_what_concerns_it_before_the_wait_ends, setup_soft, teardown),
		cmocka_unit_test_setup_teardown(test_watcher_hears_of_changed_tables_and_switches, setup_soft, teardown),
		cmocka_unit_test_setup_teardown(test_watcher_loses_large_pages_as_a_whole, setup_soft, teardown),
		cmocka_unit_test_setup_teardown(test_watcher_of_many_ranges_hears_of_all, setup_soft, teardown),
		cmocka_unit_test_setup_teardown(test_span_says_what_would_pass, setup_soft, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
