/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl
#include "tests/unit/unit.h"

#include <linux/kvm.h>
#include <stdarg.h>

#include "vmm/kvm.h"

static struct {
	int result;
	unsigned calls;
	unsigned long req;
	struct kvm_msi msi;
	struct kvm_irqfd irqfd;
	u32 nr;
	struct kvm_irq_routing_entry entry[4];
} seen;

static struct kvm k;

int __wrap_ioctl(int fd, unsigned long req, ...);

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	const struct kvm_irq_routing *t;
	void *arg = IOCTL_ARG(req);

	seen.calls++;
	seen.req = req;
	if (req == KVM_SIGNAL_MSI)
		seen.msi = *(struct kvm_msi *)arg;
	if (req == KVM_IRQFD)
		seen.irqfd = *(struct kvm_irqfd *)arg;
	if (req == KVM_SET_GSI_ROUTING) {
		t = arg;
		assert_true(t->nr <= ARRAY_SIZE(seen.entry));
		seen.nr = t->nr;
		memcpy(seen.entry, t->entries, t->nr * sizeof(t->entries[0]));
	}
	if (seen.result < 0) {
		errno = -seen.result;
		return -1;
	}
	return seen.result;
}

static int setup(void **state)
{
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void test_irq_kvm_msi_result_is_zero_or_error(void **state)
{
	static const struct {
		int result, want;
	} row[] = { { 1, 0 }, { 0, 0 }, { 64, 0 }, { -EINVAL, -EINVAL } };

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		seen.result = row[i].result;
		assert_int_equal(kvm_irq_backend.signal_msi(&k, 0xfee01004, 0xc041), row[i].want);
		assert_int_equal(seen.msi.address_lo, 0xfee01004);
		assert_int_equal(seen.msi.address_hi, 0);
		assert_int_equal(seen.msi.data, 0xc041);
	}
}

static void test_irq_kvm_msi_elsewhere_is_nobodys(void **state)
{
	static const u64 addr[] = { 0, 0xfedfffff, 0xfef00000, 0x1fee00000, ~0ULL };

	for (unsigned i = 0; i < ARRAY_SIZE(addr); i++)
		assert_int_equal(kvm_irq_backend.signal_msi(&k, addr[i], 0), 0);
	assert_int_equal(seen.calls, 0);
}

static void test_irq_kvm_bad_route_does_not_spoil_the_table(void **state)
{
	const struct irq_route r[] = {
		{ 24, 0xfee00000, 0x31 },
		{ 25, 0xffffffff00000000, 0x32 },
		{ 26, 0x1000, 0x33 },
		{ 27, 0xfeeff00c, 0x34 },
	};

	assert_int_equal(kvm_irq_backend.set_routes(&k, r, ARRAY_SIZE(r)), 0);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.entry[0].gsi, 24);
	assert_int_equal(seen.entry[1].gsi, 27);
	assert_int_equal(seen.entry[1].type, KVM_IRQ_ROUTING_MSI);
	assert_int_equal(seen.entry[1].u.msi.address_lo, 0xfeeff00c);
	assert_int_equal(seen.entry[1].u.msi.data, 0x34);
	assert_int_equal(kvm_irq_backend.set_routes(&k, NULL, 0), 0);
	assert_int_equal(seen.nr, 0);
	seen.result = -EINVAL;
	assert_int_equal(kvm_irq_backend.set_routes(&k, r, 1), -EINVAL);
}

static void test_irq_kvm_irqfd_flags(void **state)
{
	assert_int_equal(kvm_irq_backend.irqfd(&k, 5, 30, -1, true), 0);
	assert_int_equal(seen.irqfd.fd, 5);
	assert_int_equal(seen.irqfd.gsi, 30);
	assert_int_equal(seen.irqfd.flags, 0);
	assert_int_equal(kvm_irq_backend.irqfd(&k, 5, 30, 6, true), 0);
	assert_int_equal(seen.irqfd.flags, KVM_IRQFD_FLAG_RESAMPLE);
	assert_int_equal(seen.irqfd.resamplefd, 6);
	assert_int_equal(kvm_irq_backend.irqfd(&k, 5, 30, 6, false), 0);
	assert_int_equal(seen.irqfd.flags, KVM_IRQFD_FLAG_DEASSIGN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_irq_kvm_msi_result_is_zero_or_error, setup),
		cmocka_unit_test_setup(test_irq_kvm_msi_elsewhere_is_nobodys, setup),
		cmocka_unit_test_setup(test_irq_kvm_bad_route_does_not_spoil_the_table, setup),
		cmocka_unit_test_setup(test_irq_kvm_irqfd_flags, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
