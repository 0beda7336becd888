/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;
static unsigned maps, unmaps;
static u64 map_at[8], map_len[8];

static int map_hook(void *ctx, gpa_t gpa, u64 len, void *hva, bool readonly, bool add)
{
	if (!add) {
		unmaps++;
		return 0;
	}
	map_at[maps % 8] = gpa;
	map_len[maps++ % 8] = len;
	return 0;
}

static const struct bus_hooks hooks = { .map = map_hook };

static int setup(void **state)
{
	vfio_rig_init(&r);
	maps = unmaps = 0;
	r.pci.bus.hooks = &hooks;
	return 0;
}

static int teardown(void **state)
{
	vfio_rig_fini(&r);
	return 0;
}

/* Table at 0x2000, pending bits at 0x3000 of 16 KiB: the first two pages are direct. */
static void test_bar_is_mapped_around_the_msix_pages(void **state)
{
	const struct pci_bar *b;

	assert_int_equal(vfio_rig_start(&r), 0);
	b = &vfio_rig_fn(&r)->bar[0];
	assert_int_equal(b->size, FAKE_BAR_SIZE);
	assert_true(b->is64);
	assert_int_equal(fake.n_mmaps, 1);
	assert_int_equal(r.v->dev[0]->bar[0].area[0].len, 0x2000);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	/* The root port forwards only once its own memory space is on. */
	pci_fn_write(vfio_rig_fn(&r)->parent, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_remap(r.pci.host);
	assert_true(b->mapped);
	assert_int_equal(maps, 1);
	assert_int_equal(map_at[0], b->gpa);
	assert_int_equal(map_len[0], 0x2000);
	vfio_rig_write(&r, PCI_COMMAND, 2, 0);
	assert_int_equal(unmaps, 1);
}

static void test_bar_trapped_access_of_any_size_reaches_the_device(void **state)
{
	assert_int_equal(vfio_rig_start(&r), 0);
	for (unsigned size = 1; size <= 8; size++) {
		u64 v = 0;

		vfio_bar_write(vfio_rig_fn(&r), 0, 0x11, size, 0x1122334455667788);
		vfio_bar_read(vfio_rig_fn(&r), 0, 0x11, size, &v);
		assert_int_equal(v, 0x1122334455667788 & size_mask(size));
	}
}

static void test_bar_of_a_device_that_is_gone_reads_all_ones(void **state)
{
	u64 v = 0;

	assert_int_equal(vfio_rig_start(&r), 0);
	fake.fail_at = fake.calls + 1;
	vfio_bar_read(vfio_rig_fn(&r), 0, 0, 4, &v);
	assert_int_equal(v, 0xffffffff);
}

static void test_bar_that_cannot_be_mapped_is_trapped(void **state)
{
	unsigned n;

	assert_int_equal(vfio_rig_start(&r), 0);
	n = fake.calls;
	vfio_rig_fini(&r);
	setup(state);
	/* The mapping is the last call of a start. */
	fake.fail_at = n;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_null(r.v->dev[0]->bar[0].area[0].hva);
}

static void test_bar_msix_table_and_pending_bits_may_be_in_two_bars(void **state)
{
	const struct vfio_dev *d;

	put_le(fake.cfg + PCI_BASE_ADDRESS_2, 4, 0xfd000004);
	/* Table in BAR 0, pending bits at 0x1000 of BAR 2. */
	put_le(fake.cfg + FAKE_MSIX + 8, 4, 0x1002);
	assert_int_equal(vfio_rig_start(&r), 0);
	d = r.v->dev[0];
	assert_int_equal(d->fn.msix.n, 8);
	assert_int_equal(d->fn.msix.bar, 0);
	assert_int_equal(d->fn.msix.pba_bar, 2);
	/* Only the table's page of BAR 0 is kept back. */
	assert_int_equal(d->bar[0].n_areas, 2);
	assert_int_equal(d->bar[0].area[1].off, 0x3000);
}

static void test_rom_is_copied_once_and_read_only(void **state)
{
	struct pci_fn *fn;
	u64 v = 0;

	fake.rom_size = 2048;
	put_le(fake.bar, 4, 0xaa55);
	put_le(fake.bar + 2044, 4, 0x12345678);
	assert_int_equal(vfio_rig_start(&r), 0);
	fn = vfio_rig_fn(&r);
	assert_int_equal(fn->bar[PCI_ROM].size, 2048);
	vfio_rig_write(&r, PCI_ROM_ADDRESS, 4, ~0U);
	assert_int_equal(vfio_rig_read(&r, PCI_ROM_ADDRESS, 4), 0xfffff801);
	assert_int_equal(fake.n_rom_reads, 0);
	vfio_bar_read(fn, PCI_ROM, 0, 2, &v);
	assert_int_equal(v, 0xaa55);
	vfio_bar_write(fn, PCI_ROM, 0, 2, 0x1111);
	vfio_bar_read(fn, PCI_ROM, 2044, 4, &v);
	assert_int_equal(v, 0x12345678);
	vfio_bar_read(fn, PCI_ROM, 2045, 4, &v);
	assert_int_equal(v, 0xffffffff);
	vfio_bar_read(fn, PCI_ROM, 0, 2, &v);
	assert_int_equal(v, 0xaa55);
	assert_int_equal(fake.n_rom_reads, 1);
}

static void test_rom_that_cannot_be_read_or_shown_is_none(void **state)
{
	u64 v = 0;

	fake.rom_size = 2048;
	assert_int_equal(vfio_rig_start(&r), 0);
	fake.fail_at = fake.calls + 1;
	vfio_bar_read(vfio_rig_fn(&r), PCI_ROM, 0, 4, &v);
	assert_int_equal(v, 0xffffffff);
	vfio_rig_fini(&r);
	setup(state);
	fake.rom_size = MiB(32);
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(vfio_rig_fn(&r)->bar[PCI_ROM].size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bar_is_mapped_around_the_msix_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bar_trapped_access_of_any_size_reaches_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bar_of_a_device_that_is_gone_reads_all_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bar_that_cannot_be_mapped_is_trapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bar_msix_table_and_pending_bits_may_be_in_two_bars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rom_is_copied_once_and_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rom_that_cannot_be_read_or_shown_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
