/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;

static int setup(void **state)
{
	vfio_rig_init(&r);
	assert_int_equal(vfio_rig_start(&r), 0);
	fake.n_cfg_writes = 0;
	return 0;
}

static int teardown(void **state)
{
	vfio_rig_fini(&r);
	return 0;
}

static void test_cfg_identity_is_the_devices(void **state)
{
	assert_int_equal(vfio_rig_read(&r, PCI_VENDOR_ID, 4), 0x00101b36);
	assert_int_equal(vfio_rig_read(&r, PCI_CLASS_REVISION, 4), 0x01080202);
	assert_int_equal(vfio_rig_read(&r, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(vfio_rig_read(&r, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(vfio_rig_read(&r, PCI_COMMAND, 2), 0);
}

/* The capabilities at their real offsets, in order; the vital product data is not among them. */
static void test_cfg_list_has_what_a_guest_may_see(void **state)
{
	static const u8 want[][2] = {
		{ FAKE_MSIX, PCI_CAP_ID_MSIX }, { FAKE_PM, PCI_CAP_ID_PM }, { FAKE_EXP, PCI_CAP_ID_EXP },
		{ FAKE_MSI, PCI_CAP_ID_MSI }, { FAKE_VNDR, PCI_CAP_ID_VNDR },
	};
	unsigned at = vfio_rig_read(&r, PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(at, want[i][0]);
		assert_int_equal(vfio_rig_read(&r, at, 1), want[i][1]);
		at = vfio_rig_read(&r, at + 1, 1);
	}
	assert_int_equal(at, 0);
}

/* A null capability at 0x100, then the serial number: no AER, ATS, PASID, SR-IOV. */
static void test_cfg_extended_list_hides_the_rest(void **state)
{
	assert_int_equal(vfio_rig_read(&r, 0x100, 4), 0x140U << 20);
	assert_int_equal(vfio_rig_read(&r, 0x140, 4), 0x00010003);
	assert_int_equal(vfio_rig_read(&r, 0x144, 4), 0x55667788);
	for (unsigned off = 0x150; off < PCI_CFG_SIZE; off += 4)
		assert_int_equal(vfio_rig_read(&r, off, 4), 0);
}

static void test_cfg_device_is_an_endpoint_with_a_link(void **state)
{
	assert_int_equal(FIELD_GET(PCI_EXP_FLAGS_TYPE, vfio_rig_read(&r, FAKE_EXP + 2, 2)), PCI_EXP_TYPE_ENDPOINT);
	assert_int_not_equal(vfio_rig_read(&r, FAKE_EXP + PCI_EXP_LNKCAP, 4) & PCI_EXP_LNKCAP_MLW, 0);
}

static void test_cfg_vendor_data_is_read_from_the_device(void **state)
{
	fake.cfg[FAKE_VNDR + 5] = 0x77;
	assert_int_equal(vfio_rig_read(&r, FAKE_VNDR + 4, 4), 0x7700);
	fake.fail_at = fake.calls + 1;
	assert_int_equal(vfio_rig_read(&r, FAKE_VNDR + 4, 4), ~0U);
}

static void test_cfg_pending_transactions_are_the_devices(void **state)
{
	fake.cfg[FAKE_EXP + PCI_EXP_DEVSTA] = 0xff;
	assert_int_equal(vfio_rig_read(&r, FAKE_EXP + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_TRPND);
}

static void test_cfg_memory_and_power_stay_on_in_the_device(void **state)
{
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_rig_write(&r, PCI_COMMAND, 2, 0);
	vfio_rig_write(&r, FAKE_PM + PCI_PM_CTRL, 2, 3);
	assert_int_equal(vfio_rig_read(&r, FAKE_PM + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_int_equal(get_le(fake.cfg + FAKE_PM + PCI_PM_CTRL, 2), 0);
}

static void test_cfg_cut_off_device_stays_so(void **state)
{
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_cut(r.v->dev[0]);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	vfio_rig_write(&r, PCI_COMMAND, 2, 0);
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
}

static void cut_now(void)
{
	vfio_cut(r.v->dev[0]);
}

/* The cut takes no lock: it may come between a vCPU's look at it and that vCPU's write. */
static void test_cfg_cut_in_the_middle_of_a_write_wins(void **state)
{
	fake.on_cfg_write = cut_now;
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_null(fake.on_cfg_write);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
}

static void test_cfg_function_level_reset_resets(void **state)
{
	vfio_rig_write(&r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_rig_write(&r, FAKE_MSIX + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	vfio_rig_write(&r, FAKE_EXP + PCI_EXP_DEVCTL, 2, 0x2810 | PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(fake.n_reset, 2);
	assert_int_equal(fake.irq_on[VFIO_IRQ_MSIX], 0);
	assert_int_equal(vfio_rig_read(&r, PCI_COMMAND, 2), 0);
	assert_int_equal(vfio_rig_read(&r, FAKE_MSIX + 2, 2), 7);
	assert_int_equal(vfio_rig_read(&r, FAKE_EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
}

/* Only what is on the list: the command register and device control, and of these only their bits. */
static void test_cfg_sweep_only_listed_bits_reach_the_device(void **state)
{
	static const u32 values[] = { 0, ~0U, 0x55555555, 0xaaaaaaaa };
	static u8 before[PCI_CFG_SIZE];
	u64 seed = 88172645463325252ULL;

	memcpy(before, fake.cfg, sizeof(before));
	for (unsigned off = 0; off < PCI_CFG_SIZE; off++) {
		for (unsigned size = 1; size <= 4; size *= 2) {
			if (off & (size - 1))
				continue;
			for (unsigned i = 0; i < ARRAY_SIZE(values) + 1; i++)
				vfio_rig_write(&r, off, size, (u32)((i < ARRAY_SIZE(values) ? values[i] : rnd(&seed)) & size_mask(size)));
		}
	}
	for (unsigned i = 0; i < MIN(fake.n_cfg_writes, (unsigned)ARRAY_SIZE(fake.cfg_write)); i++) {
		u64 off = fake.cfg_write[i].off, val = fake.cfg_write[i].val;

		assert_int_equal(fake.cfg_write[i].size, 2);
		if (off == PCI_COMMAND)
			assert_int_equal(val & ~(u64)(PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR), PCI_COMMAND_MEMORY);
		else if (off == FAKE_EXP + PCI_EXP_DEVCTL)
			assert_int_equal((val ^ 0x2810) & ~(u64)(PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN), 0);
		else
			fail_msg("a write reached 0x%llx", (unsigned long long)off);
	}
	put_le(before + PCI_COMMAND, 2, get_le(fake.cfg + PCI_COMMAND, 2));
	put_le(before + FAKE_EXP + PCI_EXP_DEVCTL, 2, get_le(fake.cfg + FAKE_EXP + PCI_EXP_DEVCTL, 2));
	assert_memory_equal(before, fake.cfg, sizeof(before));
}

/* MSI with 32-bit addresses ends after ten bytes: what comes next may begin right behind. */
static void test_cfg_capability_behind_a_short_msi_is_shown(void **state)
{
	struct vfio_rig q;

	vfio_rig_init(&q);
	fake_cap(FAKE_MSI, PCI_CAP_ID_MSI, FAKE_MSI + 12);
	put_le(fake.cfg + FAKE_MSI + 2, 2, 0x0104);
	fake_cap(FAKE_MSI + 12, PCI_CAP_ID_VNDR, 0);
	fake.cfg[FAKE_MSI + 14] = 8;
	assert_int_equal(vfio_rig_start(&q), 0);
	assert_int_equal(vfio_rig_read(&q, FAKE_MSI + 1, 1), FAKE_MSI + 12);
	assert_int_equal(vfio_rig_read(&q, FAKE_MSI + 12, 4), 0x080000 | PCI_CAP_ID_VNDR);
	vfio_rig_fini(&q);
}

/* Lists that loop, point anywhere, lie about lengths: nothing is read outside config space, and the guest's list ends. */
static void test_cfg_random_devices_give_lists_that_end(void **state)
{
	u64 seed = 1234567;

	for (unsigned n = 0; n < 200; n++) {
		struct vfio_rig q;
		unsigned at, steps = 0;

		vfio_rig_init(&q);
		for (unsigned i = PCI_STD_HEADER_SIZEOF; i < PCI_CFG_SIZE; i++)
			fake.cfg[i] = (u8)rnd(&seed);
		fake.cfg[PCI_CAPABILITY_LIST] = (u8)rnd(&seed);
		/* Known ids, so that their parsers see the noise. */
		for (unsigned i = 0x40; i < 0x100; i += 4) {
			if (rnd(&seed) & 1)
				fake.cfg[i] = (u8[]){ 1, 5, 9, 0xd, 0x10, 0x11 }[rnd(&seed) % 6];
		}
		assert_int_equal(vfio_rig_start(&q), 0);
		for (at = vfio_rig_read(&q, PCI_CAPABILITY_LIST, 1); at && steps < 64; steps++)
			at = vfio_rig_read(&q, at + 1, 1);
		assert_in_range(steps, 0, 48);
		for (at = 0x100, steps = 0; at && steps < 1024; steps++)
			at = vfio_rig_read(&q, at + 2, 2) >> 4;
		assert_in_range(steps, 0, 1023);
		vfio_rig_fini(&q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cfg_identity_is_the_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_list_has_what_a_guest_may_see, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_extended_list_hides_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_device_is_an_endpoint_with_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_vendor_data_is_read_from_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_pending_transactions_are_the_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_memory_and_power_stay_on_in_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_cut_off_device_stays_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_cut_in_the_middle_of_a_write_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_function_level_reset_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cfg_sweep_only_listed_bits_reach_the_device, setup, teardown),
		cmocka_unit_test(test_cfg_capability_behind_a_short_msi_is_shown),
		cmocka_unit_test(test_cfg_random_devices_give_lists_that_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
