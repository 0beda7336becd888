/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;

static int setup(void **state)
{
	vfio_rig_init(&r);
	r.c.vfios[0].p2p = ON;
	return 0;
}

static int teardown(void **state)
{
	vfio_rig_fini(&r);
	return 0;
}

static void show_bars(void)
{
	pci_fn_write(vfio_rig_fn(&r)->parent, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_remap(r.pci.host);
}

/* The two pages before the MSI-X table, at the BAR's address, for as long as the guest has it there. */
static void test_p2p_follows_the_bar(void **state)
{
	u64 at;

	assert_int_equal(vfio_rig_start(&r), 0);
	assert_true(r.v->dev[0]->p2p);
	assert_int_equal(fake.n_dmabufs, 1);
	assert_int_equal(fake.n_peers, 0);
	show_bars();
	at = vfio_rig_fn(&r)->bar[0].gpa;
	assert_int_equal(fake.n_peers, 1);
	assert_int_equal(fake.peer_at, at);
	assert_int_equal(fake.dmabuf.region, 0);
	assert_int_equal(fake.dmabuf.off, 0);
	assert_int_equal(fake.dmabuf.len, 0x2000);
	vfio_rig_write(&r, PCI_COMMAND, 2, 0);
	assert_int_equal(fake.n_peers, 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(fake.n_peers, 1);
	/* The kernel takes the memory back at a reset; after it the BAR is not on the bus. */
	pci_host_reset(r.pci.host);
	assert_int_equal(fake.n_peers, 0);
	/* No descriptor stays open. */
	assert_int_equal(fcntl(fake.dmabuf_fd, F_GETFD), -1);
}

static void test_p2p_off_asks_for_nothing(void **state)
{
	r.c.vfios[0].p2p = UNSET;
	assert_int_equal(vfio_rig_start(&r), 0);
	show_bars();
	assert_int_equal(fake.n_dmabufs, 0);
	assert_int_equal(fake.n_peers, 0);
	assert_int_equal(fake.n_mapped, 1);
}

/* Neither kind of kernel keeps the VM from starting. */
static void test_p2p_a_kernel_without_it_is_told_and_goes_on(void **state)
{
	fake.no_dmabuf = true;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_false(r.v->dev[0]->p2p);
	vfio_rig_fini(&r);
	setup(state);
	fake.no_dmabuf_map = true;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_false(r.v->dev[0]->p2p);
	show_bars();
	assert_int_equal(fake.n_dmabufs, 1);
	assert_int_equal(fake.n_peers, 0);
}

static void test_p2p_a_mapping_that_fails_later_is_only_missing(void **state)
{
	assert_int_equal(vfio_rig_start(&r), 0);
	fake.no_dmabuf = true;
	show_bars();
	assert_true(vfio_rig_fn(&r)->bar[0].mapped);
	assert_int_equal(fake.n_peers, 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, 0);
	fake.no_dmabuf = false;
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(fake.n_peers, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_p2p_follows_the_bar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_p2p_off_asks_for_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_p2p_a_kernel_without_it_is_told_and_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_p2p_a_mapping_that_fails_later_is_only_missing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
