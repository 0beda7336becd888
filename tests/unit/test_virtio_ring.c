/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include "devices/virtio.h"
#include "vmm/log.h"

/* A device that keeps what it pops. */
struct sink {
	struct virtio_dev vd;
	struct vq_chain chain[8];
	unsigned n;
	int last;      /* of vq_pop() */
	bool hold;     /* do not return chains */
};

static struct drv d;
static struct sink *sink;

static void sink_notify(struct virtio_dev *vd, struct vq *q)
{
	struct sink *s = CONTAINER_OF(vd, struct sink, vd);

	vq_enable_bell(q, false);
	do {
		while (s->n < ARRAY_SIZE(s->chain) && (s->last = vq_pop(q, &s->chain[s->n])) == 1) {
			if (!s->hold)
				vq_push(q, s->chain[s->n].head, (u32)s->chain[s->n].in_len);
			s->n++;
		}
	} while (s->last == 0 && vq_enable_bell(q, true));
	vq_notify_driver(q);
}

static void sink_destroy(struct virtio_dev *vd)
{
	virtio_fini(vd);
	free(CONTAINER_OF(vd, struct sink, vd));
}

static const struct virtio_ops sink_ops = { .notify = sink_notify, .destroy = sink_destroy };

static int setup(void **state)
{
	const struct virtio_spec spec = { .type = 4, .n_queues = 1, .queue_size = 256 };

	log_set_level(LOG_ERROR);
	drv_open(&d);
	sink = calloc(1, sizeof(*sink));
	assert_int_equal(virtio_init(&sink->vd, &d.ctx, &sink_ops, &spec, "sink"), 0);
	assert_int_equal(virtio_plug(&sink->vd), 0);
	drv_attach(&d);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	return 0;
}

static void start(u64 features)
{
	assert_true(drv_negotiate(&d, features | BIT(VIRTIO_F_VERSION_1)));
	drv_queue(&d, 0, 16);
	drv_ok(&d);
	memset(d.msis, 0, sizeof(d.msis));
	sink->n = 0;
	sink->last = 0;
	sink->hold = false;
}

#define ALL (BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))
#define TABLE 0x300000

static void test_ring_direct_chain_is_split_into_out_and_in(void **state)
{
	start(ALL);
	drv_desc(&d, 0, 3, DRV_DATA, 16, F_NEXT, 5);
	drv_desc(&d, 0, 5, DRV_DATA + 0x1000, 512, F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA + 0x2000, 7, F_WRITE, 9);
	drv_avail(&d, 0, 3);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(sink->n, 1);
	assert_int_equal(sink->chain[0].head, 3);
	assert_int_equal(sink->chain[0].n_out, 2);
	assert_int_equal(sink->chain[0].n_in, 1);
	assert_int_equal(sink->chain[0].out_len, 528);
	assert_int_equal(sink->chain[0].in_len, 7);
	assert_int_equal(sink->chain[0].seg[2].addr, DRV_DATA + 0x2000);
	assert_int_equal(drv_used_idx(&d, 0), 1);
	assert_int_equal(drv_used_id(&d, 0, 0), 3);
	assert_int_equal(drv_used_len(&d, 0, 0), 7);
	assert_int_equal(d.msis[1], 1);
}

static void test_ring_indirect_after_direct_is_followed(void **state)
{
	start(ALL);
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_NEXT, 1);
	drv_desc(&d, 0, 1, TABLE, 32, F_INDIRECT, 0);
	drv_desc_at(&d, TABLE, 0, DRV_DATA + 0x1000, 8, F_NEXT, 1);
	drv_desc_at(&d, TABLE, 1, DRV_DATA + 0x2000, 9, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(sink->n, 1);
	assert_int_equal(sink->chain[0].out_len, 24);
	assert_int_equal(sink->chain[0].in_len, 9);
}

static void test_ring_full_of_requests_wraps(void **state)
{
	start(ALL);
	for (u16 i = 0; i < 100; i++) {
		sink->n = 0;
		drv_desc(&d, 0, i % 16, DRV_DATA, 16, 0, 0);
		drv_avail(&d, 0, i % 16);
		drv_kick(&d, 0);
		drv_pump(&d);
		assert_int_equal(drv_used_idx(&d, 0), i + 1);
		assert_int_equal(drv_used_id(&d, 0, i), i % 16);
	}
}

/* Each writes one malformed thing; the chain at head 0 is published afterwards unless the row says otherwise. */
static void bad_loop(void)
{
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA, 16, F_NEXT, 0);
}

static void bad_self_loop(void)
{
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_NEXT, 0);
}

static void bad_next_outside(void)
{
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_NEXT, 16);
}

