/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include "devices/virtio.h"
#include "vmm/log.h"

struct dummy {
	struct virtio_dev vd;
	unsigned starts, resets, notified[2];
	u32 cfg;
};

static struct drv d;
static struct dummy *dummy;

static struct dummy *to_dummy(struct virtio_dev *vd)
{
	return CONTAINER_OF(vd, struct dummy, vd);
}

static void dummy_cfg_read(struct virtio_dev *vd, unsigned off, unsigned size, u64 *val)
{
	*val = off ? 0 : to_dummy(vd)->cfg;
}

static void dummy_cfg_write(struct virtio_dev *vd, unsigned off, unsigned size, u64 val)
{
	to_dummy(vd)->cfg = (u32)val;
}

static void dummy_start(struct virtio_dev *vd)
{
	to_dummy(vd)->starts++;
}

static void dummy_notify(struct virtio_dev *vd, struct vq *q)
{
	to_dummy(vd)->notified[q->index]++;
}

static void dummy_reset(struct virtio_dev *vd)
{
	to_dummy(vd)->resets++;
}

static void dummy_destroy(struct virtio_dev *vd)
{
	virtio_fini(vd);
	free(to_dummy(vd));
}

static const struct virtio_ops dummy_ops = {
	.cfg_read = dummy_cfg_read,
	.cfg_write = dummy_cfg_write,
	.start = dummy_start,
	.notify = dummy_notify,
	.reset = dummy_reset,
	.destroy = dummy_destroy,
};

static void make(bool viommu)
{
	const struct virtio_spec spec = { .type = 2, .class_rev = 0x01800000, .features = BIT(5), .n_queues = 2, .cfg_len = 6, .queue_size = 64,
					  .viommu = viommu };

	log_set_level(LOG_ERROR);
	drv_open(&d);
	dummy = calloc(1, sizeof(*dummy));
	assert_int_equal(virtio_init(&dummy->vd, &d.ctx, &dummy_ops, &spec, "dummy"), 0);
	assert_int_equal(virtio_plug(&dummy->vd), 0);
	drv_attach(&d);
}

static int setup(void **state)
{
	make(false);
	return 0;
}

static int setup_viommu(void **state)
{
	make(true);
	return 0;
}

static int teardown(void **state)
{
	drv_close(&d);
	return 0;
}

#define BASE (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))

static void test_virtio_identity_and_capabilities_are_modern(void **state)
{
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0), 4), 0x10421af4);
	assert_int_equal(drv_read(&d, drv_cfg(&d, 8), 4), 0x01800001);
	assert_int_equal(drv_read(&d, drv_cfg(&d, d.cap[VIRTIO_PCI_CAP_DEVICE_CFG] + 12), 4), 6);
	assert_int_equal(drv_read(&d, drv_cfg(&d, d.cap[VIRTIO_PCI_CAP_NOTIFY_CFG] + 16), 4), VIRTIO_NOTIFY_STRIDE);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_int_equal(dummy->vd.fn.msix.n, 3);
	/* No legacy interrupt pin: MSI-X only. */
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0x3d), 1), 0);
}

static void test_virtio_features_are_paged(void **state)
{
	assert_true(drv_offered(&d) == (BASE | BIT(5)));
	drv_set_common(&d, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_DF, 4), 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_GFSELECT, 4, 0xffffffff);
	drv_set_common(&d, VIRTIO_PCI_COMMON_GF, 4, 0xffffffff);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_GF, 4), 0);
}

