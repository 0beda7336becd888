/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl open64
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>

#include "vmm/config.h"
#include "vmm/kvm.h"
#include "vmm/log.h"

/* A host whose answers each test chooses. */
static struct {
	int open_errno, api, vm_errno, missing_cap, region_errno;
	unsigned eintr, regions_live;
	struct kvm_userspace_memory_region region;
	struct kvm_ioeventfd bell;
} h;

static struct kvm k;

int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long req, ...);
int __real_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	if (strncmp(path, "/fake/", 6) != 0) {
		va_list ap;
		int mode;

		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
		return __real_open64(path, flags, mode);
	}
	assert_true(flags & O_CLOEXEC);
	if (h.open_errno) {
		errno = h.open_errno;
		return -1;
	}
	return dup(2);
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

static int set_region(const struct kvm_userspace_memory_region *r)
{
	if (h.region_errno)
		return refuse(h.region_errno);
	h.region = *r;
	h.regions_live += r->memory_size ? 1 : -1U;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (h.eintr) {
		h.eintr--;
		return refuse(EINTR);
	}
	switch (req) {
	case KVM_GET_API_VERSION:
		return h.api < 0 ? refuse(-h.api) : h.api;
	case KVM_CREATE_VM:
		return h.vm_errno ? refuse(h.vm_errno) : dup(2);
	case KVM_CHECK_EXTENSION:
		return (int)(uintptr_t)arg == h.missing_cap ? 0 : 1;
	case KVM_GET_VCPU_MMAP_SIZE:
		return 12288;
	case KVM_SET_USER_MEMORY_REGION:
		return set_region(arg);
	case KVM_IOEVENTFD:
		h.bell = *(struct kvm_ioeventfd *)arg;
		return 0;
	case KVM_GET_SUPPORTED_CPUID:
		((struct kvm_cpuid2 *)arg)->nent = 0;
		return 0;
	case KVM_GET_MSR_INDEX_LIST:
		((struct kvm_msr_list *)arg)->nmsrs = 0;
		return 0;
	default:
		return 0;
	}
}

static int setup(void **state)
{
	memset(&h, 0, sizeof(h));
	h.api = 12;
	h.missing_cap = -1;
	return 0;
}

static char *said(int *status, const char *node, int fd)
{
	static char buf[4096];
	int save = dup(2), p[2];
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], 2);
	*status = kvm_create(&k, node, fd);
	dup2(save, 2);
	close(save);
	close(p[1]);
	n = read(p[0], buf, sizeof(buf) - 1);
	close(p[0]);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