static void bad_zero_length(void)
{
	drv_desc(&d, 0, 0, DRV_DATA, 0, 0, 0);
}

static void bad_readable_after_writable(void)
{
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_WRITE | F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA, 16, 0, 0);
}

static void bad_indirect_length(void)
{
	drv_desc(&d, 0, 0, TABLE, 17, F_INDIRECT, 0);
}

static void bad_indirect_empty(void)
{
	drv_desc(&d, 0, 0, TABLE, 0, F_INDIRECT, 0);
}

static void bad_indirect_huge(void)
{
	drv_desc(&d, 0, 0, TABLE, 0xfffffff0, F_INDIRECT, 0);
}

static void bad_indirect_outside_ram(void)
{
	drv_desc(&d, 0, 0, DRV_RAM - 16, 32, F_INDIRECT, 0);
}

static void bad_indirect_wraps(void)
{
	drv_desc(&d, 0, 0, ~0ULL - 15, 32, F_INDIRECT, 0);
}

static void bad_indirect_nested(void)
{
	drv_desc(&d, 0, 0, TABLE, 16, F_INDIRECT, 0);
	drv_desc_at(&d, TABLE, 0, TABLE, 16, F_INDIRECT, 0);
}

static void bad_indirect_next(void)
{
	drv_desc(&d, 0, 0, TABLE, 16, F_INDIRECT | F_NEXT, 1);
	drv_desc_at(&d, TABLE, 0, DRV_DATA, 16, 0, 0);
}

static void bad_indirect_loop(void)
{
	drv_desc(&d, 0, 0, TABLE, 16, F_INDIRECT, 0);
	drv_desc_at(&d, TABLE, 0, DRV_DATA, 16, F_NEXT, 0);
}

static void bad_indirect_next_outside(void)
{
	drv_desc(&d, 0, 0, TABLE, 32, F_INDIRECT, 0);
	drv_desc_at(&d, TABLE, 0, DRV_DATA, 16, F_NEXT, 2);
}

static void bad_head_outside(void)
{
	drv_avail(&d, 0, 16);
}

static void bad_avail_jump(void)
{
	d.q[0].avail += 17;
}

static void test_ring_malformed_breaks_the_device_only(void **state)
{
	static const struct {
		const char *name;
		void (*write)(void);
	} rows[] = {
		{ "loop", bad_loop },
		{ "self loop", bad_self_loop },
		{ "next outside the table", bad_next_outside },
		{ "zero length", bad_zero_length },
		{ "readable after writable", bad_readable_after_writable },
		{ "indirect length no multiple of 16", bad_indirect_length },
		{ "indirect empty", bad_indirect_empty },
		{ "indirect huge", bad_indirect_huge },
		{ "indirect outside RAM", bad_indirect_outside_ram },
		{ "indirect wraps", bad_indirect_wraps },
		{ "indirect in indirect", bad_indirect_nested },
		{ "indirect with next", bad_indirect_next },
		{ "indirect loop", bad_indirect_loop },
		{ "indirect next outside", bad_indirect_next_outside },
		{ "head outside the ring", bad_head_outside },
		{ "available index jumps", bad_avail_jump },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		start(ALL);
		rows[i].write();
		drv_avail(&d, 0, 0);
		drv_kick(&d, 0);
		drv_pump(&d);
		if (!(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET) || sink->n || d.msis[0] != 1 || drv_used_idx(&d, 0))
			fail_msg("%s: not refused", rows[i].name);
		/* Dead until reset, then well again. */
		drv_kick(&d, 0);
		drv_pump(&d);
		assert_int_equal(sink->n, 0);
		start(ALL);
		assert_int_equal(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET, 0);
	}
}