static void test_virtio_negotiation_accepts_only_modern_subsets(void **state)
{
	static const struct {
		u64 features;
		bool ok;
	} rows[] = {
		{ BASE, true },
		{ BIT(VIRTIO_F_VERSION_1), true },
		{ BASE | BIT(5), true },
		{ 0, false },
		{ BIT(5), false },
		{ BASE | BIT(6), false },
		{ BASE | BIT(VIRTIO_F_ACCESS_PLATFORM), false },
		{ ~0ULL, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(drv_negotiate(&d, rows[i].features), rows[i].ok);
}

static void test_virtio_behind_viommu_refuses_driver_without_access_platform(void **state)
{
	assert_true(drv_offered(&d) & BIT(VIRTIO_F_ACCESS_PLATFORM));
	assert_false(drv_negotiate(&d, BASE));
	drv_ok(&d);
	assert_int_equal(drv_status(&d) & VIRTIO_STATUS_DRIVER_OK, 0);
	assert_int_equal(dummy->starts, 0);
	assert_true(drv_negotiate(&d, BASE | BIT(VIRTIO_F_ACCESS_PLATFORM)));
}

static void test_virtio_features_freeze_at_features_ok(void **state)
{
	assert_true(drv_negotiate(&d, BASE));
	drv_set_common(&d, VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_true(dummy->vd.features == BASE);
}

static void test_virtio_driver_ok_needs_features_ok(void **state)
{
	drv_set_status(&d, 0);
	drv_set_status(&d, 7);
	assert_int_equal(drv_status(&d), 3);
	assert_int_equal(dummy->starts, 0);
	assert_true(drv_negotiate(&d, BASE));
	drv_ok(&d);
	drv_ok(&d);
	assert_int_equal(dummy->starts, 1);
}

static void test_virtio_broken_device_does_not_start(void **state)
{
	assert_true(drv_negotiate(&d, BASE));
	drv_queue_at(&d, 0, 3, DRV_RINGS, DRV_RINGS + 0x4000, DRV_RINGS + 0x8000);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	drv_ok(&d);
	assert_int_equal(dummy->starts, 0);
	drv_start(&d, 2, 16);
	assert_int_equal(dummy->starts, 1);
}

static void test_virtio_status_bits_cannot_be_cleared_but_by_reset(void **state)
{
	assert_true(drv_negotiate(&d, BASE));
	drv_set_status(&d, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_int_equal(drv_status(&d), 11);
	drv_set_status(&d, VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(drv_status(&d), 11);
	drv_set_status(&d, 0);
	assert_int_equal(drv_status(&d), 0);
}

static void test_virtio_reset_clears_everything(void **state)
{
	unsigned before;

	drv_start(&d, 2, 16);
	before = dummy->resets;
	drv_set_status(&d, 0);
	assert_int_equal(dummy->resets, before + 1);
	for (unsigned i = 0; i < 2; i++) {
		drv_set_common(&d, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_VECTOR, 2), 0xffff);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_DESC, 8), 0);
	}
	assert_int_equal(dummy->vd.features, 0);
}

static void test_virtio_machine_reset_resets_device(void **state)
{
	unsigned before;

	drv_start(&d, 2, 16);
	before = dummy->resets;
	pci_host_reset(d.pci);
	assert_int_equal(dummy->resets, before + 1);
	drv_find_caps(&d);
	assert_int_equal(drv_status(&d), 0);
}

static void test_virtio_queue_is_fixed_once_enabled(void **state)
{
	drv_start(&d, 1, 16);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_SIZE, 2, 32);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_DESC, 8, 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_AVAIL, 4, 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_DESC, 8), DRV_RINGS);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_AVAIL, 8), DRV_RINGS + 0x4000);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

static void test_virtio_queue_addresses_keep_both_halves(void **state)
{
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_USED + 4, 4, 0x89abcdef);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_USED, 4, 0x01234567);
	assert_true(drv_common(&d, VIRTIO_PCI_COMMON_Q_USED, 8) == 0x89abcdef01234567);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_USED + 4, 4), 0x89abcdef);
}

static void test_virtio_queue_beyond_last_does_not_exist(void **state)
{
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_VECTOR, 2, 1);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_Q_VECTOR, 2), 0);
	assert_int_equal(drv_status(&d), 0);
}

static void test_virtio_vector_beyond_table_reads_none(void **state)
{
	drv_set_common(&d, VIRTIO_PCI_COMMON_CFG_VECTOR, 2, 2);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_CFG_VECTOR, 2), 2);
	drv_set_common(&d, VIRTIO_PCI_COMMON_CFG_VECTOR, 2, 3);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_CFG_VECTOR, 2), 0xffff);
}

static void test_virtio_doorbell_reaches_its_queue(void **state)
{
	drv_start(&d, 2, 16);
	drv_pump(&d);
	memset(dummy->notified, 0, sizeof(dummy->notified));
	drv_kick(&d, 1);
	drv_kick(&d, 1);
	drv_pump(&d);
	assert_int_equal(dummy->notified[0], 0);
	assert_int_equal(dummy->notified[1], 1);
}

static void test_virtio_doorbell_before_driver_ok_is_dropped(void **state)
{
	assert_true(drv_negotiate(&d, BASE));
	drv_queue(&d, 0, 16);
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(dummy->notified[0], 0);
}

static void test_virtio_without_bus_master_waits_for_it(void **state)
{
	drv_start(&d, 1, 16);
	drv_pump(&d);
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	memset(dummy->notified, 0, sizeof(dummy->notified));
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(dummy->notified[0], 0);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	drv_pump(&d);
	assert_int_equal(dummy->notified[0], 1);
}

static void test_virtio_bar_move_moves_doorbells(void **state)
{
	drv_start(&d, 1, 16);
	drv_pump(&d);
	drv_write(&d, drv_cfg(&d, 4), 2, 4);
	drv_write(&d, drv_cfg(&d, 0x10), 4, 0xC8000000);
	drv_write(&d, drv_cfg(&d, 0x14), 4, 0);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	d.bar = 0xC8000000;
	drv_pump(&d);
	memset(dummy->notified, 0, sizeof(dummy->notified));
	drv_kick(&d, 0);
	drv_pump(&d);
	assert_int_equal(dummy->notified[0], 1);
	assert_int_equal(d.mmio.n_bells, 2);
}

