/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/event_rounds.h"
#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;

static int setup(void **state)
{
	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	return 0;
}

static int teardown(void **state)
{
	vfio_rig_fini(&r);
	assert_int_equal(fake.irq_on[VFIO_IRQ_INTX] + fake.irq_on[VFIO_IRQ_MSI] + fake.irq_on[VFIO_IRQ_MSIX], 0);
	return 0;
}

/* The event thread's turn. */
static void serve(void)
{
	assert_int_equal(event_rounds(r.ev, 4), 0);
}

static void signal_fd(int fd)
{
	u64 one = 1;

	assert_int_equal(write(fd, &one, 8), 8);
}

static bool any_line(void)
{
	bool any = false;

	for (unsigned i = 0; i < IRQ_LINES; i++)
		any |= r.pci.line[i];
	return any;
}

static void table(unsigned vec, u32 ctrl)
{
	pci_msix_bar_write(vfio_rig_fn(&r), 0, 0x2000 + 16 * vec, 4, 0xfee00000);
	pci_msix_bar_write(vfio_rig_fn(&r), 0, 0x2000 + 16 * vec + 8, 4, 0x40 + vec);
	pci_msix_bar_write(vfio_rig_fn(&r), 0, 0x2000 + 16 * vec + 12, 4, ctrl);
}

static void test_irq_msix_vectors_are_made_when_unmasked(void **state)
{
	struct vfio_dev *d = r.v->dev[0];

	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 1);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSIX][0], -1);
	table(3, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 4);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSIX][3], d->vec[3].fd);
	assert_null(d->vec[2].irq);
	table(3, 1);
	assert_false(d->vec[3].attached);
	table(3, 0);
	assert_true(d->vec[3].attached);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_false(d->vec[3].attached);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 0);
}

static void test_irq_msix_before_enable_is_kept_for_it(void **state)
{
	table(0, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 0);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSIX][0], r.v->dev[0]->vec[0].fd);
}

static void test_irq_msix_that_cannot_grow_has_all_at_once(void **state)
{
	vfio_rig_fini(&r);
	vfio_rig_init(&r);
	fake.noresize = true;
	assert_int_equal(vfio_rig_start(&r), 0);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 8);
	table(7, 0);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSIX][7], r.v->dev[0]->vec[7].fd);
}

static void enable_msi(unsigned log2)
{
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_DATA_64, 2, 0x43);
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | log2 << 4);
}

static void test_irq_msi_has_as_many_vectors_as_enabled(void **state)
{
	enable_msi(1);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 2);
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 7 << 4);
	/* The device offers four, of which the capability says so. */
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 4);
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_FLAGS, 2, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 0);
}

static void test_irq_msi_on_a_host_with_fewer_vectors_has_what_there_are(void **state)
{
	fake.vectors = 3;
	enable_msi(2);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 2);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSI][1], r.v->dev[0]->vec[1].fd);
	/* A later change finds the same vectors. */
	fake.n_set_irqs = 0;
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_DATA_64, 2, 0x53);
	assert_int_equal(fake.n_set_irqs, 0);
	vfio_rig_write(&r, FAKE_MSI + PCI_MSI_FLAGS, 2, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 0);
	fake.vectors = 1;
	enable_msi(2);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSI], 1);
}

/* Not taken for a success: a vector that could not be had is asked for again at the guest's next change of it. */
static void test_irq_msix_on_a_host_with_fewer_vectors_is_no_success(void **state)
{
	fake.vectors = 2;
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	table(1, 0);
	table(3, 0);
	assert_true(r.v->dev[0]->wired[1]);
	assert_false(r.v->dev[0]->wired[3]);
	fake.vectors = 0;
	table(3, 1);
	table(3, 0);
	assert_int_equal(fake.irq_fd[VFIO_IRQ_MSIX][3], r.v->dev[0]->vec[3].fd);
}

static void test_irq_intx_is_asserted_until_the_eoi(void **state)
{
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(fake.irq_on[VFIO_IRQ_INTX], 1);
	signal_fd(fake.irq_fd[VFIO_IRQ_INTX][0]);
	serve();
	assert_true(any_line());
	assert_int_equal(fake.n_unmask, 0);
	vfio_eoi(r.v, 16);
	assert_false(any_line());
	assert_int_equal(fake.n_unmask, 1);
	vfio_eoi(r.v, 16);
	assert_int_equal(fake.n_unmask, 1);
	/* MSI-X takes its place, and lowers the line. */
	signal_fd(fake.irq_fd[VFIO_IRQ_INTX][0]);
	serve();
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_false(any_line());
	assert_int_equal(fake.irq_on[VFIO_IRQ_INTX], 0);
}

static void test_irq_error_or_request_stops_the_vm(void **state)
{
	signal_fd(fake.irq_fd[VFIO_IRQ_ERR][0]);
	serve();
	assert_int_equal(r.n_failed, 1);
	signal_fd(fake.irq_fd[VFIO_IRQ_REQ][0]);
	serve();
	assert_int_equal(r.n_failed, 2);
}

static void test_irq_refused_by_the_host_leaves_the_vm_running(void **state)
{
	fake.fail_at = fake.calls + 1;
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, 0);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	table(1, 0);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_irq_msix_vectors_are_made_when_unmasked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_msix_before_enable_is_kept_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_msix_that_cannot_grow_has_all_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_msi_has_as_many_vectors_as_enabled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_msi_on_a_host_with_fewer_vectors_has_what_there_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_msix_on_a_host_with_fewer_vectors_is_no_success, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_intx_is_asserted_until_the_eoi, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_error_or_request_stops_the_vm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_refused_by_the_host_leaves_the_vm_running, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
