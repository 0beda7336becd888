/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"
#include "vmm/report.h"

static void test_vfio_start_brings_the_device_to_a_known_state(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(fake.in_kvm, 1);
	assert_true(fake.bound);
	assert_int_equal(fake.n_reset, 1);
	assert_int_equal(fake.n_mapped, 1);
	assert_int_not_equal(fake.attached, 0);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_non_null(vfio_rig_fn(&r)->parent);
	assert_ptr_equal(vfio_of(vfio_rig_fn(&r)), r.v->dev[0]);
	assert_null(vfio_of(vfio_rig_fn(&r)->parent));
	vfio_rig_fini(&r);
	assert_int_equal(fake.in_kvm, 0);
	assert_int_equal(fake.n_live, 0);
	assert_int_equal(fake.attached, 0);
}

static void test_vfio_end_stops_dma_and_resets(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_reset, 2);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
}

static void test_vfio_guest_reset_quiets_and_resets_the_device(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_not_equal(fake.irq_on[VFIO_IRQ_MSIX], 0);
	pci_host_reset(r.pci.host);
	assert_int_equal(fake.n_reset, 2);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 0);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
	assert_int_equal(vfio_rig_read(&r, FAKE_MSIX + 2, 2), 7);
	vfio_rig_fini(&r);
}

/* The next guest's memory is not for what the last one's device still has in mind. */
static void test_vfio_device_that_cannot_be_silenced_is_detached_for_good(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_int_not_equal(fake.attached, 0);
	/* Bus mastering off, interrupts off, reset, bus mastering off. */
	fake.fail_at = fake.calls + 1;
	fake.fail_len = 4;
	log_set_level(LOG_ERROR);
	pci_host_reset(r.pci.host);
	fake.fail_at = 0;
	assert_int_equal(r.n_failed, 1);
	assert_int_equal(fake.attached, 0);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
	assert_int_equal(vfio_attach(r.v->dev[0], r.v->ioas), -EIO);
	vfio_rig_fini(&r);
}

static struct vfio_dev *being_reset;
static unsigned held;

static void look_at_lock(void)
{
	held += pthread_mutex_trylock(&being_reset->dma) == EBUSY;
}

/* What its DMA undergoes cannot change in the middle of a reset. */
static void test_vfio_reset_keeps_attachments_out(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	being_reset = r.v->dev[0];
	held = 0;
	fake.on_reset = look_at_lock;
	vfio_rig_write(&r, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	pci_host_reset(r.pci.host);
	assert_int_equal(held, 2);
	fake.on_reset = NULL;
	vfio_rig_fini(&r);
}

static void test_vfio_report_counts_what_was_asked_of_the_host(void **state)
{
	const struct report_end e = { .reason = "test" };
	struct report *report;
	struct vfio_rig r;
	char *text;

	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(report_create(0, &report), 0);
	assert_int_equal(vfio_report(r.v, report), 0);
	assert_int_equal(vfio_report(NULL, report), 0);
	text = report_text(report, &e);
	assert_non_null(strstr(text, "\"maps\": 1"));
	assert_non_null(strstr(text, "\"attaches\": 1"));
	assert_non_null(strstr(text, "\"calls\": 2"));
	free(text);
	report_destroy(report);
	vfio_rig_fini(&r);
}

static void test_vfio_nothing_assigned_is_nothing(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.n_vfios = 0;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_null(r.v);
	assert_int_equal(fake.calls, 0);
	r.c.n_vfios = 1;
	vfio_rig_fini(&r);
}

/* What the host may lack, and the status that says so. */
static const struct {
	const char *what;
	struct sysfs_fn fn;
	int open_errno, bind_errno, map_errno;
	int status;
} refusals[] = {
	{ "no such function", { .bdf = "0000:00:05.0", .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .status = EXIT_NOINPUT },
	{ "no IOMMU", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = -1, .cdev = "vfio0" }, .status = EXIT_HOST },
	{ "a host driver", { .bdf = FAKE_BDF, .driver = "nvme", .group = 7, .cdev = NULL }, .status = EXIT_HOST },
	{ "no driver", { .bdf = FAKE_BDF, .group = 7 }, .status = EXIT_HOST },
	{ "no cdev", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7 }, .status = EXIT_HOST },
	{ "a bridge", { .bdf = FAKE_BDF, .class = "0x060400\n", .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .status = EXIT_HOST },
	{ "no iommufd", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .open_errno = ENOENT, .status = EXIT_HOST },
	{ "no permission", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .open_errno = EACCES, .status = EXIT_HOST },
	{ "in use", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .bind_errno = EINVAL, .status = EXIT_HOST },
	{ "memlock", { .bdf = FAKE_BDF, .driver = "vfio-pci", .group = 7, .cdev = "vfio0" }, .map_errno = ENOMEM, .status = EXIT_HOST },
};

static void test_vfio_refusal_leaves_nothing(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct vfio_rig r;
		int status;

		vfio_rig_init(&r);
		sysfs_del(r.sys);
		assert_int_equal(mkdir(r.sys, 0700), 0);
		sysfs_add(r.sys, &refusals[i].fn);
		fake.open_errno = refusals[i].open_errno;
		fake.bind_errno = refusals[i].bind_errno;
		fake.map_errno = refusals[i].map_errno;
		status = vfio_rig_start(&r);
		if (status != refusals[i].status)
			fail_msg("%s: status %d", refusals[i].what, status);
		vfio_rig_fini(&r);
		assert_int_equal(fake.n_live, 0);
		assert_int_equal(fake.in_kvm, 0);
	}
}