static void test_virtio_device_config_is_bounded(void **state)
{
	dummy->cfg = 0x12345678;
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE, 4), 0x12345678);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE, 2), 0x5678);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + 6, 1), 0);
	drv_write(&d, d.bar + VIRTIO_BAR_DEVICE + 6, 1, 1);
	assert_int_equal(dummy->cfg, 0x12345678);
}

static void test_virtio_config_change_tells_the_driver(void **state)
{
	u64 gen = drv_common(&d, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	virtio_cfg_changed(&dummy->vd);
	assert_int_equal(d.msis[0], 0);
	drv_start(&d, 1, 16);
	virtio_cfg_changed(&dummy->vd);
	assert_int_equal(d.msis[0], 1);
	assert_int_equal(drv_common(&d, VIRTIO_PCI_COMMON_CFGGENERATION, 1), gen + 2);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_ISR, 1), VIRTIO_ISR_CONFIG);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_ISR, 1), 0);
}

static void point_window(u32 bar, u32 off, u32 len)
{
	unsigned cap = d.cap[VIRTIO_PCI_CAP_PCI_CFG];

	drv_write(&d, drv_cfg(&d, cap + VIRTIO_PCI_CAP_O_BAR), 1, bar);
	drv_write(&d, drv_cfg(&d, cap + VIRTIO_PCI_CAP_O_OFFSET), 4, off);
	drv_write(&d, drv_cfg(&d, cap + VIRTIO_PCI_CAP_O_LENGTH), 4, len);
}

/* Interrupts of queue 0 that arrive when it raises one. */
static unsigned raised(void)
{
	unsigned before = d.msis[1];

	virtio_raise(&dummy->vd.q[0]);
	drv_pump(&d);
	return d.msis[1] - before;
}

static void test_virtio_queue_interrupt_is_an_irqfd_that_follows_msix(void **state)
{
	struct vq *q = &dummy->vd.q[0];
	u64 entry = d.bar + VIRTIO_BAR_MSIX + 16;

	assert_false(q->irq.attached);
	drv_start(&d, 2, 16);
	assert_true(q->irq.attached);
	assert_int_equal(raised(), 1);
	drv_write(&d, entry + 12, 4, 1);
	assert_false(q->irq.attached);
	assert_int_equal(raised(), 0);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_PBA, 8), 2);
	drv_write(&d, entry + 12, 4, 0);
	drv_pump(&d);
	assert_int_equal(d.msis[1], 2);
	assert_true(q->irq.attached);
	drv_write(&d, entry + 8, 4, 2);
	assert_int_equal(raised(), 0);
	assert_int_equal(d.msis[2], 1);
	drv_set_status(&d, 0);
	assert_false(q->irq.attached);
}

static void test_virtio_queue_without_vector_or_msix_raises_nothing(void **state)
{
	struct vq *q = &dummy->vd.q[0];

	drv_start(&d, 2, 16);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_VECTOR, 2, 0xffff);
	assert_false(q->irq.attached);
	assert_int_equal(raised(), 0);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_ISR, 1), 0);
	drv_set_common(&d, VIRTIO_PCI_COMMON_Q_VECTOR, 2, 1);
	assert_int_equal(raised(), 1);
	drv_write(&d, drv_cfg(&d, dummy->vd.fn.msix.cap + 2U), 2, 0);
	assert_false(q->irq.attached);
	assert_int_equal(raised(), 0);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_ISR, 1), VIRTIO_ISR_QUEUE);
}

static void test_virtio_queue_interrupt_goes_without_irqfd(void **state)
{
	d.irqfd_err = -ENOMEM;
	drv_start(&d, 2, 16);
	assert_false(dummy->vd.q[0].irq.attached);
	assert_int_equal(raised(), 1);
}

static void test_virtio_reset_forgets_signals(void **state)
{
	const u64 one = 1;

	drv_start(&d, 2, 16);
	drv_write(&d, d.bar + VIRTIO_BAR_MSIX + 16 + 12, 4, 1);
	/* As the kernel would for a queue it serves. */
	assert_int_equal(write(dummy->vd.q[0].irq.fd, &one, sizeof(one)), sizeof(one));
	drv_set_status(&d, 0);
	drv_write(&d, d.bar + VIRTIO_BAR_MSIX + 16 + 12, 4, 0);
	drv_start(&d, 2, 16);
	drv_pump(&d);
	assert_int_equal(d.msis[1], 0);
}