static void test_kvm_create_unusable_host_is_exit_66_and_one_line(void **state)
{
	static const struct {
		int open_errno, api, vm_errno, missing_cap;
		const char *says;
	} row[] = {
		{ ENOENT, 12, 0, -1, "modprobe" },
		{ ENODEV, 12, 0, -1, "modprobe" },
		{ EACCES, 12, 0, -1, "group kvm" },
		{ EMFILE, 12, 0, -1, "ulimit -n" },
		{ EIO, 12, 0, -1, "cannot be opened" },
		{ 0, -ENOTTY, 0, -1, "not a KVM device" },
		{ 0, 11, 0, -1, "API version 11" },
		{ 0, 12, EMFILE, -1, "ulimit -n" },
		{ 0, 12, EBUSY, -1, "another hypervisor" },
		{ 0, 12, ENOMEM, -1, "cannot create a VM" },
		{ 0, 12, 0, KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP" },
		{ 0, 12, 0, KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ 0, 12, 0, KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
		{ 0, 12, 0, KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		const char *s, *nl;
		int status;

		h.open_errno = row[i].open_errno;
		h.api = row[i].api;
		h.vm_errno = row[i].vm_errno;
		h.missing_cap = row[i].missing_cap;
		s = said(&status, "/fake/kvm", -1);
		assert_int_equal(status, EXIT_HOST);
		assert_non_null(strstr(s, row[i].says));
		nl = strchr(s, '\n');
		assert_true(nl && !nl[1]);
		assert_int_equal(k.fd, -1);
		assert_int_equal(k.vm_fd, -1);
		kvm_destroy(&k);
	}
}

static void test_kvm_create_takes_over_an_inherited_fd(void **state)
{
	int fd = dup(2);

	h.open_errno = ENOENT;
	assert_int_equal(kvm_create(&k, "fd:7", fd), 0);
	assert_int_equal(k.fd, fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	kvm_destroy(&k);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_kvm_create_other_inherited_fd_is_noinput(void **state)
{
	int fd = dup(2), status;

	h.api = -ENOTTY;
	assert_non_null(strstr(said(&status, "--kvm", fd), "--kvm: not a KVM device"));
	assert_int_equal(status, EXIT_NOINPUT);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_kvm_ioctl_interrupted_is_retried(void **state)
{
	h.eintr = 3;
	assert_int_equal(kvm_ioctl_val(0, KVM_GET_API_VERSION, 0), 12);
	assert_int_equal(h.eintr, 0);
}

static void test_kvm_slots_fill_free_and_refill(void **state)
{
	char host[1];

	assert_int_equal(kvm_create(&k, "/fake/kvm", -1), 0);
	for (u64 i = 0; i < KVM_SLOTS; i++) {
		assert_int_equal(kvm_slot_add(&k, i << 12, 4096, host, i & 1), 0);
		assert_int_equal(h.region.slot, i);
		assert_int_equal(h.region.flags, i & 1 ? KVM_MEM_READONLY : 0);
	}
	assert_int_equal(kvm_slot_add(&k, 1ULL << 40, 4096, host, false), -ENOSPC);
	kvm_slot_del(&k, 5 << 12, host + 1);
	kvm_slot_del(&k, 1ULL << 40, host);
	assert_int_equal(h.regions_live, KVM_SLOTS);
	kvm_slot_del(&k, 5 << 12, host);
	assert_int_equal(h.regions_live, KVM_SLOTS - 1);
	assert_int_equal(h.region.memory_size, 0);
	assert_int_equal(kvm_slot_add(&k, 1ULL << 40, 4096, host, false), 0);
	assert_int_equal(h.region.slot, 5);
	kvm_destroy(&k);
}

static void test_kvm_slot_refused_stays_free(void **state)
{
	char host[1];

	assert_int_equal(kvm_create(&k, "/fake/kvm", -1), 0);
	h.region_errno = EEXIST;
	assert_int_equal(kvm_slot_add(&k, 0, 4096, host, false), -EEXIST);
	assert_int_equal(kvm_slot_add(&k, 0, 0, host, false), -EINVAL);
	h.region_errno = 0;
	assert_int_equal(kvm_slot_add(&k, 0x1000, 4096, host, false), 0);
	assert_int_equal(h.region.slot, 0);
	kvm_destroy(&k);
}

static void test_kvm_add_ram_registers_every_slot(void **state)
{
	const struct mem_range r[] = { { 0, MiB(1) }, { GiB(4), MiB(2) } };
	struct mem *m;

	assert_int_equal(mem_create(r, 2, false, &m), 0);
	assert_int_equal(kvm_create(&k, "/fake/kvm", -1), 0);
	assert_int_equal(kvm_add_ram(&k, m), 0);
	assert_int_equal(h.regions_live, 2);
	assert_int_equal(h.region.guest_phys_addr, GiB(4));
	assert_int_equal(h.region.memory_size, MiB(2));
	kvm_destroy(&k);
	mem_destroy(m);
}

static void test_kvm_hooks_reach_kvm(void **state)
{
	char host[1];

	assert_int_equal(kvm_create(&k, "/fake/kvm", -1), 0);
	assert_int_equal(kvm_mmio_hooks.ioeventfd(&k, 0xc0000000, 0, 9, true), 0);
	assert_int_equal(h.bell.addr, 0xc0000000);
	assert_int_equal(h.bell.len, 0);
	assert_int_equal(h.bell.flags, 0);
	assert_int_equal(kvm_pio_hooks.ioeventfd(&k, 0x510, 2, 9, false), 0);
	assert_int_equal(h.bell.len, 2);
	assert_int_equal(h.bell.flags, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
	assert_int_equal(kvm_mmio_hooks.map(&k, 0xd0000000, 8192, host, true, true), 0);
	assert_int_equal(h.region.flags, KVM_MEM_READONLY);
	assert_int_equal(kvm_mmio_hooks.map(&k, 0xd0000000, 8192, host, true, false), 0);
	assert_int_equal(h.regions_live, 0);
	kvm_destroy(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kvm_create_unusable_host_is_exit_66_and_one_line, setup),
		cmocka_unit_test_setup(test_kvm_create_takes_over_an_inherited_fd, setup),
		cmocka_unit_test_setup(test_kvm_create_other_inherited_fd_is_noinput, setup),
		cmocka_unit_test_setup(test_kvm_ioctl_interrupted_is_retried, setup),
		cmocka_unit_test_setup(test_kvm_slots_fill_free_and_refill, setup),
		cmocka_unit_test_setup(test_kvm_slot_refused_stays_free, setup),
		cmocka_unit_test_setup(test_kvm_add_ram_registers_every_slot, setup),
		cmocka_unit_test_setup(test_kvm_hooks_reach_kvm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