static void test_vfio_group_member_of_a_host_driver_is_refused(void **state)
{
	struct sysfs_fn bad = { .bdf = "0000:00:04.1", .driver = "ahci", .group = 7 };
	struct sysfs_fn port = { .bdf = "0000:00:03.0", .class = "0x060400\n", .driver = "pcieport", .group = 7 };
	struct vfio_rig r;

	vfio_rig_init(&r);
	sysfs_add(r.sys, &port);
	assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), 0);
	vfio_destroy(r.v);
	sysfs_add(r.sys, &bad);
	assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), EXIT_HOST);
	vfio_rig_fini(&r);
}

/* The device file may come from whoever starts nidus; it must be that of the function named. */
static void test_vfio_inherited_device_file(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.vfios[0].dev.fd = null;
	assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), EXIT_NOINPUT);
	sysfs_link(r.sys, "dev/char/1:3", "../../devices/pci0000:00/" FAKE_BDF "/vfio-dev/vfio0");
	fake.null_is_dev = true;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_true(fake.bound);
	assert_int_not_equal(r.v->dev[0]->fd, null);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
	/* The caller's own stays open. */
	assert_int_equal(fcntl(null, F_GETFD), FD_CLOEXEC);
	close(null);
}

static void test_vfio_inherited_iommufd_must_be_one(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.iommufd_fd = null;
	assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), EXIT_NOINPUT);
	assert_int_equal(fake.in_kvm, 0);
	r.c.iommufd_fd = -1;
	vfio_rig_fini(&r);
	close(null);
}

static void test_vfio_behind_a_unit_needs_a_host_that_nests(void **state)
{
	static const u64 missing[] = { BIT(26), BIT(43), BIT(47) };
	struct vfio_rig r;

	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		vfio_rig_init(&r);
		r.c.viommu = VIOMMU_VTD;
		fake.ecap = ~missing[i];
		assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), EXIT_HOST);
		vfio_rig_fini(&r);
		assert_int_equal(fake.n_live, 0);
	}
	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(fake.attached, vfio_parent(r.v->dev[0]));
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	r.c.vfios[0].viommu = OFF;
	fake.ecap = 0;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(vfio_parent(r.v->dev[0]), 0);
	vfio_rig_fini(&r);
}

static void test_vfio_without_flr_tries_the_bus_and_goes_on(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	fake.no_reset = true;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(fake.n_reset, 0);
	assert_int_equal(fake.n_hot_reset, 1);
	vfio_rig_fini(&r);
}

/* What a guest does with it: memory, ROM, MSI-X on and off, a wired interrupt and its end, a reset. */
static void use_device(struct vfio_rig *r)
{
	struct pci_fn *fn = vfio_rig_fn(r);
	u64 val;

	pci_fn_write(fn->parent, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	vfio_rig_write(r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	pci_remap(r->pci.host);
	vfio_bar_read(fn, PCI_ROM, 0, 4, &val);
	vfio_bar_write(fn, 0, 0x2800, 4, 1);
	vfio_bar_read(fn, 0, 0x2800, 4, &val);
	vfio_irq_eoi(r->v->dev[0], 16);
	vfio_rig_write(r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	vfio_rig_read(r, FAKE_VNDR + 4, 4);
	vfio_rig_write(r, FAKE_MSIX + 2, 2, 0);
	vfio_rig_write(r, FAKE_MSI + 2, 2, PCI_MSI_FLAGS_ENABLE);
	vfio_rig_write(r, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	vfio_rig_write(r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	pci_host_reset(r->pci.host);
}

/*
 * Every call once in turn, outside and behind a unit, with and without a reset and p2p: a start that fails, or works without what failed;
 * and in any case nothing left, the device off the bus.
 */
static void test_vfio_any_call_failing_leaves_nothing(void **state)
{
	unsigned starts = 0;

	for (unsigned n = 0;; n++) {
		struct vfio_rig r;
		int status;

		vfio_rig_init(&r);
		r.c.viommu = n & 1 ? VIOMMU_VTD : VIOMMU_OFF;
		r.c.vfios[0].p2p = n & 2 ? ON : OFF;
		fake.no_reset = n & 2;
		fake.rom_size = 2048;
		put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		log_set_level(LOG_ERROR);
		fake.fail_at = n / 4 + 1;
		status = vfio_rig_start(&r);
		assert_in_range(status + 1, 1, EXIT_HOST + 1);
		starts += !status;
		if (!status)
			use_device(&r);
		vfio_rig_fini(&r);
		assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
		if (fake.calls < fake.fail_at && n % 4 == 3)
			break;
		assert_in_range(n, 0, 2000);
	}
	assert_in_range(starts, 1, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vfio_start_brings_the_device_to_a_known_state),
		cmocka_unit_test(test_vfio_end_stops_dma_and_resets),
		cmocka_unit_test(test_vfio_guest_reset_quiets_and_resets_the_device),
		cmocka_unit_test(test_vfio_device_that_cannot_be_silenced_is_detached_for_good),
		cmocka_unit_test(test_vfio_reset_keeps_attachments_out),
		cmocka_unit_test(test_vfio_report_counts_what_was_asked_of_the_host),
		cmocka_unit_test(test_vfio_nothing_assigned_is_nothing),
		cmocka_unit_test(test_vfio_refusal_leaves_nothing),
		cmocka_unit_test(test_vfio_group_member_of_a_host_driver_is_refused),
		cmocka_unit_test(test_vfio_inherited_device_file),
		cmocka_unit_test(test_vfio_inherited_iommufd_must_be_one),
		cmocka_unit_test(test_vfio_behind_a_unit_needs_a_host_that_nests),
		cmocka_unit_test(test_vfio_without_flr_tries_the_bus_and_goes_on),
		cmocka_unit_test(test_vfio_any_call_failing_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
