/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>

#include "vmm/kvm.h"
#include "vmm/vcpu.h"

static int signal_msi(void *ctx, u64 addr, u32 data)
{
	struct kvm *k = ctx;
	struct kvm_msi m = { .address_lo = (u32)addr, .address_hi = (u32)(addr >> 32), .data = data };
	int r;

	/* A write to anything but an interrupt address interrupts nobody. */
	if (!arch_msi_addr_ok(addr))
		return 0;
	r = kvm_ioctl(k->vm_fd, KVM_SIGNAL_MSI, &m);
	/* A positive value counts the vCPUs reached, 0 is an interrupt the guest blocks. */
	return MIN(r, 0);
}

static int set_routes(void *ctx, const struct irq_route *routes, unsigned n)
{
	struct kvm *k = ctx;
	struct kvm_irq_routing *t = calloc(1, sizeof(*t) + n * sizeof(t->entries[0]));
	int r;

	if (!t)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct kvm_irq_routing_entry *e = &t->entries[t->nr];

		/* KVM refuses the whole table for one bad address, and addresses are the guest's: such a route leads nowhere. */
		if (!arch_msi_addr_ok(routes[i].addr))
			continue;
		e->gsi = routes[i].gsi;
		e->type = KVM_IRQ_ROUTING_MSI;
		e->u.msi.address_lo = (u32)routes[i].addr;
		e->u.msi.address_hi = (u32)(routes[i].addr >> 32);
		e->u.msi.data = routes[i].data;
		t->nr++;
	}
	r = kvm_ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, t);
	free(t);
	return r;
}

static int irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	struct kvm *k = ctx;
	struct kvm_irqfd f = { .fd = (u32)fd, .gsi = gsi, .flags = add ? 0 : KVM_IRQFD_FLAG_DEASSIGN };

	if (add && resample_fd >= 0) {
		f.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		f.resamplefd = (u32)resample_fd;
	}
	return kvm_ioctl(k->vm_fd, KVM_IRQFD, &f);
}

const struct irq_backend kvm_irq_backend = { .signal_msi = signal_msi, .set_routes = set_routes, .irqfd = irqfd };