static void test_virtio_window_reads_and_writes_the_bar(void **state)
{
	u64 data = drv_cfg(&d, d.cap[VIRTIO_PCI_CAP_PCI_CFG] + VIRTIO_PCI_CAP_O_DATA);

	point_window(0, VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(drv_read(&d, data, 2), 2);
	point_window(0, VIRTIO_PCI_COMMON_STATUS, 1);
	drv_write(&d, data, 1, 3);
	assert_int_equal(drv_status(&d), 3);
	point_window(0, VIRTIO_BAR_DEVICE, 4);
	drv_write(&d, data, 4, 0xcafef00d);
	assert_int_equal(dummy->cfg, 0xcafef00d);
	assert_int_equal(drv_read(&d, data, 4), 0xcafef00d);
}

static void test_virtio_window_elsewhere_is_harmless(void **state)
{
	static const u32 rows[][3] = {
		{ 1, 0, 4 }, { 0, 0, 8 }, { 0, 0, 0 }, { 0, 2, 4 }, { 0, 0xfffffffc, 4 }, { 0, VIRTIO_BAR_MSIX, 4 }, { 0, 0, 0xffffffff },
	};
	u64 data = drv_cfg(&d, d.cap[VIRTIO_PCI_CAP_PCI_CFG] + VIRTIO_PCI_CAP_O_DATA);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		point_window(rows[i][0], rows[i][1], rows[i][2]);
		drv_write(&d, data, 4, 0xffffffff);
		drv_read(&d, data, 4);
		assert_int_equal(dummy->vd.dfsel, 0);
	}
}

static void test_virtio_every_register_at_every_width_is_total(void **state)
{
	static const u64 values[] = { 0, ~0ULL, 1, 0x8000000080000000 };

	for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
		for (u64 off = 0; off < VIRTIO_BAR_SIZE; off += off % 0x1000 < 0x50 ? 1 : 0x1000 - 0x50) {
			for (unsigned size = 1; size <= 8; size++) {
				drv_write(&d, d.bar + off, size, values[v]);
				drv_read(&d, d.bar + off, size);
			}
		}
	}
	drv_pump(&d);
	drv_start(&d, 2, 16);
	assert_true(drv_status(&d) & VIRTIO_STATUS_DRIVER_OK);
}

static void test_virtio_init_fails_cleanly_when_bus_is_full(void **state)
{
	const struct virtio_spec spec = { .type = 4, .n_queues = 1, .queue_size = 64 };
	unsigned made = 0;
	struct dummy *more;
	int err;

	for (;;) {
		more = calloc(1, sizeof(*more));
		err = virtio_init(&more->vd, &d.ctx, &dummy_ops, &spec, "more");
		if (err)
			break;
		assert_int_equal(virtio_plug(&more->vd), 0);
		made++;
	}
	free(more);
	assert_int_equal(err, -ENOSPC);
	assert_true(made > 20);
	assert_null(virtio_from_fn(&(struct pci_fn){ 0 }));
	assert_ptr_equal(virtio_from_fn(&dummy->vd.fn), &dummy->vd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_virtio_identity_and_capabilities_are_modern),
		T(test_virtio_features_are_paged),
		T(test_virtio_negotiation_accepts_only_modern_subsets),
		cmocka_unit_test_setup_teardown(test_virtio_behind_viommu_refuses_driver_without_access_platform, setup_viommu, teardown),
		T(test_virtio_features_freeze_at_features_ok),
		T(test_virtio_driver_ok_needs_features_ok),
		T(test_virtio_broken_device_does_not_start),
		T(test_virtio_status_bits_cannot_be_cleared_but_by_reset),
		T(test_virtio_reset_clears_everything),
		T(test_virtio_machine_reset_resets_device),
		T(test_virtio_queue_is_fixed_once_enabled),
		T(test_virtio_queue_addresses_keep_both_halves),
		T(test_virtio_queue_beyond_last_does_not_exist),
		T(test_virtio_vector_beyond_table_reads_none),
		T(test_virtio_doorbell_reaches_its_queue),
		T(test_virtio_doorbell_before_driver_ok_is_dropped),
		T(test_virtio_without_bus_master_waits_for_it),
		T(test_virtio_bar_move_moves_doorbells),
		T(test_virtio_device_config_is_bounded),
		T(test_virtio_config_change_tells_the_driver),
		T(test_virtio_queue_interrupt_is_an_irqfd_that_follows_msix),
		T(test_virtio_queue_without_vector_or_msix_raises_nothing),
		T(test_virtio_queue_interrupt_goes_without_irqfd),
		T(test_virtio_reset_forgets_signals),
		T(test_virtio_window_reads_and_writes_the_bar),
		T(test_virtio_window_elsewhere_is_harmless),
		T(test_virtio_every_register_at_every_width_is_total),
		T(test_virtio_init_fails_cleanly_when_bus_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
