/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm_vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>

/* Named KVM_DEV_VFIO_GROUP* in headers older than device files; the numbers are the same. */
#define DEV_VFIO_FILE 1
#define DEV_VFIO_FILE_ADD 1
#define DEV_VFIO_FILE_DEL 2

int kvm_vfio_create(const struct kvm *k, int *fd)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO };
	int err = kvm_ioctl(k->vm_fd, KVM_CREATE_DEVICE, &d);

	if (err < 0)
		return err;
	/* KVM sets close-on-exec itself. */
	*fd = (int)d.fd;
	return 0;
}

int kvm_vfio_file(int kvm_vfio_fd, int device_fd, bool add)
{
	s32 fd = device_fd;
	struct kvm_device_attr a = {
		.group = DEV_VFIO_FILE, .attr = add ? DEV_VFIO_FILE_ADD : DEV_VFIO_FILE_DEL, .addr = (uintptr_t)&fd,
	};
	int err = kvm_ioctl(kvm_vfio_fd, KVM_SET_DEVICE_ATTR, &a);

	return MIN(err, 0);
}