static void test_ring_indirect_without_feature_breaks(void **state)
{
	start(0);
	drv_desc(&d, 0, 0, TABLE, 16, F_INDIRECT, 0);
	drv_desc_at(&d, TABLE, 0, DRV_DATA, 16, 0, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_ring_outside_ram_breaks(void **state)
{
	static const struct {
		u64 desc, avail, used;
	} rows[] = {
		{ DRV_RAM, DRV_RINGS, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, DRV_RAM, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, DRV_RINGS + 0x2000, DRV_RAM },
		{ 0xFFFFFFFFFFFFFF00, DRV_RINGS, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, ~1ULL, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, DRV_RINGS + 0x2000, ~3ULL },
		{ DRV_RINGS + 8, DRV_RINGS + 0x2000, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, DRV_RINGS + 0x2001, DRV_RINGS + 0x1000 },
		{ DRV_RINGS, DRV_RINGS + 0x2000, DRV_RINGS + 0x1002 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(drv_negotiate(&d, BIT(VIRTIO_F_VERSION_1)));
		assert_int_equal(mem_zero(d.mem, DRV_RINGS, 0x4000), 0);
		drv_queue_at(&d, 0, 16, rows[i].desc, rows[i].avail, rows[i].used);
		drv_ok(&d);
		drv_set_ram(&d, DRV_RINGS + 2, 2, 1);
		drv_set_ram(&d, DRV_RINGS + 0x2002, 2, 1);
		drv_kick(&d, 0);
		drv_pump(&d);
		if (!(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET))
			fail_msg("row %u: not refused", i);
	}
}

static void test_ring_bad_size_breaks(void **state)
{
	static const u16 sizes[] = { 0, 3, 512, 65535 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(drv_negotiate(&d, BIT(VIRTIO_F_VERSION_1)));
		drv_queue(&d, 0, sizes[i]);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	}
}

static void one_request(void)
{
	sink->n = 0;
	drv_desc(&d, 0, 0, DRV_DATA, 16, 0, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
}

static void test_ring_no_interrupt_flag_suppresses(void **state)
{
	start(0);
	drv_set_ram(&d, d.q[0].ring, 2, VIRTQ_AVAIL_F_NO_INTERRUPT);
	one_request();
	assert_int_equal(d.msis[1], 0);
	drv_set_ram(&d, d.q[0].ring, 2, 0);
	one_request();
	assert_int_equal(d.msis[1], 1);
}

static void test_ring_event_idx_interrupts_when_crossed(void **state)
{
	start(ALL);
	/* After the third used entry. */
	drv_set_ram(&d, d.q[0].ring + 4 + 2 * 16, 2, 2);
	one_request();
	one_request();
	assert_int_equal(d.msis[1], 0);
	one_request();
	assert_int_equal(d.msis[1], 1);
	one_request();
	assert_int_equal(d.msis[1], 1);
}

static void test_ring_event_idx_asks_for_next_doorbell(void **state)
{
	start(ALL);
	one_request();
	assert_int_equal(drv_ram(&d, d.q[0].used + 4 + 8 * 16, 2), 1);
	one_request();
	assert_int_equal(drv_ram(&d, d.q[0].used + 4 + 8 * 16, 2), 2);
}

static void test_ring_without_event_idx_bell_flag_is_cleared(void **state)
{
	start(0);
	one_request();
	assert_int_equal(drv_ram(&d, d.q[0].used, 2), 0);
}

static void test_chain_copy_with_skip_crosses_segments(void **state)
{
	char buf[32] = { 0 };
	const struct vq_chain *c = &sink->chain[0];

	start(ALL);
	assert_int_equal(mem_write(d.mem, DRV_DATA, "abcdef", 6), 0);
	assert_int_equal(mem_write(d.mem, DRV_DATA + 0x1000, "ghij", 4), 0);
	drv_desc(&d, 0, 0, DRV_DATA, 6, F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA + 0x1000, 4, F_NEXT, 2);
	drv_desc(&d, 0, 2, DRV_DATA + 0x2000, 2, F_WRITE | F_NEXT, 3);
	drv_desc(&d, 0, 3, DRV_RAM - 2, 4, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(vq_chain_read(&sink->vd, c, 4, buf, 4), 4);
	assert_memory_equal(buf, "efgh", 4);
	assert_int_equal(vq_chain_read(&sink->vd, c, 8, buf, 32), 2);
	assert_int_equal(vq_chain_read(&sink->vd, c, 10, buf, 32), 0);
	assert_int_equal(vq_chain_write(&sink->vd, c, 1, "x", 1), 1);
	assert_int_equal(drv_ram(&d, DRV_DATA + 0x2001, 1), 'x');
	assert_int_equal(vq_chain_write(&sink->vd, c, 0, "0123456", 6), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_direct_chain_is_split_into_out_and_in),
		cmocka_unit_test(test_ring_indirect_after_direct_is_followed),
		cmocka_unit_test(test_ring_full_of_requests_wraps),
		cmocka_unit_test(test_ring_malformed_breaks_the_device_only),
		cmocka_unit_test(test_ring_indirect_without_feature_breaks),
		cmocka_unit_test(test_ring_outside_ram_breaks),
		cmocka_unit_test(test_ring_bad_size_breaks),
		cmocka_unit_test(test_ring_no_interrupt_flag_suppresses),
		cmocka_unit_test(test_ring_event_idx_interrupts_when_crossed),
		cmocka_unit_test(test_ring_event_idx_asks_for_next_doorbell),
		cmocka_unit_test(test_ring_without_event_idx_bell_flag_is_cleared),
		cmocka_unit_test(test_chain_copy_with_skip_crosses_segments),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
