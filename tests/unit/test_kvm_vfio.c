/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl
#include "tests/unit/unit.h"

#include <linux/kvm.h>
#include <stdarg.h>

#include "vmm/kvm_vfio.h"

static int fail_with;
static struct kvm_device_attr seen;
static s32 seen_fd;

int __wrap_ioctl(int fd, unsigned long req, ...);
int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	errno = fail_with;
	if (fail_with)
		return -1;
	if (req == KVM_CREATE_DEVICE) {
		assert_int_equal(fd, 5);
		assert_int_equal(((struct kvm_create_device *)arg)->type, KVM_DEV_TYPE_VFIO);
		((struct kvm_create_device *)arg)->fd = 9;
	} else {
		assert_int_equal(req, KVM_SET_DEVICE_ATTR);
		assert_int_equal(fd, 9);
		seen = *(struct kvm_device_attr *)arg;
		seen_fd = *(s32 *)(uintptr_t)seen.addr;
	}
	return 0;
}

static void test_kvm_vfio_files_are_added_and_removed(void **state)
{
	struct kvm k = { .vm_fd = 5 };
	int fd = -1;

	fail_with = 0;
	assert_int_equal(kvm_vfio_create(&k, &fd), 0);
	assert_int_equal(fd, 9);
	assert_int_equal(kvm_vfio_file(fd, 12, true), 0);
	assert_int_equal(seen.group, KVM_DEV_VFIO_GROUP);
	assert_int_equal(seen.attr, KVM_DEV_VFIO_GROUP_ADD);
	assert_int_equal(seen_fd, 12);
	assert_int_equal(kvm_vfio_file(fd, 12, false), 0);
	assert_int_equal(seen.attr, KVM_DEV_VFIO_GROUP_DEL);
}

static void test_kvm_vfio_failure_is_told(void **state)
{
	struct kvm k = { .vm_fd = 5 };
	int fd = -1;

	fail_with = ENODEV;
	assert_int_equal(kvm_vfio_create(&k, &fd), -ENODEV);
	assert_int_equal(fd, -1);
	assert_int_equal(kvm_vfio_file(9, 12, true), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kvm_vfio_files_are_added_and_removed),
		cmocka_unit_test(test_kvm_vfio_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
