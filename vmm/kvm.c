/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <unistd.h>

#include "vmm/config.h"
#include "vmm/host_error.h"
#include "vmm/kvm.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"

/* What nidus cannot do without. All are in every kernel from 5.10 on. */
static const struct kvm_need needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest RAM" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM", "read-only memory" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stopping a vCPU" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING", "interrupt routes" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupts from devices" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "doorbells of devices" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI", "message-signalled interrupts" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE", "start-up of further vCPUs" },
	{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS", "reset" },
};

int kvm_ioctl_raw(int fd, unsigned long req, void *arg)
{
	int r;

	do
		r = ioctl(fd, req, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int kvm_ioctl_val(int fd, unsigned long req, unsigned long val)
{
	return kvm_ioctl_raw(fd, req, (void *)val);
}

int kvm_cap(const struct kvm *k, int cap)
{
	int r = kvm_ioctl_val(k->vm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return MAX(r, 0);
}

static int open_node(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		log_error("%s: no KVM here: load kvm_intel or kvm_amd (modprobe), and switch virtualization on in the firmware", node);
		break;
	case EACCES:
	case EPERM:
		log_error("%s: no permission: add the user to group kvm (usermod -aG kvm USER) and log in again", node);
		break;
	default:
		log_error("%s: cannot be opened: %s", node, host_error_text(-errno));
	}
	return -1;
}

static int check_api(const struct kvm *k, const char *node)
{
	int v = kvm_ioctl_val(k->fd, KVM_GET_API_VERSION, 0);

	if (v == KVM_API_VERSION)
		return 0;
	if (v < 0)
		log_error("%s: not a KVM device: %s", node, strerror(-v));
	else
		log_error("%s: KVM API version %d, needed is %d: use a newer kernel", node, v, KVM_API_VERSION);
	return EXIT_HOST;
}

static int create_vm(struct kvm *k, const char *node)
{
	int fd = kvm_ioctl_val(k->fd, KVM_CREATE_VM, 0);

	if (fd >= 0) {
		k->vm_fd = fd;
		return 0;
	}
	if (fd == -EBUSY)
		log_error("%s: another hypervisor uses the CPU's virtualization: stop it", node);
	else
		log_error("%s: cannot create a VM: %s", node, host_error_text(fd));
	return EXIT_HOST;
}

int kvm_check_caps(const struct kvm *k, const struct kvm_need *need, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!kvm_cap(k, need[i].cap)) {
			log_error("this host's KVM lacks %s (%s): use Linux 5.10 or newer", need[i].name, need[i].use);
			return EXIT_HOST;
		}
	}
	return 0;
}

int kvm_create(struct kvm *k, const char *node, int fd)
{
	/* What the user has handed over is the user's to put right. */
	int status = fd < 0 ? EXIT_HOST : EXIT_NOINPUT;

	memset(k, 0, sizeof(*k));
	k->vm_fd = -1;
	pthread_mutex_init(&k->lock, NULL);
	k->fd = fd >= 0 ? fd : open_node(node);
	if (k->fd < 0)
		goto fail;
	/* An inherited descriptor must not be inherited further. */
	fcntl(k->fd, F_SETFD, FD_CLOEXEC);
	if (check_api(k, node))
		goto fail;
	status = EXIT_HOST;
	if (create_vm(k, node) || kvm_check_caps(k, needed, ARRAY_SIZE(needed)))
		goto fail;
	k->run_size = kvm_ioctl_val(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (k->run_size < (int)sizeof(struct kvm_run)) {
		log_error("%s: no run area for vCPUs: use a newer kernel", node);
		goto fail;
	}
	if (arch_vm_init(k))
		goto fail;
	return 0;
fail:
	kvm_destroy(k);
	return status;
}

void kvm_destroy(struct kvm *k)
{
	arch_vm_fini(k);
	if (k->vm_fd >= 0)
		close(k->vm_fd);
	if (k->fd >= 0)
		close(k->fd);
	k->vm_fd = -1;
	k->fd = -1;
}

static int set_region(struct kvm *k, unsigned slot, gpa_t gpa, u64 len, void *hva, bool readonly)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (u64)(uintptr_t)hva,
	};

	return kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
}

int kvm_slot_add(struct kvm *k, gpa_t gpa, u64 len, void *hva, bool readonly)
{
	int r = -ENOSPC;

	/* KVM would take length 0 as a removal. */
	if (!len)
		return -EINVAL;
	pthread_mutex_lock(&k->lock);
	for (unsigned i = 0; i < KVM_SLOTS; i++) {
		if (k->slot[i].len)
			continue;
		r = set_region(k, i, gpa, len, hva, readonly);
		if (!r) {
			k->slot[i].gpa = gpa;
			k->slot[i].len = len;
			k->slot[i].hva = hva;
		}
		break;
	}
	pthread_mutex_unlock(&k->lock);
	return r;
}

void kvm_slot_del(struct kvm *k, gpa_t gpa, void *hva)
{
	pthread_mutex_lock(&k->lock);
	for (unsigned i = 0; i < KVM_SLOTS; i++) {
		if (!k->slot[i].len || k->slot[i].gpa != gpa || k->slot[i].hva != hva)
			continue;
		/* Cannot fail for a slot that exists; if it did, the number must stay taken. */
		if (set_region(k, i, gpa, 0, hva, false) == 0)
			k->slot[i].len = 0;
		break;
	}
	pthread_mutex_unlock(&k->lock);
}

int kvm_add_ram(struct kvm *k, const struct mem *m)
{
	const struct mem_slot *s;
	unsigned n = mem_slots(m, &s);

	for (unsigned i = 0; i < n; i++) {
		int r = kvm_slot_add(k, s[i].gpa, s[i].len, s[i].hva, false);

		if (r) {
			while (i--)
				kvm_slot_del(k, s[i].gpa, s[i].hva);
			return r;
		}
	}
	return 0;
}

static int ioeventfd(struct kvm *k, u64 addr, unsigned len, int fd, bool add, u32 flags)
{
	struct kvm_ioeventfd e = {
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags | (add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return kvm_ioctl(k->vm_fd, KVM_IOEVENTFD, &e);
}

static int mmio_ioeventfd(void *ctx, u64 addr, unsigned len, int fd, bool add)
{
	return ioeventfd(ctx, addr, len, fd, add, 0);
}

static int pio_ioeventfd(void *ctx, u64 addr, unsigned len, int fd, bool add)
{
	return ioeventfd(ctx, addr, len, fd, add, KVM_IOEVENTFD_FLAG_PIO);
}

static int mmio_map(void *ctx, gpa_t gpa, u64 len, void *hva, bool readonly, bool add)
{
	if (add)
		return kvm_slot_add(ctx, gpa, len, hva, readonly);
	kvm_slot_del(ctx, gpa, hva);
	return 0;
}

const struct bus_hooks kvm_mmio_hooks = { .ioeventfd = mmio_ioeventfd, .map = mmio_map };
const struct bus_hooks kvm_pio_hooks = { .ioeventfd = pio_ioeventfd };
